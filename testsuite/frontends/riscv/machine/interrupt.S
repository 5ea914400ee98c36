/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts: software, timer (ACLINT and Sstc), delegated ones, priorities, vectors, wfi. */
#include "test.h"

.option norvc
/* Until `taken` is not what it was. */
.macro await
    la s2, taken
    ld s3, 0(s2)
9994: ld s4, 0(s2)
    beq s3, s4, 9994b
.endm

.macro on_interrupt handler, x=m
    la t0, \handler
    la t1, \x\()_interrupt
    sd t0, 0(t1)
.endm

.text
.globl main
main:
    open_pmp
    say "software\n"
    on_interrupt end_software
    li t0, 8
    csrw mie, t0
    csrsi mstatus, 8
    li s0, ACLINT
    li t0, 1
    sw t0, 0(s0)
    await
    say "not enabled, then enabled by the write\n"
    csrci mstatus, 8
    li t0, 1
    sw t0, 0(s0)
    show mip
    csrsi mstatus, 8
    say "behind it\n"
    show mip
    csrw mie, zero
    li t0, 1
    sw t0, 0(s0)
    li t0, 8
    csrw mie, t0
    say "behind mie\n"
    csrci mstatus, 8
    say "enabled by mret\n"
    li t0, 1
    sw t0, 0(s0)
    li t0, 0x1880
    csrs mstatus, t0
    la t0, 1f
    csrw mepc, t0
    mret
1:  say "behind mret\n"

    say "timer\n"
    on_interrupt end_timer
    li t0, 0x80
    csrw mie, t0
    li s0, ACLINT + 0x4000
    rdtime t0
    li t1, 10000
    add t0, t0, t1
    sd t0, 0(s0)
    await
    say "wfi with the timer, interrupts off\n"
    csrci mstatus, 8
    rdtime s1
    li t1, 20000
    add s1, s1, t1
    sd s1, 0(s0)
    wfi
    rdtime s2
    sltu s3, s2, s1
    hex s3
    say "\n"
    show mip
    li t0, -1
    sd t0, 0(s0)

    say "M's interrupts in S and U although mstatus.MIE is off\n"
    on_interrupt end_software
    li t0, 8
    csrw mie, t0
    li s0, ACLINT
    drop_to 1
    li t0, 1
    sw t0, 0(s0)
    await
    back_to_m
    drop_to 0
    li t0, 1
    sw t0, 0(s0)
    await
    back_to_m

    say "delegated\n"
    on_interrupt end_ssip, s
    li t0, 0x222
    csrw mideleg, t0
    csrw mie, t0
    csrsi mip, 2
    say "not in M\n"
    show sip
    drop_to 1
    say "S\n"
    csrsi sstatus, 2
    say "taken\n"
    csrci sstatus, 2
    csrsi sip, 2
    say "off\n"
    csrsi sstatus, 2
    say "taken\n"
    csrsi sip, 2
    say "by sip\n"
    csrci sstatus, 2
    csrsi sip, 2
    csrrsi s1, sstatus, 2
    andi s1, s1, 2
    hex s1
    say " by csrrsi\n"
    csrci sstatus, 2
    csrsi sip, 2
    li s1, 2
    csrs sstatus, s1
    say "by csrs\n"
    csrci sstatus, 2
    csrsi sip, 2
    li t0, 0x120
    csrs sstatus, t0
    la t0, 1f
    csrw sepc, t0
    sret
1:  say "by sret\n"
    csrci sstatus, 2
    back_to_m
    csrsi mip, 2
    drop_to 0
    say "U, always on\n"
    back_to_m

    say "priorities\n" /* but SEI: QEMU 7.2 takes it last */
    on_interrupt end_m
    on_interrupt end_s, s
    li t0, 0x2a
    csrw mie, t0
    li s0, ACLINT
    li t0, 1
    sw t0, 0(s0)
    li t0, 0x22
    csrw mip, t0
    csrw mideleg, zero
    csrsi mstatus, 8
    nop
    csrci mstatus, 8
    show mip
    li t0, 0x22
    csrw mideleg, t0
    csrw mip, t0
    li t0, 1
    sw t0, 0(s0)
    drop_to 1
    csrsi sstatus, 2
    say "all taken\n"
    csrci sstatus, 2
    back_to_m
    csrw mie, zero
    csrw mip, zero

    say "vectored\n"
    la t0, vectors + 1
    csrw stvec, t0
    li t0, 0x222
    csrw mie, t0
    drop_to 1
    csrsi sip, 2
    csrsi sstatus, 2
    hex s5
    say "\n"
    csrci sstatus, 2
    back_to_m
    la t0, s_handler
    csrw stvec, t0

    say "wfi ends with what is enabled in mie only\n"
    csrsi mip, 2
    drop_to 1
    wfi
    say "awake\n"
    csrci sip, 2
    back_to_m
    finish

end_software:
    li t0, ACLINT
    sw zero, 0(t0)
count:
    la t0, taken
    ld t1, 0(t0)
    addi t1, t1, 1
    sd t1, 0(t0)
    ret
end_timer:
    li t0, ACLINT + 0x4000
    li t1, -1
    sd t1, 0(t0)
    j count
end_ssip:
    csrci sip, 2
    j count
/* Ends the one that has been taken. */
end_m:
    csrr t0, mcause
    andi t0, t0, 63
    li t1, 3
    beq t0, t1, end_software
    li t1, 1
    sll t1, t1, t0
    csrc mip, t1
    ret
end_s:
    csrr t0, scause
    andi t0, t0, 63
    li t1, 1
    sll t1, t1, t0
    csrc sip, t1
    csrc sie, t1
    ret

.balign 256
vectors:
    j bad
    j vector1
    j bad
bad:
    li s5, 0xbad
    csrci sip, 2
    sret
vector1:
    li s5, 1
    csrci sip, 2
    sret

.data
.balign 8
taken: .dword 0
