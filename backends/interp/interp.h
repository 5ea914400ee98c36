/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/interp/interp.h - inside the interpreter: the reference that others are checked against.
 *
 * A unit is a program: an array of steps whose operands are indices into a frame of values.  Each
 * step changes the Vcpu at once (setreg writes its slot, an FP op the flags; what can fault or
 * looks at the pc writes it first), so the guest state is complete whenever a unit can be left, and
 * nothing is rebuilt.  What follows from the IR alone is not a step of its own: insn markers, a
 * setreg of the value just computed, constants that are the second operand of a pure op.
 *
 * Host faults: all accesses to guest memory are made by the functions of access.c, which lie in
 * one section.  restore() ignores `code` and is true for a host pc in that section; leave is NULL:
 * the signal handler then goes to *vcpu->raise by siglongjmp(), past enter(), which keeps nothing
 * that needs undoing.  Exits are never linked (n_exits is 0, exit_site NULL); they find the next
 * program in the vcpu's jump cache.
 */
#ifndef KETCH_BACKENDS_INTERP_INTERP_H
#define KETCH_BACKENDS_INTERP_INTERP_H

#include "backends/backend.h"

/* Guest memory at host address `p`; `mem` is the aux of load and store.  A load is extended
 * to 64 bits as `mem` says. */
uint64_t interp_load(const void *p, unsigned mem);
void interp_store(void *p, unsigned mem, uint64_t value);
uint64_t interp_amo(void *p, unsigned bits, IrRmw op, uint64_t value);
uint64_t interp_cas(void *p, unsigned bits, uint64_t expected, uint64_t desired);

/* `host_pc` is in one of the functions above. */
bool interp_is_access(uint64_t host_pc);

/* Values of one unit, at most: the frame is on the stack. */
enum { INTERP_VALUES = 16384, INTERP_EDGE_ARGS = 512 };

typedef struct InterpStep {
    uint8_t op, type, aux;
    uint8_t bits;    /* width of operand 0 */
    uint32_t dst;    /* index of the result; 0 when there is none */
    uint32_t arg[3]; /* indices of the operands; 0 names none */
    uint8_t unused;  /* bits of a word above the result */
    uint8_t slot;    /* that gets the result too, plus 1; 0: none */
    bool b_imm;      /* imm is operand 1 */
    int64_t imm;     /* br, brif: index of the edge; call: address of the function */
    uint64_t pc;     /* of the guest instruction */
} InterpStep;

typedef struct InterpEdge {
    uint32_t step; /* where it leads */
    uint32_t first, n;
} InterpEdge;

typedef struct InterpCopy {
    uint32_t from, to;
} InterpCopy;

typedef struct InterpProgram {
    uint64_t pc;
    bool by_call;    /* guest memory is reached by Vcpu.access() */
    bool chains;     /* exits may go on with the next program */
    int32_t *counter;
    const InterpStep *steps;
    const InterpEdge *edges;
    const InterpCopy *copies;
} InterpProgram;

#endif
