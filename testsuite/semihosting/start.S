/* SPDX-License-Identifier: Apache-2.0 */
/* Calls.c on a machine: a stack, with USER the lowest privilege; a trap ends it with status 9. */
    .globl _start
    .option norvc
_start:
    la t0, trap
    csrw mtvec, t0
    csrr t0, mhartid
0:  bnez t0, 0b
    la sp, stack_end
    la gp, __global_pointer$
#ifdef USER
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    la t0, main
    csrw mepc, t0
    li t0, 0x1800
    csrc mstatus, t0
    mret
#else
    call main
#endif
    .balign 4
trap:
    la a1, ended
    li a0, 0x18
    .balign 16
    slli x0, x0, 0x1f
    ebreak
    srai x0, x0, 7
0:  j 0b

    .data
    .balign 8
ended:
    .dword 0x20026, 9
    .bss
    .balign 16
    .skip 65536
stack_end:
