/* SPDX-License-Identifier: Apache-2.0 */
/* mstatus.FS: off, initial, clean, dirty; what makes it dirty; fcsr. */
#include "test.h"

.option norvc
.macro fs value
    li t0, 3 << 13
    csrc mstatus, t0
    li t0, \value << 13
    csrs mstatus, t0
.endm

/* Each in S and U with FS as given, then FS. */
.macro try mpp, value, insn:vararg
    fs \value
    drop_to \mpp
    \insn
    back_to_m
    say "\mpp \value "
    csrr s0, mstatus
    srli s0, s0, 13
    andi s0, s0, 3
    hex s0
    say "\n"
.endm

.macro all mpp, value
    la s1, data
    try \mpp, \value, nop
    try \mpp, \value, fld fa0, 0(s1)
    try \mpp, \value, fsd fa0, 8(s1)
    try \mpp, \value, fadd.d fa0, fa0, fa0
    try \mpp, \value, fmv.x.d s2, fa0
    try \mpp, \value, frcsr s2
    try \mpp, \value, fsflags s2
    try \mpp, \value, .word 0x2108a021  /* c.j +8; c.fld */
.endm

.text
.globl main
main:
    open_pmp
    all 1, 0
    all 0, 0
    all 1, 3
    all 0, 3
    fs 0
    fadd.d fa0, fa0, fa0
    frcsr s0
    fs 1
    fadd.d fa0, fa0, fa0
    show mstatus
    fs 2
    fmv.d.x fa0, zero
    show mstatus
    show sstatus
    li t0, 0xff
    csrw fcsr, t0
    show fflags
    show frm
    li t0, 0x1e0
    fscsr t0
    fadd.d fa0, fa0, fa0     /* dynamic mode 7: illegal */
    csrwi frm, 4
    li t0, 0x4004000000000000 /* 2.5 */
    fmv.d.x fa0, t0
    fcvt.l.d s0, fa0
    hex s0
    say "\n"
    fdiv.d fa0, fa0, fa1
    show fcsr
    finish

.data
.balign 8
data: .dword 0x3ff0000000000000, 0
