/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/aclint.h"

#include <stdatomic.h>

typedef struct Mswi {
    Dev dev;
    uint32_t msip[ACLINT_HARTS];
} Mswi;

typedef struct Alarm {
    ClockTimer timer;
    struct Mtimer *owner;
    unsigned hart;
} Alarm;

typedef struct Mtimer {
    Dev dev;
    uint64_t mtimecmp[ACLINT_HARTS];
    _Atomic uint64_t offset; /* mtime = ticks of the clock + offset; read without the lock */
    Alarm compare[ACLINT_HARTS], alarm[ACLINT_HARTS];
    void (*alarm_fn)(void *opaque, unsigned hart);
    void *alarm_opaque;
} Mtimer;

/* ---- Software interrupts ---- */

static void msip_wrote(Dev *dev, unsigned index, uint64_t value)
{
    irq_set(&dev->irq[index], value & 1);
}

static void mswi_update(Dev *dev)
{
    for (unsigned i = 0; i < ACLINT_HARTS; i++) {
        irq_set(&dev->irq[i], ((Mswi *)dev)->msip[i] & 1);
    }
}

static const DevReg mswi_regs[] = {
    { .name = "MSIP", .offset = 0, .size = 4, .access = 4 | 8, .count = ACLINT_HARTS,
      .field = offsetof(Mswi, msip), .rw = 1, .wrote = msip_wrote },
};

static const DevBank mswi_banks[] = { { "mswi", ACLINT_MSWI_BYTES, mswi_regs, 1, NULL } };

const DevType dev_aclint_mswi = {
    .name = "aclint-mswi",
    .summary = "software interrupts of RISC-V harts, machine mode",
    .size = sizeof(Mswi),
    .isolation = DEV_ISOLATION_yes,
    .banks = mswi_banks,
    .n_banks = 1,
    .n_irqs = ACLINT_HARTS,
    .reset = mswi_update,
    .loaded = mswi_update,
};

static void setssip_wrote(Dev *dev, unsigned index, uint64_t value)
{
    if (value & 1) {
        irq_set(&dev->irq[index], true);
    }
}

static const DevReg sswi_regs[] = {
    { .name = "SETSSIP", .offset = 0, .size = 4, .access = 4, .count = ACLINT_HARTS,
      .wrote = setssip_wrote },
};

static const DevBank sswi_banks[] = { { "sswi", ACLINT_MSWI_BYTES, sswi_regs, 1, NULL } };

const DevType dev_aclint_sswi = {
    .name = "aclint-sswi",
    .summary = "software interrupts of RISC-V harts, supervisor mode",
    .size = sizeof(Dev),
    .isolation = DEV_ISOLATION_yes,
    .banks = sswi_banks,
    .n_banks = 1,
    .n_irqs = ACLINT_HARTS,
};

/* ---- Timers ---- */

static uint64_t now(const Mtimer *m)
{
    return clock_ns(m->dev.env->clock) / ACLINT_NS_PER_TICK +
           atomic_load_explicit(&m->offset, memory_order_relaxed);
}

uint64_t aclint_time(Dev *mtimer)
{
    return now((const Mtimer *)mtimer);
}

/* Never too early; "never" when the clock does not get there in its 64 bits. */
static void arm(const Mtimer *m, ClockTimer *timer, uint64_t tick)
{
    uint64_t at = now(m);

    if (tick <= at) {
        clock_timer_set(timer, 0);
    } else if (tick - at > INT64_MAX / ACLINT_NS_PER_TICK) {
        clock_timer_cancel(timer);
    } else {
        clock_timer_set(timer, (tick - atomic_load(&m->offset)) * ACLINT_NS_PER_TICK);
    }
}

static void compare(Mtimer *m, unsigned hart)
{
    bool due = now(m) >= m->mtimecmp[hart];

    irq_set(&m->dev.irq[hart], due);
    if (due) {
        clock_timer_cancel(&m->compare[hart].timer);
    } else {
        arm(m, &m->compare[hart].timer, m->mtimecmp[hart]);
    }
}

static void compare_fired(void *opaque)
{
    Alarm *a = opaque;

    compare(a->owner, a->hart);
}

static void alarm_fired(void *opaque)
{
    Alarm *a = opaque;

    if (a->owner->alarm_fn) {
        a->owner->alarm_fn(a->owner->alarm_opaque, a->hart);
    }
}

/* Time has jumped: harts look at their own comparators again. */
static void compare_all(Mtimer *m)
{
    for (unsigned i = 0; i < ACLINT_HARTS; i++) {
        compare(m, i);
        clock_timer_set(&m->alarm[i].timer, 0);
    }
}

void aclint_on_alarm(Dev *mtimer, void (*fn)(void *opaque, unsigned hart), void *opaque)
{
    Mtimer *m = (Mtimer *)mtimer;

    m->alarm_fn = fn;
    m->alarm_opaque = opaque;
}

void aclint_alarm(Dev *mtimer, unsigned hart, uint64_t tick)
{
    Mtimer *m = (Mtimer *)mtimer;

    pthread_mutex_lock(mtimer->lock);
    arm(m, &m->alarm[hart].timer, tick);
    pthread_mutex_unlock(mtimer->lock);
}

static void mtimecmp_wrote(Dev *dev, unsigned index, uint64_t value)
{
    (void)value;
    compare((Mtimer *)dev, index);
}

static uint64_t mtime_read(Dev *dev, unsigned index, uint64_t stored)
{
    (void)index;
    (void)stored;
    return now((Mtimer *)dev);
}

/* Half of it alone is never written by what runs; the other half becomes zero. */
static void mtime_wrote(Dev *dev, unsigned index, uint64_t value)
{
    Mtimer *m = (Mtimer *)dev;

    (void)index;
    atomic_store(&m->offset, value - clock_ns(dev->env->clock) / ACLINT_NS_PER_TICK);
    compare_all(m);
}

static const DevReg mtimer_regs[] = {
    { .name = "MTIMECMP", .offset = 0, .size = 8, .access = 4 | 8, .count = ACLINT_HARTS,
      .field = offsetof(Mtimer, mtimecmp), .rw = UINT64_MAX, .reset = UINT64_MAX,
      .wrote = mtimecmp_wrote },
    { .name = "MTIME", .offset = ACLINT_MTIME, .size = 8, .access = 4 | 8, .read = mtime_read,
      .wrote = mtime_wrote },
};

static const DevBank mtimer_banks[] = {
    { "mtimer", ACLINT_MTIMER_BYTES, mtimer_regs, G_N_ELEMENTS(mtimer_regs), NULL },
};

static const DevField mtimer_fields[] = { DEV_FIELD(Mtimer, offset) };

static void start_alarm(Mtimer *m, Alarm *a, unsigned hart, void (*fn)(void *opaque))
{
    a->owner = m;
    a->hart = hart;
    clock_timer_init(&a->timer, m->dev.env->clock, m->dev.lock, fn, a);
}

static bool mtimer_realize(Dev *dev, GError **error)
{
    Mtimer *m = (Mtimer *)dev;

    (void)error;
    for (unsigned i = 0; i < ACLINT_HARTS; i++) {
        start_alarm(m, &m->compare[i], i, compare_fired);
        start_alarm(m, &m->alarm[i], i, alarm_fired);
    }
    return true;
}

static void mtimer_unrealize(Dev *dev)
{
    Mtimer *m = (Mtimer *)dev;

    for (unsigned i = 0; i < ACLINT_HARTS; i++) {
        clock_timer_fini(&m->compare[i].timer);
        clock_timer_fini(&m->alarm[i].timer);
    }
}

/* The clock goes on over a reset. */
static void mtimer_reset(Dev *dev)
{
    Mtimer *m = (Mtimer *)dev;

    atomic_store(&m->offset, 0);
    for (unsigned i = 0; i < ACLINT_HARTS; i++) {
        clock_timer_cancel(&m->alarm[i].timer);
        compare(m, i);
    }
}

static void mtimer_loaded(Dev *dev)
{
    compare_all((Mtimer *)dev);
}

const DevType dev_aclint_mtimer = {
    .name = "aclint-mtimer",
    .summary = "time and timers of RISC-V harts",
    .size = sizeof(Mtimer),
    .isolation = DEV_ISOLATION_yes,
    .banks = mtimer_banks,
    .n_banks = 1,
    .n_irqs = ACLINT_HARTS,
    .fields = mtimer_fields,
    .n_fields = G_N_ELEMENTS(mtimer_fields),
    .realize = mtimer_realize,
    .unrealize = mtimer_unrealize,
    .reset = mtimer_reset,
    .loaded = mtimer_loaded,
};
