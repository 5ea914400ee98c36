/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock of Android's emulator: nanoseconds since 1970 in two words, and an alarm. */
#include <time.h>

#include "devices/device.h"

typedef struct Rtc {
    Dev dev;
    ClockTimer timer;
    uint64_t base;        /* nanoseconds that a reset sets the time ahead of the host's (-rtc base=) */
    bool stands;          /* while the machine does: the machine's clock goes on from the host's time */
    uint64_t start;       /* the host's time when the machine's clock was 0 */
    uint64_t offset;      /* what the guest set the time to, less the host's */
    uint32_t time_high;   /* of the last read of TIME_LOW */
    uint32_t set_high;    /* TIME_HIGH as written; TIME_LOW completes it */
    uint32_t alarm_low, alarm_high, irq_enabled;
    uint32_t alarm_running, pending;
} Rtc;

static Rtc *rtc_of(Dev *dev)
{
    return (Rtc *)dev;
}

static uint64_t host_time(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t passing_time(const Rtc *r)
{
    return r->stands ? r->start + clock_ns(r->dev.env->clock) : host_time();
}

static uint64_t now(const Rtc *r)
{
    return passing_time(r) + r->offset;
}

static void update(Rtc *r)
{
    irq_set(&r->dev.irq[0], r->pending & r->irq_enabled);
}

static void fire(void *opaque)
{
    Rtc *r = opaque;

    r->alarm_running = 0;
    r->pending = 1;
    update(r);
}

static void arm(Rtc *r)
{
    uint64_t alarm = (uint64_t)r->alarm_high << 32 | r->alarm_low, at = now(r);

    clock_timer_cancel(&r->timer);
    if (!r->alarm_running) {
        return;
    }
    if (alarm <= at) {
        fire(r);
    } else if (alarm - at < INT64_MAX) {
        clock_timer_set(&r->timer, clock_ns(r->dev.env->clock) + (alarm - at));
    }
}

static uint64_t time_low_read(Dev *dev, unsigned index, uint64_t stored)
{
    uint64_t t = now(rtc_of(dev));

    (void)index;
    (void)stored;
    rtc_of(dev)->time_high = (uint32_t)(t >> 32);
    return (uint32_t)t;
}

static void time_low_wrote(Dev *dev, unsigned index, uint64_t value)
{
    Rtc *r = rtc_of(dev);

    (void)index;
    r->offset = ((uint64_t)r->set_high << 32 | value) - passing_time(r);
    arm(r);
}

static void time_high_wrote(Dev *dev, unsigned index, uint64_t value)
{
    (void)index;
    rtc_of(dev)->set_high = (uint32_t)value;
}

static void alarm_wrote(Dev *dev, unsigned index, uint64_t value)
{
    (void)index;
    (void)value;
    rtc_of(dev)->alarm_running = 1;
    arm(rtc_of(dev));
}

static void enable_wrote(Dev *dev, unsigned index, uint64_t value)
{
    (void)index;
    (void)value;
    update(rtc_of(dev));
}

static void clear_alarm(Dev *dev, unsigned index, uint64_t value)
{
    (void)index;
    (void)value;
    rtc_of(dev)->alarm_running = 0;
    arm(rtc_of(dev));
}

static void clear_interrupt(Dev *dev, unsigned index, uint64_t value)
{
    (void)index;
    (void)value;
    rtc_of(dev)->pending = 0;
    update(rtc_of(dev));
}

#define AT(member) offsetof(Rtc, member)

static const DevReg regs[] = {
    { "TIME_LOW", 0x00, 4, 4, .read = time_low_read, .wrote = time_low_wrote },
    { "TIME_HIGH", 0x04, 4, 4, .field = AT(time_high), .wrote = time_high_wrote },
    { "ALARM_LOW", 0x08, 4, 4, .field = AT(alarm_low), .rw = UINT32_MAX, .wrote = alarm_wrote },
    { "ALARM_HIGH", 0x0c, 4, 4, .field = AT(alarm_high), .rw = UINT32_MAX },
    { "IRQ_ENABLED", 0x10, 4, 4, .field = AT(irq_enabled), .rw = 1, .wrote = enable_wrote },
    { "CLEAR_ALARM", 0x14, 4, 4, .wrote = clear_alarm },
    { "ALARM_STATUS", 0x18, 4, 4, .field = AT(alarm_running) },
    { "CLEAR_INTERRUPT", 0x1c, 4, 4, .wrote = clear_interrupt },
};

static const DevBank banks[] = { { "registers", 0x1000, regs, G_N_ELEMENTS(regs), NULL } };

static const DevField fields[] = { DEV_FIELD(Rtc, offset), DEV_FIELD(Rtc, set_high),
                                   DEV_FIELD(Rtc, pending), DEV_FIELD(Rtc, start) };

static const DevProp props[] = {
    { "base", DEV_PROP_u64, AT(base), "nanoseconds ahead of the host's time (modulo 2^64)", 0 },
    { "stands", DEV_PROP_bool, AT(stands), "on: no time passes while the machine stands still", 0 },
};

static bool realize(Dev *dev, GError **error)
{
    (void)error;
    rtc_of(dev)->start = host_time() - clock_ns(dev->env->clock);
    clock_timer_init(&rtc_of(dev)->timer, dev->env->clock, dev->lock, fire, dev);
    return true;
}

static void unrealize(Dev *dev)
{
    clock_timer_fini(&rtc_of(dev)->timer);
}

static void reset(Dev *dev)
{
    rtc_of(dev)->offset = rtc_of(dev)->base;
    rtc_of(dev)->set_high = rtc_of(dev)->pending = 0;
    arm(rtc_of(dev));
    update(rtc_of(dev));
}

static void loaded(Dev *dev)
{
    arm(rtc_of(dev));
    update(rtc_of(dev));
}

const DevType dev_goldfish_rtc = {
    .name = "goldfish-rtc",
    .summary = "real-time clock",
    .size = sizeof(Rtc),
    .isolation = DEV_ISOLATION_yes,
    .banks = banks,
    .n_banks = 1,
    .n_irqs = 1,
    .fields = fields,
    .n_fields = G_N_ELEMENTS(fields),
    .props = props,
    .n_props = G_N_ELEMENTS(props),
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .loaded = loaded,
};
