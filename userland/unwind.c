/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step: find the rules of the function at the pc, compute the canonical frame address (CFA), then
 * each register of the caller from its rule.  DWARF 5, "Call Frame Information".
 */
#include "userland/unwind.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "userland/abi.h"
#include "userland/mem.h"
#include "userland/symbols.h"

/* Registers by DWARF number; those of the guests' integer registers are gdb's, too. */
enum { N_REGS = 34, EXPRESSION_DEPTH = 16 };

typedef struct UnwindState {
    uint64_t pc;
    uint64_t reg[N_REGS];
    uint64_t known; /* bit n: reg[n] is the caller's */
    bool exact;     /* pc is where it goes on, not an address after a call */
} UnwindState;

/* A file's call frame information: .eh_frame, .debug_frame; NULL where it has none. */
typedef struct UnwindFile {
    struct UnwindFile *next;
    const char *path; /* SymbolPlace.file: compared as a pointer */
    Dwarf_CFI *cfi[2];
} UnwindFile;

/* What is used of libdw. */
#define LIBDW(F) \
    F(elf_version) F(elf_begin) F(dwarf_getcfi_elf) F(dwarf_begin_elf) F(dwarf_getcfi) \
    F(dwarf_cfi_addrframe) F(dwarf_frame_info) \
    F(dwarf_frame_cfa) F(dwarf_frame_register)

static struct {
#define F(name) __typeof__(&(name)) name;
    LIBDW(F)
#undef F
} dw;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static UnwindFile *files;

/* ---- libdw and its files ---- */

static bool load_library(void)
{
    void *lib = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    void *elf = lib ? dlopen("libelf.so.1", RTLD_NOW | RTLD_LOCAL) : NULL;

    if (!elf) {
        log_warn("stacks cannot be unwound: libdw.so.1 (package libdw1) is not here");
        return false;
    }
#define F(name) \
    *(void **)&dw.name = dlsym(strncmp(#name, "elf", 3) == 0 ? elf : lib, #name); \
    if (!dw.name) { \
        log_warn("stacks cannot be unwound: libdw.so.1 has no " #name); \
        return false; \
    }
    LIBDW(F)
#undef F
    return dw.elf_version(EV_CURRENT) != EV_NONE;
}

static bool have_library(void)
{
    static int state; /* 0: not tried, 1: there, 2: not */

    if (!state) {
        state = load_library() ? 1 : 2;
    }
    return state == 1;
}

static void read_cfi(const char *path, Dwarf_CFI *cfi[2])
{
    int fd = path[0] == '/' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    Elf *elf = fd >= 0 ? dw.elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL) : NULL;

    if (fd >= 0) {
        close(fd); /* libelf has mapped it */
    }
    if (elf) {
        Dwarf *dwarf = dw.dwarf_begin_elf(elf, DWARF_C_READ, NULL);

        cfi[0] = dw.dwarf_getcfi_elf(elf);
        cfi[1] = dwarf ? dw.dwarf_getcfi(dwarf) : NULL;
    }
}

static const UnwindFile *file_named(const char *path)
{
    UnwindFile *f;

    for (f = files; f; f = f->next) {
        if (f->path == path) {
            return f;
        }
    }
    f = calloc(1, sizeof(*f));
    if (f) {
        f->next = files;
        f->path = path;
        read_cfi(path, f->cfi);
        files = f;
    }
    return f;
}

/* ---- Rules ---- */

/* A DWARF expression's stack machine. */
typedef struct Machine {
    uint64_t stack[EXPRESSION_DEPTH];
    unsigned depth;
    bool is_value; /* the result is the value, not the address of it */
} Machine;

static bool push(Machine *m, uint64_t value)
{
    if (m->depth == EXPRESSION_DEPTH) {
        return false;
    }
    m->stack[m->depth++] = value;
    return true;
}

static bool push_register(Machine *m, const UnwindState *s, uint64_t reg, uint64_t offset)
{
    return reg < N_REGS && (s->known >> reg & 1) && push(m, s->reg[reg] + offset);
}

/* Replaces the two values on top by their sum, bitwise and, ... */
static bool combine(Machine *m, unsigned atom)
{
    uint64_t b, *a;

    if (m->depth < 2) {
        return false;
    }
    b = m->stack[--m->depth];
    a = &m->stack[m->depth - 1];
    switch (atom) {
    case DW_OP_plus:  *a += b; return true;
    case DW_OP_minus: *a -= b; return true;
    case DW_OP_and:   *a &= b; return true;
    case DW_OP_mul:   *a *= b; return true;
    case DW_OP_shl:   *a = b < 64 ? *a << b : 0; return true;
    case DW_OP_ge:    *a = (int64_t)*a >= (int64_t)b; return true;
    default:          return false;
    }
}

/* One operation; false for one that call frame information does not use in practice. */
static bool execute(Machine *m, const UnwindState *s, uint64_t cfa, const Dwarf_Op *op)
{
    unsigned atom = op->atom;

    if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31) {
        return push_register(m, s, atom - DW_OP_breg0, op->number);
    }
    if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31) {
        m->is_value = true;
        return push_register(m, s, atom - DW_OP_reg0, 0);
    }
    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31) {
        return push(m, atom - DW_OP_lit0);
    }
    switch (atom) {
    case DW_OP_call_frame_cfa:
        return push(m, cfa);
    case DW_OP_bregx:
        return push_register(m, s, op->number, op->number2);
    case DW_OP_regx:
        m->is_value = true;
        return push_register(m, s, op->number, 0);
    case DW_OP_plus_uconst:
        return m->depth && (m->stack[m->depth - 1] += op->number, true);
    case DW_OP_deref:
        return m->depth && mem_read_u64(m->stack[m->depth - 1], &m->stack[m->depth - 1]);
    case DW_OP_const1u: case DW_OP_const1s: case DW_OP_const2u: case DW_OP_const2s:
    case DW_OP_const4u: case DW_OP_const4s: case DW_OP_const8u: case DW_OP_const8s:
    case DW_OP_constu: case DW_OP_consts:
        return push(m, op->number);
    case DW_OP_stack_value:
        m->is_value = true;
        return true;
    default:
        return combine(m, atom);
    }
}

static bool evaluate(Machine *m, const UnwindState *s, uint64_t cfa, const Dwarf_Op *op, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!execute(m, s, cfa, &op[i])) {
            return false;
        }
    }
    return m->depth > 0;
}

/* The caller's value of a register; false when the rules leave it unknown. */
static bool caller_register(const UnwindState *s, Dwarf_Frame *frame, uint64_t cfa, int reg,
                            uint64_t *value)
{
    Dwarf_Op mem[3], *ops;
    size_t n;
    Machine m = { .depth = 0 };

    if (dw.dwarf_frame_register(frame, reg, mem, &ops, &n) || (n == 0 && ops)) {
        return false; /* undefined */
    }
    if (n == 0) { /* same value */
        *value = s->reg[reg];
        return s->known >> reg & 1;
    }
    if (!evaluate(&m, s, cfa, ops, n)) {
        return false;
    }
    *value = m.stack[m.depth - 1];
    return m.is_value || mem_read_u64(*value, value);
}

/* ---- Steps ---- */

/* False at the outermost frame. */
static bool step_by_rules(UnwindState *s, Dwarf_Frame *frame, unsigned sp)
{
    UnwindState caller = { .known = 0 };
    Machine m = { .depth = 0 };
    bool signal = false;
    int return_column = dw.dwarf_frame_info(frame, NULL, NULL, &signal);
    Dwarf_Op *ops;
    size_t n;

    if (return_column < 0 || return_column >= N_REGS || dw.dwarf_frame_cfa(frame, &ops, &n) ||
        !evaluate(&m, s, 0, ops, n)) {
        return false;
    }
    for (int r = 0; r < N_REGS; r++) {
        if (caller_register(s, frame, m.stack[m.depth - 1], r, &caller.reg[r])) {
            caller.known |= UINT64_C(1) << r;
        }
    }
    if (!(caller.known >> return_column & 1)) {
        return false;
    }
    caller.pc = caller.reg[return_column];
    caller.exact = signal;
    caller.reg[sp] = m.stack[m.depth - 1];
    caller.known |= UINT64_C(1) << sp;
    *s = caller;
    return true;
}

/* The rules at a pc, to be freed; NULL when nothing is known of it. */
static Dwarf_Frame *frame_at(uint64_t pc)
{
    SymbolPlace place;
    const UnwindFile *f = symbols_at(pc, &place) ? file_named(place.file) : NULL;
    Dwarf_Frame *frame = NULL;

    for (unsigned k = 0; f && k < 2; k++) {
        if (f->cfi[k] && dw.dwarf_cfi_addrframe(f->cfi[k], pc - place.bias, &frame) == 0) {
            return frame;
        }
    }
    return NULL;
}

/* To the caller of the function at s->pc; false when there is none or it cannot be found. */
static bool step(UnwindState *s, const UserAbi *abi, bool innermost)
{
    Dwarf_Frame *frame;
    bool done;

    if (abi->signal_caller(&s->pc, s->reg)) {
        s->known = UINT64_MAX >> (64 - N_REGS);
        s->exact = true;
        return true;
    }
    frame = frame_at(s->exact ? s->pc : s->pc - 1);
    if (frame) {
        done = step_by_rules(s, frame, abi->slot_sp);
        free(frame);
        return done;
    }
    if (!innermost || s->pc == s->reg[abi->slot_link]) {
        return false;
    }
    s->pc = s->reg[abi->slot_link];
    s->exact = false;
    return true;
}

void unwind_fork_prepare(void)
{
    pthread_mutex_lock(&lock);
}

void unwind_fork_done(void)
{
    pthread_mutex_unlock(&lock);
}

size_t unwind(const Vcpu *vcpu, uint64_t *pc, size_t max)
{
    const Frontend *fe = process.options->guest;
    UnwindState s = { .pc = vcpu->pc, .exact = true };
    size_t n = 0;

    for (unsigned r = 0; r < N_REGS; r++) {
        const FeRegister *reg = fe_register_number(fe, r);

        if (reg && reg->bits == 64) {
            s.reg[r] = reg->get(vcpu, reg->slot);
            s.known |= UINT64_C(1) << r;
        }
    }
    pthread_mutex_lock(&lock);
    while (n < max && s.pc) {
        pc[n++] = s.pc;
        if (!have_library() || !step(&s, process.abi, n == 1)) {
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return n;
}
