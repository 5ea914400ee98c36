/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping the world.  A vcpu sets its own `running` and then looks at `pending`; whoever wants to
 * run alone sets `pending` and then looks at each `running`.  Both orders are sequentially
 * consistent, so at least one of the two sees the other.
 */
#include "translator/state.h"

#include <string.h>
#include <sys/mman.h>

/* Protects the list and the tickets; with it the conditions are waited for. */
static pthread_mutex_t vcpus_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static pthread_cond_t resumed = PTHREAD_COND_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;

/* Sections are had in the order in which they were asked for: a mutex would let a thread that ends
 * one and begins the next pass those that wait.  The section of ticket `turn` is open, or none is
 * when turn == tickets. */
static uint64_t tickets, turn;
static TrVcpu *vcpus;

static _Atomic uint32_t pending;

/* How deep this thread is in exclusive sections. */
static _Thread_local unsigned depth;

_Thread_local TrVcpu *tr_self;

enum { VCPUS_MAX = 1 << 16 };

/* With instrumentation, the memory of each number, which outlives its vcpu. */
static TrVcpu *_Atomic numbered[VCPUS_MAX];
static _Atomic unsigned n_numbered;

static size_t vcpu_size(void)
{
    return sizeof(TrVcpu) + (tr.config.instrument ? tr.config.instrument->vcpu_memory : 0);
}

static unsigned next_index_locked(void)
{
    unsigned next = 0;

    for (const TrVcpu *v = vcpus; v; v = v->next) {
        next = v->vcpu.index >= next ? v->vcpu.index + 1 : next;
    }
    return next;
}

/* Zeroed, but for the instrumentation's memory of a number that was used before. */
static TrVcpu *memory_locked(unsigned index)
{
    TrVcpu *v = index < VCPUS_MAX ? atomic_load(&numbered[index]) : NULL;

    if (v) {
        uint64_t slot[VCPU_SLOTS]; /* those behind the guest's are instrumentation's */

        memcpy(slot, v->vcpu.slot, sizeof(slot));
        memset(v, 0, sizeof(*v));
        memcpy(v->vcpu.slot, slot, sizeof(slot));
        return v;
    }
    v = mmap(NULL, vcpu_size(), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (v == MAP_FAILED || index >= VCPUS_MAX) {
        return NULL;
    }
    if (tr.config.instrument) {
        atomic_store(&numbered[index], v);
    }
    if (index >= atomic_load(&n_numbered)) {
        atomic_store(&n_numbered, index + 1);
    }
    return v;
}

TrVcpu *exclusive_new(void)
{
    unsigned index;
    TrVcpu *v;

    pthread_mutex_lock(&vcpus_lock);
    index = next_index_locked();
    v = memory_locked(index);
    if (v) {
        v->vcpu.index = index;
        v->next = vcpus;
        if (vcpus) {
            vcpus->prev = v;
        }
        vcpus = v;
    }
    pthread_mutex_unlock(&vcpus_lock);
    return v;
}

static void release(TrVcpu *v)
{
    if (!tr.config.instrument) {
        munmap(v, sizeof(*v));
    }
}

unsigned tr_vcpu_count(void)
{
    return atomic_load(&n_numbered);
}

void *tr_vcpu_memory(unsigned index)
{
    TrVcpu *v = index < VCPUS_MAX ? atomic_load(&numbered[index]) : NULL;

    return v;
}

void tr_for_each_vcpu(void (*fn)(Vcpu *vcpu, void *opaque), void *opaque)
{
    pthread_mutex_lock(&vcpus_lock);
    for (TrVcpu *v = vcpus; v; v = v->next) {
        fn(&v->vcpu, opaque);
    }
    pthread_mutex_unlock(&vcpus_lock);
}

void exclusive_free(TrVcpu *v)
{
    pthread_mutex_lock(&vcpus_lock);
    stats_fold(v);
    if (v->next) {
        v->next->prev = v->prev;
    }
    if (v->prev) {
        v->prev->next = v->next;
    } else {
        vcpus = v->next;
    }
    release(v);
    pthread_mutex_unlock(&vcpus_lock);
}

void exclusive_for_each(void (*fn)(TrVcpu *v))
{
    pthread_mutex_lock(&vcpus_lock);
    for (TrVcpu *v = vcpus; v; v = v->next) {
        fn(v);
    }
    pthread_mutex_unlock(&vcpus_lock);
}

void exclusive_leave(TrVcpu *v)
{
    atomic_store(&v->running, 0);
    if (atomic_load(&pending)) {
        pthread_mutex_lock(&vcpus_lock);
        pthread_cond_broadcast(&left);
        pthread_mutex_unlock(&vcpus_lock);
    }
}

static void wait_until_resumed(void)
{
    pthread_mutex_lock(&vcpus_lock);
    while (atomic_load(&pending)) {
        pthread_cond_wait(&resumed, &vcpus_lock);
    }
    pthread_mutex_unlock(&vcpus_lock);
}

void exclusive_enter(TrVcpu *v)
{
    for (;;) {
        atomic_store(&v->running, 1);
        if (!atomic_load(&pending) || depth) {
            return;
        }
        exclusive_leave(v);
        wait_until_resumed();
    }
}

/* Asks every other vcpu to leave; true when none is in translated code. */
static bool all_out_locked(void)
{
    bool out = true;

    for (TrVcpu *v = vcpus; v; v = v->next) {
        if (v != tr_self && atomic_load(&v->running)) {
            atomic_store_explicit(&v->vcpu.exit_req, 1, memory_order_release);
            out = false;
        }
    }
    return out;
}

void exclusive_begin(void)
{
    uint64_t mine;

    if (depth++) {
        return;
    }
    pthread_mutex_lock(&vcpus_lock);
    mine = tickets++;
    while (turn != mine) {
        pthread_cond_wait(&turned, &vcpus_lock);
    }
    atomic_store(&pending, 1);
    while (!all_out_locked()) {
        pthread_cond_wait(&left, &vcpus_lock);
    }
    pthread_mutex_unlock(&vcpus_lock);
}

void exclusive_end(void)
{
    CHECK(depth, "not in an exclusive section");
    if (--depth) {
        return;
    }
    pthread_mutex_lock(&vcpus_lock);
    turn++;
    atomic_store(&pending, 0);
    pthread_cond_broadcast(&resumed);
    pthread_cond_broadcast(&turned);
    pthread_mutex_unlock(&vcpus_lock);
}

bool exclusive_wanted(void)
{
    bool wanted;

    pthread_mutex_lock(&vcpus_lock);
    wanted = tickets != turn + (depth != 0);
    pthread_mutex_unlock(&vcpus_lock);
    return wanted;
}

void tr_exclusive_begin(Vcpu *vcpu)
{
    CHECK(!((TrVcpu *)vcpu->owner)->entered, "exclusive section from inside translated code");
    exclusive_begin();
}

void tr_exclusive_end(Vcpu *vcpu)
{
    (void)vcpu;
    exclusive_end();
}

void tr_block_begin(Vcpu *vcpu)
{
    CHECK(!depth && !((TrVcpu *)vcpu->owner)->entered, "blocking while others wait");
}

void tr_block_end(Vcpu *vcpu)
{
    (void)vcpu;
}

/* ---- fork ---- */

void tr_fork_prepare(Vcpu *vcpu, bool shared_files)
{
    tr_exclusive_begin(vcpu);
    pthread_mutex_lock(&tr.lock);
    pthread_mutex_lock(&vcpus_lock);
    if (tr.code) {
        codebuf_fork_prepare(tr.code, shared_files);
    }
}

void tr_fork_parent(Vcpu *vcpu)
{
    if (tr.code) {
        codebuf_fork_parent(tr.code);
    }
    pthread_mutex_unlock(&vcpus_lock);
    pthread_mutex_unlock(&tr.lock);
    tr_exclusive_end(vcpu);
}

/* The threads that waited for the conditions do not exist here. */
void tr_fork_child(Vcpu *vcpu)
{
    TrVcpu *self = vcpu->owner;
    bool kept = !tr.code || codebuf_fork_child(tr.code);

    for (TrVcpu *v = vcpus, *next; v; v = next) {
        next = v->next;
        if (v != self) {
            release(v);
        }
    }
    self->prev = self->next = NULL;
    vcpus = self;
    pthread_cond_init(&left, NULL);
    pthread_cond_init(&resumed, NULL);
    pthread_cond_init(&turned, NULL);
    tickets = turn + 1;
    pthread_mutex_unlock(&vcpus_lock);
    if (!kept) {
        cache_evict_locked();
    }
    perf_fork_child();
    profile_fork_child(self);
    pthread_mutex_unlock(&tr.lock);
    tr_exclusive_end(vcpu);
}

void tr_vfork_done(Vcpu *vcpu)
{
    TrVcpu *v = vcpu->owner;

    v->entered = 0;
    exclusive_leave(v);
}
