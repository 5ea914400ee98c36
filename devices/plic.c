/* SPDX-License-Identifier: Apache-2.0 */
/* A source is pending while its line is high and nobody has claimed it; what is still high when the
 * handler completes becomes pending again. */
#include "devices/plic.h"

#include <string.h>

enum { WORDS = (PLIC_SOURCES + 31) / 32, ENABLE = 0x2000, ENABLE_STRIDE = 0x80, CONTEXT = 0x200000,
       CONTEXT_STRIDE = 0x1000, PENDING = 0x1000 };

typedef struct Plic {
    Dev dev;
    uint32_t priority[PLIC_SOURCES];
    uint32_t enable[WORDS][PLIC_CONTEXTS]; /* a row of registers for each word */
    uint32_t threshold[PLIC_CONTEXTS];
    uint32_t level[WORDS], pending[WORDS], claimed[WORDS];
} Plic;

static Plic *plic_of(Dev *dev)
{
    return (Plic *)dev;
}

/* The source that the context would claim; 0: none above `threshold`. */
static unsigned best(const Plic *p, unsigned context, uint32_t threshold)
{
    unsigned source = 0;
    uint32_t highest = threshold;

    for (unsigned w = 0; w < WORDS; w++) {
        uint32_t bits = p->pending[w] & p->enable[w][context];

        for (; bits; bits &= bits - 1) {
            unsigned i = w * 32 + (unsigned)__builtin_ctz(bits);

            if (p->priority[i] > highest) {
                highest = p->priority[i];
                source = i;
            }
        }
    }
    return source;
}

static void update(Plic *p)
{
    for (unsigned w = 0; w < WORDS; w++) {
        p->pending[w] = p->level[w] & ~p->claimed[w];
    }
    for (unsigned c = 0; c < PLIC_CONTEXTS; c++) {
        irq_set(&p->dev.irq[c], best(p, c, p->threshold[c]) != 0);
    }
}

static void set_level(void *opaque, unsigned source, bool high)
{
    Plic *p = opaque;
    uint32_t bit = UINT32_C(1) << source % 32;

    pthread_mutex_lock(p->dev.lock);
    if (!(p->level[source / 32] & bit) == high) {
        p->level[source / 32] ^= bit;
        update(p);
    }
    pthread_mutex_unlock(p->dev.lock);
}

Irq plic_irq(Dev *plic, unsigned source)
{
    CHECK(source > 0 && source < PLIC_SOURCES, "%u", source);
    return (Irq){ set_level, plic, source };
}

static void changed(Dev *dev, unsigned index, uint64_t value)
{
    (void)index;
    (void)value;
    update(plic_of(dev));
}

static uint64_t claim(Dev *dev, unsigned context, uint64_t stored)
{
    Plic *p = plic_of(dev);
    unsigned source = best(p, context, 0);

    (void)stored;
    if (source) {
        p->claimed[source / 32] |= UINT32_C(1) << source % 32;
        update(p);
    }
    return source;
}

static void complete(Dev *dev, unsigned context, uint64_t source)
{
    Plic *p = plic_of(dev);

    if (source < PLIC_SOURCES &&
        (p->enable[source / 32][context] >> source % 32 & 1)) {
        p->claimed[source / 32] &= ~(UINT32_C(1) << source % 32);
        update(p);
    }
}

#define ENABLE_WORD(w, bits)                                                                  \
    { "ENABLE" #w, ENABLE + 4 * w, 4, 4, .count = PLIC_CONTEXTS, .stride = ENABLE_STRIDE,     \
      .field = offsetof(Plic, enable[w]), .rw = bits, .wrote = changed }

static const DevReg regs[] = {
    { .name = "PRIORITY0", .offset = 0, .size = 4, .access = 4 },
    { "PRIORITY", 4, 4, 4, .count = PLIC_SOURCES - 1, .field = offsetof(Plic, priority[1]),
      .rw = PLIC_MAX_PRIORITY, .wrote = changed },
    { "PENDING", PENDING, 4, 4, .count = WORDS, .field = offsetof(Plic, pending) },
    ENABLE_WORD(0, 0xfffffffe),
    ENABLE_WORD(1, 0xffffffff),
    ENABLE_WORD(2, 0xffffffff),
    ENABLE_WORD(3, 0x00000001),
    { "THRESHOLD", CONTEXT, 4, 4, .count = PLIC_CONTEXTS, .stride = CONTEXT_STRIDE,
      .field = offsetof(Plic, threshold), .rw = PLIC_MAX_PRIORITY, .wrote = changed },
    { "CLAIM", CONTEXT + 4, 4, 4, .count = PLIC_CONTEXTS, .stride = CONTEXT_STRIDE, .read = claim,
      .wrote = complete },
};
_Static_assert(WORDS == 4, "a row for each word of enable bits");

static const DevBank banks[] = { { "plic", PLIC_BYTES, regs, G_N_ELEMENTS(regs), NULL } };

static const DevField fields[] = { DEV_FIELD_ARRAY(Plic, level), DEV_FIELD_ARRAY(Plic, claimed) };

/* The lines are the devices': they lower them in their own resets. */
static void reset(Dev *dev)
{
    Plic *p = plic_of(dev);

    memset(p->claimed, 0, sizeof(p->claimed));
    update(p);
}

static void loaded(Dev *dev)
{
    plic_of(dev)->level[WORDS - 1] &= (UINT32_C(1) << PLIC_SOURCES % 32) - 1;
    update(plic_of(dev));
}

const DevType dev_plic = {
    .name = "plic",
    .summary = "interrupt controller of RISC-V boards",
    .size = sizeof(Plic),
    .isolation = DEV_ISOLATION_yes,
    .banks = banks,
    .n_banks = 1,
    .n_irqs = PLIC_CONTEXTS,
    .fields = fields,
    .n_fields = G_N_ELEMENTS(fields),
    .reset = reset,
    .loaded = loaded,
};
