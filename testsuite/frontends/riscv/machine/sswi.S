/* SPDX-License-Identifier: Apache-2.0 */
/* ACLINT's software interrupts for S: a write sets SSIP, the hart itself clears it. */
#include "test.h"

#define SSWI 0x2f00000
#define ROUNDS 2000

.option norvc
/* Waits for its SSIP, which is not taken, and clears it. */
.macro sleep
9998:
    wfi
    csrrci t0, mip, 2
    andi t0, t0, 2
    beqz t0, 9998b
.endm

.text
.globl main, secondary
main:
    open_pmp
    li s0, SSWI
    li s1, 1
    say "pending until it is cleared\n"
    sw s1, 0(s0)
    show mip
    sw zero, 0(s0)
    show mip
    lw s2, 0(s0)
    hex s2
    say "\n"
    csrci mip, 2
    show mip
    li t0, -2
    sw t0, 0(s0)
    show mip

    say "taken in S\n"
    la t0, end_ssip
    la t1, s_interrupt
    sd t0, 0(t1)
    li t0, 2
    csrw mideleg, t0
    csrw mie, t0
    drop_to 1
    csrsi sstatus, 2
    la s2, taken
    sw s1, 0(s0)
1:  ld s3, 0(s2)
    beqz s3, 1b
    csrci sstatus, 2
    show sip
    back_to_m

    say "to another hart\n"
    li s7, ROUNDS
2:  sw s1, 4(s0)
    sleep
    addi s7, s7, -1
    bnez s7, 2b
    say "and back\n"
    finish

secondary:
    csrwi mie, 2
    li s0, SSWI
    li s1, 1
3:  sleep
    sw s1, 0(s0)
    j 3b

end_ssip:
    csrci sip, 2
    la t0, taken
    sd s1, 0(t0)
    ret

.data
.balign 8
taken: .dword 0
