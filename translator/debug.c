/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breakpoints and watchpoints.  Both are translated: a breakpoint is an exit in place of its
 * instruction, a watchpoint a comparison before each load and store.  Guest memory is not patched,
 * and while nothing is set the translation is what it is without a debugger.
 *
 * Where a watchpoint's comparison is true the unit is left before the access.  The run loop then
 * makes it alone, in a unit of that one instruction, and so sees the bytes before and after.
 */
#include "translator/state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Under tr.lock; changed by one debugger. */
static struct {
    uint64_t *pc; /* sorted */
    size_t n_pc;
    TrWatch watch[TR_WATCHES];
    unsigned n_watch;
} points;

/* ---- Breakpoints ---- */

static int compare_pc(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Index of the first breakpoint that is not below `pc`. */
static size_t first_from(uint64_t pc)
{
    size_t lo = 0, hi = points.n_pc;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (points.pc[mid] < pc) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool debug_breaks_locked(uint64_t pc, uint64_t size)
{
    size_t at = points.n_pc ? first_from(pc) : 0;

    return at < points.n_pc && points.pc[at] - pc < size;
}

static bool contains(const TrUnit *unit, void *opaque)
{
    const uint64_t *pc = opaque;

    for (unsigned i = 0; i < unit->n_spans; i++) {
        if (*pc - unit->spans[i].pc < unit->spans[i].size) {
            return true;
        }
    }
    return false;
}

/* Units with code at that virtual address, in a machine wherever it is physically. */
static void drop_at(uint64_t pc)
{
    TrFilter filter = { .wanted = contains, .opaque = &pc };

    if (!tr.system) {
        tr_invalidate(pc, 1);
        return;
    }
    exclusive_begin();
    pthread_mutex_lock(&tr.lock);
    cache_drop_locked(&filter);
    pthread_mutex_unlock(&tr.lock);
    exclusive_end();
}

/* Units with what is in `a` but not in `b`, both sorted, go. */
static void drop_missing(const uint64_t *a, size_t n_a, const uint64_t *b, size_t n_b)
{
    for (size_t i = 0, k = 0; i < n_a; i++) {
        while (k < n_b && b[k] < a[i]) {
            k++;
        }
        if (k == n_b || b[k] != a[i]) {
            drop_at(a[i]);
        }
    }
}

bool tr_set_breakpoints(const uint64_t *pc, size_t n)
{
    uint64_t *new = malloc((n ? n : 1) * sizeof(*new)), *old;
    size_t n_old;

    if (!new) {
        return false;
    }
    if (n) {
        memcpy(new, pc, n * sizeof(*new));
        qsort(new, n, sizeof(*new), compare_pc);
    }
    pthread_mutex_lock(&tr.lock);
    old = points.pc;
    n_old = points.n_pc;
    points.pc = new;
    points.n_pc = n;
    pthread_mutex_unlock(&tr.lock);
    drop_missing(new, n, old, n_old);
    drop_missing(old, n_old, new, n);
    free(old);
    return true;
}

/* ---- Watchpoints ---- */

static bool same_watches(const TrWatch *watch, unsigned n)
{
    for (unsigned i = 0; i < n && n == points.n_watch; i++) {
        const TrWatch *a = &watch[i], *b = &points.watch[i];

        if (a->addr != b->addr || a->size != b->size || a->kind != b->kind) {
            return false;
        }
    }
    return n == points.n_watch;
}

void tr_set_watches(const TrWatch *watch, unsigned n)
{
    CHECK(n <= TR_WATCHES, "too many watchpoints");
    if (same_watches(watch, n)) {
        return;
    }
    exclusive_begin();
    pthread_mutex_lock(&tr.lock);
    if (n) {
        memcpy(points.watch, watch, n * sizeof(*watch));
    }
    points.n_watch = n;
    cache_evict_locked();
    pthread_mutex_unlock(&tr.lock);
    exclusive_end();
}

/* Bytes that `i` accesses, and how; 0 when it does not. */
static uint32_t accessed(const IrInsn *i, unsigned *kind)
{
    switch (i->op) {
    case IR_OP_load:
        *kind = TR_WATCH_read;
        return 1U << (i->aux & IR_MEM_SIZE);
    case IR_OP_store:
        *kind = TR_WATCH_write;
        return 1U << (i->aux & IR_MEM_SIZE);
    case IR_OP_amo:
    case IR_OP_cas:
        *kind = TR_WATCH_access;
        return ir_bits(i->type) / 8;
    default:
        return 0;
    }
}

static IrRef constant_before(IrFunc *f, IrBlockId block, IrRef at, uint64_t value)
{
    return ir_insert_before(f, block, at,
                            (IrInsn){ .op = IR_OP_const, .type = IR_I64, .imm = (int64_t)value });
}

/* Leaves when [arg0 + imm, + size) and the watched bytes overlap: one unsigned comparison. */
static void insert_test(IrFunc *f, IrBlockId block, IrRef at, uint32_t size, unsigned index)
{
    const TrWatch *w = &points.watch[index];
    IrInsn access = *ir_insn(f, at);
    bool has_offset = access.op == IR_OP_load || access.op == IR_OP_store;
    uint64_t offset = has_offset ? (uint64_t)access.imm : 0;
    IrInsn add = { .op = IR_OP_add, .type = IR_I64, .arg = { access.arg[0] } };
    IrInsn less = { .op = IR_OP_ltu, .type = IR_I1 };
    IrInsn leave = { .op = IR_OP_trap_if, .type = IR_VOID, .aux = IR_TRAP_watch, .imm = index };

    add.arg[1] = constant_before(f, block, at, offset + size - 1 - w->addr);
    less.arg[0] = ir_insert_before(f, block, at, add);
    less.arg[1] = constant_before(f, block, at, (uint64_t)w->size + size - 1);
    leave.arg[0] = ir_insert_before(f, block, at, less);
    ir_insert_before(f, block, at, leave);
}

void debug_instrument_locked(IrFunc *f)
{
    if (!points.n_watch) {
        return;
    }
    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH(f, b, ref)
        {
            unsigned kind = 0;
            uint32_t size = accessed(ir_insn(f, ref), &kind);

            for (unsigned i = 0; size && i < points.n_watch; i++) {
                if (kind & points.watch[i].kind) {
                    insert_test(f, b, ref, size, i);
                }
            }
        }
    }
}

/* Guest memory that may not be readable; then zeroes. */
static void peek(Vcpu *vcpu, const TrWatch *w, uint8_t bytes[TR_WATCH_SIZE])
{
    struct iovec to = { bytes, w->size };
    struct iovec from = { (void *)(uintptr_t)(vcpu->mem_base + w->addr), w->size };

    memset(bytes, 0, TR_WATCH_SIZE);
    if (tr.system) {
        (void)!system_read(vcpu, w->addr, bytes, w->size);
        return;
    }
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) < 0) {
        return;
    }
}

void debug_before(TrVcpu *v, DebugAccess *access)
{
    access->watch = points.watch[v->vcpu.exit_arg];
    peek(&v->vcpu, &access->watch, access->before);
}

bool debug_after(TrVcpu *v, const DebugAccess *access)
{
    uint8_t after[TR_WATCH_SIZE];

    if (access->watch.kind == TR_WATCH_write) {
        peek(&v->vcpu, &access->watch, after);
        if (memcmp(after, access->before, sizeof(after)) == 0) {
            return false;
        }
    }
    v->vcpu.exit_arg = access->watch.addr;
    return true;
}
