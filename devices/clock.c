/* SPDX-License-Identifier: Apache-2.0 */
/* Queued timers are a list sorted by time: there are a few of them, one for each hart and some more. */
#include "devices/clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { NS = 1000000000 };

struct Clock {
    pthread_mutex_t lock;      /* the list, `current`; taken after a timer's lock */
    pthread_cond_t changed;    /* the first timer, running, quit, current */
    pthread_t thread;
    ClockTimer *first;
    ClockTimer *current;       /* whose lock the thread takes or has */
    bool quit;
    _Atomic uint32_t version;  /* odd while the two below change (release); readers read again */
    _Atomic bool running;
    _Atomic uint64_t base;     /* running: virtual time = host's + base; else virtual time */
};

static uint64_t host_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

bool clock_running(const Clock *clock)
{
    return atomic_load_explicit(&clock->running, memory_order_relaxed);
}

uint64_t clock_ns(const Clock *clock)
{
    uint32_t version;
    uint64_t base;
    bool running;

    do {
        version = atomic_load(&clock->version);
        running = atomic_load(&clock->running);
        base = atomic_load(&clock->base);
    } while ((version & 1) || version != atomic_load(&clock->version));
    return running ? host_ns() + base : base;
}

/* ---- The thread ---- */

static void unqueue_locked(Clock *c, ClockTimer *t)
{
    if (!t->queued) {
        return;
    }
    *(t->prev ? &t->prev->next : &c->first) = t->next;
    if (t->next) {
        t->next->prev = t->prev;
    }
    t->queued = false;
}

/* Its lock comes before the clock's, so the timer can change until both are held. */
static void run_locked(Clock *c, ClockTimer *t)
{
    bool due;

    c->current = t;
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_lock(t->lock);
    pthread_mutex_lock(&c->lock);
    due = t->queued && clock_running(c) && clock_ns(c) >= t->when;
    if (due) {
        unqueue_locked(c, t);
    }
    pthread_mutex_unlock(&c->lock);
    if (due) {
        t->fn(t->opaque);
    }
    pthread_mutex_unlock(t->lock);
    pthread_mutex_lock(&c->lock);
    c->current = NULL;
    pthread_cond_broadcast(&c->changed);
}

static void wait_locked(Clock *c, uint64_t ns)
{
    uint64_t until = host_ns() + ns;
    struct timespec ts = { .tv_sec = (time_t)(until / NS), .tv_nsec = (long)(until % NS) };

    pthread_cond_timedwait(&c->changed, &c->lock, &ts);
}

static void *thread_main(void *opaque)
{
    Clock *c = opaque;

    pthread_mutex_lock(&c->lock);
    while (!c->quit) {
        uint64_t now = clock_ns(c);

        if (!c->first || !clock_running(c)) {
            pthread_cond_wait(&c->changed, &c->lock);
        } else if (c->first->when > now) {
            uint64_t rest = c->first->when - now;

            wait_locked(c, rest < UINT64_C(3600) * NS ? rest : UINT64_C(3600) * NS);
        } else {
            run_locked(c, c->first);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

Clock *clock_new(void)
{
    Clock *c = calloc(1, sizeof(*c));
    pthread_condattr_t attr;

    if (!c) {
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&c->thread, NULL, thread_main, c) != 0) {
        free(c);
        return NULL;
    }
    return c;
}

void clock_free(Clock *c)
{
    if (!c) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->quit = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    while (c->first) {
        unqueue_locked(c, c->first);
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void change(Clock *c, bool running, uint64_t base)
{
    atomic_fetch_add(&c->version, 1);
    atomic_store(&c->running, running);
    atomic_store(&c->base, base);
    atomic_fetch_add(&c->version, 1);
    pthread_cond_broadcast(&c->changed);
}

void clock_pause(Clock *c)
{
    pthread_mutex_lock(&c->lock);
    if (clock_running(c)) {
        change(c, false, clock_ns(c));
    }
    pthread_mutex_unlock(&c->lock);
}

void clock_resume(Clock *c)
{
    pthread_mutex_lock(&c->lock);
    if (!clock_running(c)) {
        change(c, true, clock_ns(c) - host_ns());
    }
    pthread_mutex_unlock(&c->lock);
}

void clock_set(Clock *c, uint64_t ns)
{
    pthread_mutex_lock(&c->lock);
    change(c, false, ns);
    pthread_mutex_unlock(&c->lock);
}

/* ---- Timers ---- */

void clock_timer_init(ClockTimer *t, Clock *c, pthread_mutex_t *lock, void (*fn)(void *opaque),
                      void *opaque)
{
    *t = (ClockTimer){ .clock = c, .fn = fn, .opaque = opaque, .lock = lock };
}

static void queue_locked(Clock *c, ClockTimer *t)
{
    ClockTimer **at = &c->first;

    t->prev = NULL;
    while (*at && (*at)->when <= t->when) {
        t->prev = *at;
        at = &(*at)->next;
    }
    t->next = *at;
    *at = t;
    if (t->next) {
        t->next->prev = t;
    }
    t->queued = true;
    if (c->first == t) {
        pthread_cond_broadcast(&c->changed);
    }
}

void clock_timer_set(ClockTimer *t, uint64_t ns)
{
    Clock *c = t->clock;

    pthread_mutex_lock(&c->lock);
    unqueue_locked(c, t);
    t->when = ns;
    queue_locked(c, t);
    pthread_mutex_unlock(&c->lock);
}

void clock_timer_cancel(ClockTimer *t)
{
    pthread_mutex_lock(&t->clock->lock);
    unqueue_locked(t->clock, t);
    pthread_mutex_unlock(&t->clock->lock);
}

void clock_timer_fini(ClockTimer *t)
{
    Clock *c = t->clock;

    if (!c) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    unqueue_locked(c, t);
    while (c->current == t) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}
