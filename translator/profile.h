/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/profile.h - what --profile knows: profile.c collects it, report.c prints it.
 *
 * Samples.  Each vcpu thread has a timer of its processor time that sends it a signal which the
 * guest does not see (SIGILL with a value of ours); the handler notes the host pc.  Exits.  Every
 * exit of a unit counts in a word of its own, by code that is added to its IR after the passes:
 * not atomic, so threads that leave through one exit at the same time may count once.
 *
 * Everything is kept until the code cache is emptied; then samples are added up by guest pc.
 */
#ifndef KETCH_TRANSLATOR_PROFILE_H
#define KETCH_TRANSLATOR_PROFILE_H

#include "translator/state.h"

/* An IR insn of a unit. */
typedef struct ProfileLine {
    uint64_t pc;      /* of the guest instruction, or sequence of them, that it belongs to */
    uint32_t host;    /* offset of its code, or BE_NOWHERE */
    IrBlockId block;
    const char *text; /* NULL: where a guest instruction begins, */
    uint32_t size;    /* of so many bytes */
} ProfileLine;

typedef struct ProfileExit {
    uint64_t count;
    uint64_t pc;     /* of the guest instruction that leaves */
    uint64_t target; /* of a direct exit */
    uint8_t op;      /* IR_OP_exit, exit_ind, exit_trap */
    uint8_t flags;   /* IR_EXIT_...; of exit_trap the IrTrap */
} ProfileExit;

typedef struct ProfileUnit {
    ProfileExit *exits;
    unsigned n_exits;
    ProfileLine *lines;
    unsigned n_lines;
    uint32_t cold;          /* where the rarely taken paths begin in the host code */
    const IrBlock *blocks;  /* copies, for their pc and depth */
    uint32_t *where;        /* while it is compiled */
    uint32_t own;           /* and the first insn that count the exits */
} ProfileUnit;

/* What a thread was doing when its time was sampled. */
#define PROFILE_PLACES(P)                                  \
    P(code, "in translated code")                          \
    P(helper, "in helper functions of translated code")    \
    P(translation, "translating")                          \
    P(other, "in system calls, signals and the run loop")

typedef enum ProfilePlace {
#define P(name, text) PROFILE_##name,
    PROFILE_PLACES(P)
#undef P
    PROFILE_PLACE_COUNT
} ProfilePlace;

typedef struct ProfileSample {
    uint64_t pc; /* of the host */
    uint32_t place;
} ProfileSample;

/* Samples of units whose code is gone. */
typedef struct ProfileGone {
    uint64_t pc;
    uint64_t samples;
    bool region;
} ProfileGone;

typedef struct Profile {
    bool on;
    Arena *arena; /* of ProfileUnit; emptied at eviction */
    size_t empty;
    ProfileSample *sample;
    _Atomic size_t n;
    ProfileGone *gone;
    size_t n_gone, cap_gone;
    uint64_t place[PROFILE_PLACE_COUNT]; /* of samples that are in gone[] or no more in sample[] */
    _Atomic uint64_t trap[IR_TRAP_COUNT]; /* ways out of translated code, for the run loop */
} Profile;

extern Profile profile;

/* The unit that was sampled; NULL: none.  Caller: tr.lock. */
const TrUnit *profile_unit(const ProfileSample *s);

enum { PROFILE_SAMPLES = 4 << 20 };

#endif
