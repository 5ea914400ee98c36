/* SPDX-License-Identifier: Apache-2.0 */
/* What QEMU's programs without an operating system stand on: a stack, a character out, main()'s result as
 * the exit status; a trap ends them with 99. */
    .option norvc
    .macro semihost number
    li a0, \number
    .balign 16
    slli x0, x0, 0x1f
    ebreak
    srai x0, x0, 7
    .endm

    .globl _start
_start:
    la t0, trap
    csrw mtvec, t0
    csrr t0, mhartid
0:  bnez t0, 0b
    la sp, stack_end
    li t0, 0x6000           /* floating point */
    csrs mstatus, t0
    call main

    .globl _exit
_exit:
    la a1, ended
    sd a0, 8(a1)
    semihost 0x18
    j .

    .globl __sys_outc
__sys_outc:
    addi sp, sp, -16
    sb a0, 0(sp)
    mv a1, sp
    semihost 0x03
    addi sp, sp, 16
    ret

    .balign 4
trap:
    li a0, 99
    j _exit

    .data
    .balign 8
ended:
    .dword 0x20026, 0
    .bss
    .balign 16
    .skip 65536
stack_end:
