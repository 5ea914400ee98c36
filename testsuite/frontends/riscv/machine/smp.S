/* SPDX-License-Identifier: Apache-2.0 */
/* Two harts: software interrupts between them, atomics, wfi and pause as ways to wait. */
#include "test.h"

#define ROUNDS 2000

.option norvc
/* Both count, in three ways. */
.macro work
    li s0, ROUNDS
    la s1, counters
    li s2, 1
9995:
    amoadd.d zero, s2, (s1)
    addi s3, s1, 8
9996:
    lr.d t0, (s3)
    addi t0, t0, 1
    sc.d t1, t0, (s3)
    bnez t1, 9996b
    addi s3, s1, 16
9997:
    amoswap.w.aq t0, s2, (s3)
    bnez t0, 9997b
    ld t0, 24(s1)
    addi t0, t0, 1
    sd t0, 24(s1)
    amoswap.w.rl zero, zero, (s3)
    addi s0, s0, -1
    bnez s0, 9995b
.endm

/* Waits until the word that goes to and fro is not `other`, then makes it that; so many times. */
.macro toss branch, other
    li s7, 100
9994:
    .word 0x0100000f /* pause */
    ld t0, 40(s1)
    \branch t0, 9994b
    li t0, \other
    sd t0, 40(s1)
    addi s7, s7, -1
    bnez s7, 9994b
.endm

/* Waits for its software interrupt, which is not taken. */
.macro sleep
9998:
    wfi
    csrr t0, mip
    andi t0, t0, 8
    beqz t0, 9998b
    sw zero, 0(s10)
.endm

.text
.globl main, secondary
main:
    csrwi mie, 8
    li s10, ACLINT
    li t1, 1
    sw t1, 4(s10)
    work
    toss bnez, 1
    sleep
    ld s4, 0(s1)
    ld s5, 8(s1)
    ld s6, 24(s1)
    hex s4
    say "\n"
    hex s5
    say "\n"
    hex s6
    say "\nping\n"
    li s7, ROUNDS
1:  li t1, 1
    sw t1, 4(s10)
    sleep
    addi s7, s7, -1
    bnez s7, 1b
    say "pong\n"
    finish

secondary:
    csrwi mie, 8
    li s10, ACLINT + 4
    sleep
    work
    toss beqz, 0
1:  li t1, 1
    li t0, ACLINT
    sw t1, 0(t0)
    sleep
    j 1b

.data
.balign 64
counters: .dword 0, 0, 0, 0, 0, 0
