/* SPDX-License-Identifier: Apache-2.0 */
/* CSRs: rights of S and U, what ones and zeros leave in each register. */
#include "test.h"

.option norvc
/* ones: which are tried; QEMU keeps some bits that are always zero. */
.macro probe csr ones=-1
    say "\csr: "
    csrr s0, \csr
    li s1, \ones
    csrrw s2, \csr, s1
    csrr s3, \csr
    csrw \csr, zero
    csrr s4, \csr
    csrw \csr, s0
    hex s3
    say " "
    hex s4
    say "\n"
.endm

.text
.globl main
main:
    probe mscratch
    probe mepc, -2
    probe mcause
    probe mtval
    probe sepc, -2
    probe scause
    probe stval
    probe medeleg, 0xb3ff
    probe mideleg, 0x222
    probe mie, 0xaaa
    probe sie
    probe mcounteren, 0xffffffff
    probe scounteren, 0xffffffff
    probe satp
    probe mtvec
    probe stvec
    show mstatus
    show sstatus
    show misa
    li t0, 1 << 11
    csrw mstatus, t0
    show mstatus
    li t0, 2 << 11
    csrw mstatus, t0
    li t0, 3 << 13
    csrs mstatus, t0
    show sstatus
    csrw fcsr, t0
    show fcsr
    li t0, 0x222
    csrw mideleg, t0
    csrw mie, t0
    show sie
    csrw mip, t0
    show mip
    show sip
    csrw sip, zero
    show mip
    csrw mip, zero
    csrw mideleg, zero
    csrw mie, zero
    li t0, -1
    srli t0, t0, 10
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    show pmpaddr0
    show pmpcfg0

    say "S\n"
    drop_to 1
    csrr t0, mscratch
    csrr t0, sscratch
    csrr t0, satp
    csrw mstatus, t0
    csrr t0, time
    csrr t0, cycle
    mret
    back_to_m
    say "U\n"
    drop_to 0
    csrr t0, sscratch
    csrr t0, sstatus
    csrw sepc, t0
    csrr t0, cycle
    sret
    mret
    sfence.vma
    ecall
    ebreak
    .word 0
    .word 0xffffffff
    back_to_m
    li t0, -1
    csrw mcounteren, t0
    csrw scounteren, t0
    drop_to 0
    csrr t0, cycle
    csrr t0, instret
    back_to_m
    li t0, 0x700000 /* TVM TW TSR */
    csrs mstatus, t0
    drop_to 1
    csrr t0, satp
    sfence.vma
    wfi
    sret
    back_to_m
    /* Writes to read-only registers, registers that are not there. */
    csrw cycle, zero
    csrw mhartid, zero
    csrr t0, 0x5c0
    csrr t0, 0x7ff
    finish
