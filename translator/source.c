/* SPDX-License-Identifier: Apache-2.0 */
#include "translator/source.h"

#include <string.h>

Source source;

IrFunc *source_begin(uint64_t pc, uint32_t mode)
{
    IrFunc *f = ir_func_new(tr.ir, tr.frontend->guest, pc);
    FeContext *c = &source.c;

    f->mode = mode & ~(uint32_t)(TR_MODE_STEP | TR_MODE_BARE);
    c->mode = f->mode;
    c->ended = false;
    c->threads = atomic_load_explicit(&tr.threads, memory_order_relaxed);
    c->asked_threads = false;
    c->one_insn = mode & TR_MODE_STEP;
    source.bare = mode & TR_MODE_BARE;
    source.window_size = 0;
    source.writable = false;
    source.n_insns = 0;
    source.n_spans = 0;
    source.n_copy = 0;
    return f;
}

FeShape source_look(uint64_t pc)
{
    FeContext *c = &source.c;
    uint64_t at = pc - source.window_pc;

    if (at >= source.window_size || source.window_size - at < SOURCE_LOOK_AHEAD) {
        bool writable = false;

        source.window_size =
            tr.config.fetch(tr.config.opaque, pc, source.window, sizeof(source.window), &writable);
        source.window_pc = pc;
        source.writable |= writable;
        at = 0;
    }
    c->bytes = source.window + at;
    c->n_bytes = source.window_size - at;
    return c->n_bytes ? tr.frontend->shape(pc, c->bytes, c->n_bytes) : (FeShape){ .length = 0 };
}

void source_open_span(uint64_t pc)
{
    CHECK(source.n_spans < SOURCE_SPANS, "too many pieces of guest code");
    source.span[source.n_spans++] = (TrSpan){ .pc = pc, .bytes = source.copy + source.n_copy };
}

uint64_t source_translate(uint64_t pc, const FeShape *shape)
{
    FeContext *c = &source.c;

    memcpy(source.copy + source.n_copy, c->bytes, shape->length);
    source.n_copy += shape->length;
    source.span[source.n_spans - 1].size += shape->length;
    source.n_insns++;
    c->pc = pc;
    if (!source.bare && debug_breaks_locked(pc, 1)) {
        c->next_pc = pc + shape->length;
        ir_mark(&c->b, pc, shape->length);
        fe_trap(c, IR_TRAP_debug, pc);
    } else {
        tr.frontend->translate(c);
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
