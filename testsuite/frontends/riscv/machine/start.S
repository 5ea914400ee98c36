/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

.section .text.start
.globl _start
_start:
    csrr t0, mhartid
    bnez t0, other
    la sp, stack_end
    li t0, ACLINT + 0x4000
    li t1, -1
    sd t1, 0(t0)
    la t0, m_handler
    csrw mtvec, t0
    la t0, m_save
    csrw mscratch, t0
    la t0, s_handler
    csrw stvec, t0
    la t0, s_save
    csrw sscratch, t0
    j main
other:
    la t0, secondary
    jr t0
    .weak secondary
secondary:
    wfi
    j secondary

.text
/* a0: string.  Everything else is kept. */
.globl puts
puts:
    addi sp, sp, -32
    sd t0, 0(sp)
    sd t1, 8(sp)
    sd a0, 16(sp)
    li t0, UART
1:  lbu t1, 0(a0)
    beqz t1, 2f
    sb t1, 0(t0)
    addi a0, a0, 1
    j 1b
2:  ld t0, 0(sp)
    ld t1, 8(sp)
    ld a0, 16(sp)
    addi sp, sp, 32
    ret

/* a0: number */
.globl puthex
puthex:
    addi sp, sp, -32
    sd t0, 0(sp)
    sd t1, 8(sp)
    sd t2, 16(sp)
    sd a0, 24(sp)
    li t0, 60
1:  srl t1, a0, t0
    andi t1, t1, 15
    addi t1, t1, '0'
    li t2, '9'
    ble t1, t2, 2f
    addi t1, t1, 'a' - '9' - 1
2:  li t2, UART
    sb t1, 0(t2)
    addi t0, t0, -4
    bgez t0, 1b
    ld t0, 0(sp)
    ld t1, 8(sp)
    ld t2, 16(sp)
    ld a0, 24(sp)
    addi sp, sp, 32
    ret

/* Prints the trap and goes on behind the instruction; M: in M after an ecall with a7 = 0x4d. */
.macro handler x, text
.balign 4
.globl \x\()_handler
\x\()_handler:
    csrrw sp, \x\()scratch, sp
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd s11, 24(sp)
    sd a0, 32(sp)
    csrr t0, \x\()cause
    bltz t0, 5f
  .ifc \x, m
    addi t1, t0, -8
    li s11, 3
    bgtu t1, s11, 1f
    li t1, 0x4d
    bne a7, t1, 1f
    li a7, 0
    li t0, 3 << 11
    csrs mstatus, t0
    j 3f
  .endif
1:  say "\text "
    csrr s11, \x\()cause
    hex s11
    say " at "
    csrr s11, \x\()epc
    hex s11
    say " tval "
    csrr s11, \x\()tval
    hex s11
    say " status "
    csrr s11, \x\()status
    hex s11
    say "\n"
    /* A fetch that fails comes back through ra. */
    csrr t0, \x\()cause
    li t1, 12
    beq t0, t1, 2f
    li t1, 1
    beq t0, t1, 2f
3:  csrr t0, \x\()epc
    la t1, m_length
    ld t1, 0(t1)
    add t0, t0, t1
    csrw \x\()epc, t0
    j 4f
2:  ld t0, 0(sp)
    csrw \x\()epc, t0
    j 4f
5:  say "\text interrupt "
    csrr s11, \x\()cause
    hex s11
    say " status "
    csrr s11, \x\()status
    hex s11
    say "\n"
    la t0, \x\()_interrupt
    ld t0, 0(t0)
    beqz t0, 4f
    jalr t0
4:  ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld s11, 24(sp)
    ld a0, 32(sp)
    csrrw sp, \x\()scratch, sp
    \x\()ret
.endm

handler m, "trap"
handler s, "strap"

.data
.balign 8
.globl m_length, m_interrupt, s_interrupt
m_length: .dword 4     /* bytes of the instructions that trap */
/* Called for interrupts; may change t0, t1, s11, a0, ra. */
m_interrupt: .dword 0
s_interrupt: .dword 0
.bss
.balign 16
    .zero 4096         /* stack of the handler */
m_save: .zero 64
    .zero 4096
s_save: .zero 64
    .zero 16384
.globl stack_end
stack_end:
