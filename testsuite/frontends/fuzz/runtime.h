/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/frontends/fuzz/runtime.h - layout shared by runtime.c and the generated assembly.
 *
 * A test program runs each case (one instruction, sometimes with a companion) from several
 * random states and writes a Record for each to stdout.  It needs no C library.  One register of
 * each case, `scratch`, is not part of its state: it holds addresses before and after.
 */
#ifndef KETCH_TESTSUITE_FUZZ_RUNTIME_H
#define KETCH_TESTSUITE_FUZZ_RUNTIME_H

/* Offsets in State and Record */
#define AT_X    0   /* 32 x 8; the scratch register's and x0's are not used */
#define AT_F    256 /* 32 x 8 */
#define AT_FCSR 512
#define AT_PATH 520 /* 0: fell through; 1: went to its target */
#define AT_CODE 528 /* State: address of the case */

#define MEMORY 256 /* bytes that loads and stores work on, 64-byte aligned */

#ifndef __ASSEMBLER__
#include <stdint.h>

typedef struct State {
    uint64_t x[32];
    uint64_t f[32];
    uint64_t fcsr;
    uint64_t path;
    uint64_t code;
} State;

typedef struct Record {
    State state;
    uint8_t memory[MEMORY];
} Record;

/* A case, from the generated assembly. */
typedef struct Case {
    uint64_t code;   /* address */
    uint64_t loader; /* fills the registers and goes to `code` */
    int32_t scratch;
    int32_t base;    /* register that must hold an address; 0 when none */
    int64_t less;    /* subtracted from the address: the instruction adds it */
    uint64_t target; /* the address for a jump; 0: somewhere in memory[] */
    int32_t align;   /* of the address, in bytes */
    int32_t fp_bits; /* format that most FP registers hold: 16, 32, 64 */
    uint32_t frms;   /* bit n: the state may have rounding mode n */
    uint32_t id;     /* of the random numbers */
} Case;
#endif

#endif
