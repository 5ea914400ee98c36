/* SPDX-License-Identifier: Apache-2.0 */
#include "testsuite/translator/counts.h"

#include <stdio.h>
#include <string.h>

#include "backends/x86_64/host.h"
#include "ir/opt/opt.h"
#include "translator/source.h"
#include "translator/state.h"

/* The features of x86-64-v3 that the backend asks for. */
enum {
    V3 = 1 << X64_F_avx | 1 << X64_F_fma | 1 << X64_F_f16c | 1 << X64_F_bmi1 | 1 << X64_F_bmi2 |
         1 << X64_F_lzcnt | 1 << X64_F_popcnt | 1 << X64_F_sse41,
};

typedef struct Counter {
    RegionCount *out;
    const IrFunc *f;
    const uint32_t *where;
    const IrBlockId *block; /* of each insn */
    size_t length;
} Counter;

/* Depth of the block that the code at `offset` was made for. */
static uint32_t depth_at(const Counter *c, uint32_t offset)
{
    IrRef best = 0;

    for (IrRef ref = 1; ref < c->f->n_insns; ref++) {
        if (c->where[ref] != BE_NOWHERE && c->where[ref] <= offset &&
            (!best || c->where[ref] >= c->where[best])) {
            best = ref;
        }
    }
    return best ? c->f->block[c->block[best]].depth : 0;
}

static void add(void *opaque, uint32_t offset, unsigned size, const char *text)
{
    Counter *c = opaque;
    RegionCount *out = c->out;
    bool in_loop;

    (void)size;
    if (offset >= c->where[0]) {
        return;
    }
    in_loop = depth_at(c, offset) > 0;
    out->host++;
    out->loop += in_loop;
    if (c->length < sizeof(out->text)) {
        c->length += (size_t)snprintf(out->text + c->length, sizeof(out->text) - c->length,
                                      "%c %04x  %s\n", in_loop ? '*' : ' ', offset, text);
    }
}

static const IrBlockId *blocks_of(const IrFunc *f)
{
    IrBlockId *block = ARENA_NEW(f->arena, IrBlockId, f->n_insns);

    for (IrBlockId b = 0; b < f->n_blocks; b++) {
        IR_FOR_EACH(f, b, ref)
        {
            block[ref] = b;
        }
    }
    return block;
}

static bool count_locked(const TrUnit *unit, RegionCount *out)
{
    IrFunc *f = region_ir(unit);
    Counter c = { .out = out, .f = f };
    BeOptions options = { 0 };
    BeCode code;
    BeStatus status;
    bool ok;

    out->guest = source.n_insns;
    ir_opt_run(f, 2, UINT64_MAX);
    c.block = blocks_of(f);
    c.where = options.where = ARENA_RAW(f->arena, uint32_t, f->n_insns);
    memset(options.where, 0xff, f->n_insns * sizeof(options.where[0]));
    x64_features = V3;
    status = tr.backend->compile(tr.code, f, &options, &code);
    x64_features_find();
    CHECK(status == BE_OK, "the region cannot be compiled");
    ok = tr.backend->disassemble(&code, add, &c);
    tr.backend->release(&code);
    return ok;
}

bool count_region(uint64_t pc, RegionCount *out)
{
    TrUnit unit = { .pc = pc, .n_insns = SOURCE_INSNS };
    size_t mark;
    bool ok;

    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&tr.lock);
    mark = arena_mark(tr.ir);
    ok = count_locked(&unit, out);
    arena_reset(tr.ir, mark);
    pthread_mutex_unlock(&tr.lock);
    return ok;
}
