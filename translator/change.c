/* SPDX-License-Identifier: Apache-2.0 */
/* Guest code that is no longer what was translated. */
#include "translator/source.h"

#include <string.h>

/* Bytes up to which the units of a range are looked for by page, and not among all that the guest
 * could write. */
enum { SMALL_CHANGE = 1 << 20 };

static bool overlaps(const TrSpan *s, const TrRange *range)
{
    return s->pc <= range->hi && s->pc + s->size - 1 >= range->lo;
}

static bool same_bytes(const TrUnit *unit, const TrSpan *s)
{
    uint8_t now[256];

    for (size_t at = 0, n; at < s->size; at += n) {
        n = s->size - at < sizeof(now) ? s->size - at : sizeof(now);
        if (source_bytes(unit, s->pc + at, now, n) < n ||
            memcmp(now, s->bytes + at, n) != 0) {
            return false;
        }
    }
    return true;
}

bool change_is_changed(const TrUnit *unit, void *opaque)
{
    for (unsigned i = 0; i < unit->n_spans; i++) {
        const TrSpan *s = &unit->spans[i];

        if (s->bytes && overlaps(s, opaque) && !same_bytes(unit, s)) {
            return true;
        }
    }
    return false;
}

static bool asked_threads(const TrUnit *unit, void *opaque)
{
    (void)opaque;
    return unit->asked_threads;
}

/* Looks first, and stops the others only when there are. */
static void drop(const TrFilter *filter)
{
    bool any;

    pthread_mutex_lock(&tr.lock);
    any = cache_any_locked(filter);
    pthread_mutex_unlock(&tr.lock);
    if (!any) {
        return;
    }
    exclusive_begin();
    pthread_mutex_lock(&tr.lock);
    cache_drop_locked(filter);
    pthread_mutex_unlock(&tr.lock);
    exclusive_end();
}

static TrRange range_of(uint64_t start, uint64_t size)
{
    uint64_t last = start + size - 1;

    return (TrRange){ start, last < start ? UINT64_MAX : last };
}

/* Units with bytes in the range that `filter` wants, or all; found by their pages. */
static void drop_range(TrRange range, const TrFilter *filter)
{
    bool any;

    pthread_mutex_lock(&tr.lock);
    any = cache_has_range_locked(&range, filter);
    pthread_mutex_unlock(&tr.lock);
    if (!any) {
        return;
    }
    exclusive_begin();
    pthread_mutex_lock(&tr.lock);
    cache_drop_range_locked(&range, filter);
    pthread_mutex_unlock(&tr.lock);
    exclusive_end();
}

void tr_code_changed(uint64_t start, uint64_t size)
{
    TrRange range = range_of(start, size);
    TrFilter changed = { change_is_changed, &range, true };

    if (size && size <= SMALL_CHANGE) {
        drop_range(range, &changed);
    } else if (size) {
        drop(&changed);
    }
    pthread_mutex_lock(&tr.lock);
    tr.stats.fences++;
    pthread_mutex_unlock(&tr.lock);
}

static atomic_bool guest_fences;

void change_fence(void)
{
    atomic_store_explicit(&guest_fences, true, memory_order_relaxed);
    tr_code_changed(0, UINT64_MAX);
}

bool tr_guest_fences(void)
{
    return atomic_load_explicit(&guest_fences, memory_order_relaxed);
}

void tr_invalidate(uint64_t start, uint64_t size)
{
    if (size) {
        drop_range(range_of(start, size), NULL);
    }
}

void tr_guest_has_threads(void)
{
    if (!atomic_exchange(&tr.threads, true)) {
        drop(&(TrFilter){ asked_threads, NULL, false });
    }
}
