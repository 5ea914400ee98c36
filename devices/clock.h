/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/clock.h - a machine's time, and timers on it.
 *
 * Virtual time counts nanoseconds from 0 and stands still while the machine is paused.  One thread
 * runs the timers of a clock.
 *
 * Threading: any thread.  A timer belongs to a lock, the device's: it is set and cancelled with the
 *            lock held, and its function runs with the lock held; so after clock_timer_cancel() it
 *            does not run any more.
 */
#ifndef KETCH_DEVICES_CLOCK_H
#define KETCH_DEVICES_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Clock Clock;

typedef struct ClockTimer {
    Clock *clock;
    void (*fn)(void *opaque);
    void *opaque;
    pthread_mutex_t *lock;
    uint64_t when;
    bool queued;
    struct ClockTimer *prev, *next; /* by `when`; the clock's */
} ClockTimer;

/* Paused, at 0, with its thread.  NULL: no thread could be made. */
Clock *clock_new(void);
/* Its timers are finished before. */
void clock_free(Clock *clock);

uint64_t clock_ns(const Clock *clock);
bool clock_running(const Clock *clock);
void clock_pause(Clock *clock);
void clock_resume(Clock *clock);
/* Of a paused clock: a snapshot's time. */
void clock_set(Clock *clock, uint64_t ns);

/* Nothing is queued yet. */
void clock_timer_init(ClockTimer *timer, Clock *clock, pthread_mutex_t *lock,
                      void (*fn)(void *opaque), void *opaque);
/* Waits until its function has returned, should it run; so without the lock. */
void clock_timer_fini(ClockTimer *timer);
/* Runs once when the time is `ns` or later; replaces what was set before. */
void clock_timer_set(ClockTimer *timer, uint64_t ns);
void clock_timer_cancel(ClockTimer *timer);

#endif
