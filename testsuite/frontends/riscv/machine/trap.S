/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions from M, S and U, to M and delegated to S; what traps and what does not. */
#include "test.h"

.option norvc
/* Everything that can go wrong without paging. */
.macro mistakes
    .word 0
    .word 0xffffffff
    ebreak
    ecall
    li s0, 0x8000000 /* nothing is there */
    lb t0, 0(s0)
    ld t0, 0(s0)
    sw t0, 8(s0)
    lr.d t0, (s0)
    la s0, data + 1
    ld s1, 0(s0)
    hex s1
    say "\n"
    sd s1, 0(s0)
    lh s1, 6(s0)
    lr.w t0, (s0)
    la s0, page_end - 3
    ld s1, 0(s0)
    hex s1
    say "\n"
    li s0, 0x8000000
    jalr s0
    fadd.d fa0, fa0, fa0
.endm

.text
.globl main
main:
    open_pmp
    say "M\n"
    mistakes
    say "M compressed\n"
    la t0, m_length
    li t1, 2
    sd t1, 0(t0)
    .hword 0
    .hword 0x9002 /* c.ebreak */
    .hword 0x8002 /* c.jr x0: reserved */
    li t1, 4
    sd t1, 0(t0)
    say "S\n"
    drop_to 1
    mistakes
    back_to_m
    say "U\n"
    drop_to 0
    mistakes
    back_to_m
    li t0, 0xb1ff /* not the ecall from S: that goes back to M */
    csrw medeleg, t0
    show medeleg
    say "S delegated\n"
    drop_to 1
    mistakes
    back_to_m
    say "M delegated\n"
    mistakes
    li t0, 0xb0ff
    csrw medeleg, t0
    say "U delegated\n"
    drop_to 0
    mistakes
    back_to_m
    /* Returns: SPP, SPIE. */
    li t0, 0x22 /* SPIE SIE */
    csrs mstatus, t0
    la t0, 1f
    csrw mepc, t0
    li t0, 1 << 11
    csrs mstatus, t0
    mret
1:  csrr s0, sstatus
    hex s0
    say "\n"
    la t0, 2f
    csrw sepc, t0
    li t0, 0x100
    csrc sstatus, t0
    sret
2:  back_to_m
    show mstatus
    show sstatus
    finish

.data
.balign 4096
data: .dword 0x1122334455667788, 0x99aabbccddeeff00
    .zero 4080
page_end: .dword 0x0123456789abcdef
