/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels/interp.h - the small stack-less machine that both interpreters run: its program sums a
 * pseudo-random walk over a table, so that operations follow each other in a mixed order.
 */
#ifndef KETCH_BENCH_INTERP_H
#define KETCH_BENCH_INTERP_H

#include "kernel.h"

typedef enum Op { ADD, SUB, XOR, MUL, SHR, ADDI, LOAD, STORE, JNZ, JODD, MOV, HALT, OP_COUNT } Op;

typedef struct Code {
    uint8_t op, d, a, b;
    int32_t imm;
} Code;

static uint64_t reg[16];
static uint64_t mem[256];

/* r1: count left, r2: walk state, r3: sum, r4.. temporaries. */
static const Code program[] = {
    { MUL, 2, 2, 9, 0 },    /*  0 r2 *= r9 */
    { ADDI, 2, 2, 0, 1442 },/*  1 */
    { SHR, 4, 2, 0, 33 },   /*  2 */
    { LOAD, 5, 4, 0, 0 },   /*  3 r5 = mem[r4 & 255] */
    { JODD, 0, 4, 0, 7 },   /*  4 */
    { ADD, 3, 3, 5, 0 },    /*  5 */
    { JNZ, 0, 9, 0, 9 },    /*  6 */
    { XOR, 3, 3, 5, 0 },    /*  7 */
    { SUB, 3, 3, 4, 0 },    /*  8 */
    { ADDI, 5, 5, 0, 3 },   /*  9 */
    { STORE, 5, 4, 0, 0 },  /* 10 mem[r4 & 255] = r5 */
    { MOV, 6, 3, 0, 0 },    /* 11 */
    { SHR, 6, 6, 0, 7 },    /* 12 */
    { XOR, 3, 3, 6, 0 },    /* 13 */
    { ADDI, 1, 1, 0, -1 },  /* 14 */
    { JNZ, 0, 1, 0, 0 },    /* 15 */
    { HALT, 0, 0, 0, 0 },
};

static inline void interp_reset(long count)
{
    reg[1] = (uint64_t)count;
    reg[2] = 88172645463325252u;
    reg[3] = 0;
    reg[9] = 6364136223846793005u;
}

#endif
