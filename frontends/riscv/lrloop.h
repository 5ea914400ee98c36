/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontends/riscv/lrloop.h - loops of LR and SC that are one atomic operation.
 *
 *     again: lr.w  a5, (a0)             again: lr.w  a5, (a0)
 *            bne   a5, a1, out                 and   a4, a5, a3
 *            sc.w  a4, a2, (a0)                or    a4, a4, a2
 *            bnez  a4, again                   sc.w  a4, a4, (a0)
 *     out:                                     bnez  a4, again
 *
 * Between LR and SC is register arithmetic, and at most one branch, to behind the loop.
 */
#ifndef KETCH_FRONTENDS_RISCV_LRLOOP_H
#define KETCH_FRONTENDS_RISCV_LRLOOP_H

#include "frontends/riscv/riscv.h"

enum {
    RV_LOOP_BODY = 8, /* most instructions between LR and SC */
    RV_LOOP_BYTES = 4 * (RV_LOOP_BODY + 3),
};

/* One of them.  Registers that it does not have are 0. */
typedef struct RvLoopInsn {
    uint32_t bits;
    uint16_t insn;
    uint8_t rd, rs1, rs2;
} RvLoopInsn;

typedef struct RvLoop {
    unsigned length; /* bytes, LR to the branch back */
    unsigned size;   /* RV_W, RV_D */
    uint8_t base;    /* the register with the address; the loop does not change it */
    uint8_t old;     /* what LR sets */
    uint8_t new;     /* what SC stores */
    uint8_t failed;  /* what SC sets */
    unsigned n;
    unsigned branch; /* the branch out among body[]; n: there is none */
    RvLoopInsn body[RV_LOOP_BODY];
} RvLoop;

/* The loop that starts with the LR at bytes[0, n); false when it is no such loop. */
bool rv_loop_find(const uint8_t *bytes, size_t n, RvLoop *loop);

/* Frontend.sequence of user programs. */
unsigned rv_sequence(const uint8_t *bytes, size_t n);

/* Translates the whole loop at c->fe->pc. */
void rv_loop_translate(Rv *c, const RvLoop *loop);

#endif
