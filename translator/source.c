/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/source.h"

#include <string.h>

Source source;

/* ---- Physical pages ---- */

static uint64_t number_of(uint64_t pc)
{
    return pc >> PHYS_PAGE_BITS;
}

static uint32_t other_page(uint64_t number)
{
    TrGuard *other = &source.other;
    uint32_t half;

    for (unsigned k = 0; k < other->n; k++) {
        if (other->page[k].number == number) {
            return other->page[k].half;
        }
    }
    if (!source.across || other->n == TR_GUARD_PAGES) {
        return 0;
    }
    half = system_code_page(source.across, number);
    if (half) {
        other->page[other->n].number = number;
        other->page[other->n++].half = half;
    }
    return half;
}

/* Of the code being looked at */
static uint32_t page_here(uint64_t number)
{
    uint64_t first = number_of(source.start);

    if (number == first) {
        return (uint32_t)source.page;
    }
    if (number == first + 1 && source.page >> 32) {
        return (uint32_t)(source.page >> 32);
    }
    return other_page(number);
}

static uint32_t page_in(const TrUnit *unit, uint64_t number)
{
    uint32_t second = (uint32_t)(unit->page >> 32);

    if (second && number == number_of(unit->pc) + 1) {
        return second;
    }
    return (uint32_t)system_page_in(unit, number << PHYS_PAGE_BITS);
}

/* unit: NULL for the code being looked at. */
static size_t fetch_pages(const TrUnit *unit, uint64_t pc, uint8_t *buf, size_t want,
                          bool *writable)
{
    size_t n = 0, more;

    do {
        uint64_t number = number_of(pc + n);
        uint32_t half = unit ? page_in(unit, number) : page_here(number);

        more = system_copy(half, (pc + n) % PHYS_PAGE, buf + n, want - n, writable);
        n += more;
    } while (more && n < want);
    return n;
}

void source_across(TrVcpu *v, const TrGuard *known)
{
    source.across = v;
    source.other.n = 0;
    if (known) {
        source.other = *known;
    }
}

TrPage source_page_of(uint64_t pc)
{
    TrPage page = 0;

    if (tr.system) {
        page = page_here(number_of(pc));
    }
    if (page && pc % PHYS_PAGE > PHYS_PAGE - tr.frontend->max_insn) {
        page |= (TrPage)page_here(number_of(pc) + 1) << 32;
    }
    return page;
}

static void guard_add(TrGuard *guard, uint64_t number)
{
    for (unsigned k = 0; k < guard->n; k++) {
        if (guard->page[k].number == number) {
            return;
        }
    }
    if (guard->n == TR_GUARD_PAGES) {
        guard->page[0].half = 0; /* one too many: it will not be entered */
        return;
    }
    guard->page[guard->n].number = number;
    guard->page[guard->n++].half = other_page(number);
}

TrGuard *source_guard(void)
{
    TrGuard *guard = ARENA_NEW(tr.units, TrGuard, 1);

    for (unsigned k = 0; k < source.n_spans; k++) {
        const TrSpan *s = &source.span[k];

        for (uint64_t n = number_of(s->pc); s->size && n <= number_of(s->pc + s->size - 1); n++) {
            if (n != number_of(source.start)) {
                guard_add(guard, n);
            }
        }
    }
    return guard->n ? guard : NULL;
}

static size_t fetch(uint64_t pc, uint8_t *buf, size_t want, bool *writable)
{
    return tr.system ? fetch_pages(NULL, pc, buf, want, writable)
                     : tr.config.fetch(tr.config.opaque, pc, buf, want, writable);
}

size_t source_bytes(const TrUnit *unit, uint64_t pc, uint8_t *buf, size_t want)
{
    bool writable = false;

    return tr.system ? fetch_pages(unit, pc, buf, want, &writable)
                     : tr.config.fetch(tr.config.opaque, pc, buf, want, &writable);
}

/* ---- Looking ---- */

void source_place(uint64_t pc, TrPage page)
{
    source.start = pc;
    source.page = page;
    source.window_size = 0;
    /* The interpreter reports faults at once. */
    source.whole = tr.code && tr.frontend->sequence && !tr.config.instrument && !tr.config.one_insn;
}

IrFunc *source_begin(uint64_t pc, uint32_t mode, TrPage page)
{
    IrFunc *f = ir_func_new(tr.ir, tr.guest, pc);
    FeContext *c = &source.c;

    f->mode = mode & ~(uint32_t)(TR_MODE_STEP | TR_MODE_BARE);
    /* Of two loads of a device's register none may be left out. */
    f->watched = tr.config.instrument || tr.system;
    source_place(pc, page);
    c->page_last = tr.system ? PHYS_PAGE - tr.frontend->max_insn : 0;
    c->mode = f->mode;
    c->ended = false;
    c->expected = NULL;
    c->threads = atomic_load_explicit(&tr.threads, memory_order_relaxed);
    c->asked_threads = false;
    c->one_insn = mode & TR_MODE_STEP;
    c->poll_at_head = tr.config.instrument != NULL;
    source.bare = mode & TR_MODE_BARE;
    source.whole &= !c->one_insn;
    source.fused = false;
    source.writable = false;
    source.block = NULL;
    source.instrumented = false;
    instrument_begin();
    source.again = false;
    source.n_insns = 0;
    source.n_spans = 0;
    source.n_copy = 0;
    return f;
}

/* The instruction at `pc`, or all of the sequence that it begins. */
static FeShape shape_of(uint64_t pc, const FeContext *c)
{
    FeShape s = tr.frontend->shape(pc, c->bytes, c->n_bytes);
    unsigned length = 0;

    if (s.begins && source.whole) {
        length = tr.frontend->sequence(c->bytes, c->n_bytes);
    }
    if (length && length <= SOURCE_INSN_BYTES && !debug_breaks_locked(pc, length)) {
        s.length = (uint8_t)length;
    }
    return s;
}

/* c.bytes is the code at `pc`; false when there is none. */
static bool open_window(uint64_t pc)
{
    FeContext *c = &source.c;
    uint64_t at = pc - source.window_pc;

    if (at >= source.window_size || source.window_size - at < SOURCE_LOOK_AHEAD) {
        bool writable = false;

        source.window_size = fetch(pc, source.window, sizeof(source.window), &writable);
        source.window_pc = pc;
        source.writable |= writable;
        at = 0;
    }
    c->bytes = source.window + at;
    c->n_bytes = source.window_size - at;
    return c->n_bytes > 0;
}

FeShape source_look(uint64_t pc)
{
    return open_window(pc) ? shape_of(pc, &source.c) : (FeShape){ .length = 0 };
}

FeShape source_look_again(uint64_t pc)
{
    const FeContext *c = &source.c;
    const TrInsn *insn = &source.block->insn[source.n_block];
    const FeShape *known = instrument_shape(insn);

    if (!open_window(pc) || !known || c->n_bytes < insn->size ||
        memcmp(c->bytes, tr_insn_bytes(insn), insn->size) != 0) {
        return source_look(pc);
    }
    return *known;
}

void source_open_span(uint64_t pc)
{
    CHECK(source.n_spans < SOURCE_SPANS, "too many pieces of guest code");
    source.span[source.n_spans++] = (TrSpan){ .pc = pc, .bytes = source.copy + source.n_copy };
}

void source_open_block(const TrBlock *block)
{
    source.block = block;
    source.n_block = 0;
    if (block && !source.bare) {
        instrument_start_of_block(block);
    }
}

static void translate_or_break(const FeShape *shape)
{
    FeContext *c = &source.c;

    if (!source.bare && debug_breaks_locked(c->pc, 1)) {
        c->next_pc = c->pc + shape->length;
        ir_mark(&c->b, c->pc, shape->length);
        fe_trap(c, IR_TRAP_debug, c->pc);
    } else {
        c->shape = shape;
        tr.frontend->translate(c);
    }
}

/* A bare step makes the accesses of an instruction that has been begun already. */
static void translate_instrumented(const FeShape *shape)
{
    FeContext *c = &source.c;
    const TrInsn *insn = &source.block->insn[source.n_block++];
    IrRef first;

    if (!source.bare) {
        instrument_before_insn(insn);
    }
    first = c->b.f->n_insns;
    translate_or_break(shape);
    instrument_accesses(insn, first);
    if (c->ended && source.n_block < source.block->n_insns) {
        instrument_stop_locked(c->pc);
        source.again = true;
    }
    if (source.n_block == source.block->n_insns) {
        source.block = NULL;
    }
}

uint64_t source_translate(uint64_t pc, const FeShape *shape)
{
    FeContext *c = &source.c;

    source_copy_insn(source.copy + source.n_copy, c->bytes, shape->length);
    source.n_copy += shape->length;
    source.span[source.n_spans - 1].size += shape->length;
    source.n_insns++;
    source.fused |= shape->length > tr.frontend->max_insn;
    c->pc = pc;
    if (source.block) {
        translate_instrumented(shape);
    } else {
        translate_or_break(shape);
    }
    return c->next_pc;
}

void source_end(IrFunc *f)
{
    for (unsigned i = 0; i < source.n_spans && !source.writable; i++) {
        source.span[i].bytes = NULL;
    }
    if (!source.bare) {
        debug_instrument_locked(f);
    }
}
