/* SPDX-License-Identifier: Apache-2.0 */
/* poll(2), not epoll(7): descriptors are few, and epoll refuses regular files. */
#include "devices/host/ioloop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MAX_WATCHES = 256 };

struct IoWatch {
    IoLoop *loop;
    IoWatch *next;
    int fd;       /* -1: runs once, at once */
    short events;
    short ready;  /* of this round */
    bool gone;
    IoFn *fn;
    void *opaque;
};

struct IoLoop {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    pthread_t thread;
    int wake;
    IoWatch *first;
    uint64_t turn;   /* rounds of calls that have ended */
    bool quit, held;
};

static void wake(IoLoop *loop)
{
    uint64_t one = 1;

    while (write(loop->wake, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static void free_gone_locked(IoLoop *loop)
{
    IoWatch **at = &loop->first;

    while (*at) {
        IoWatch *w = *at;

        if (w->gone) {
            *at = w->next;
            free(w);
        } else {
            at = &w->next;
        }
    }
}

/* Fills `fds`; returns how many, and in *timeout whether to wait. */
static nfds_t gather_locked(IoLoop *loop, struct pollfd *fds, IoWatch **watches, int *timeout)
{
    nfds_t n = 1;

    fds[0] = (struct pollfd){ loop->wake, POLLIN, 0 };
    *timeout = -1;
    for (IoWatch *w = loop->first; w; w = w->next) {
        w->ready = w->fd < 0;
        if (w->ready) {
            *timeout = 0;
        } else if (w->events && !loop->held && n < MAX_WATCHES) {
            fds[n] = (struct pollfd){ w->fd, w->events, 0 };
            watches[n++] = w;
        }
    }
    return n;
}

static void call_ready_locked(IoLoop *loop)
{
    for (IoWatch *w = loop->first; w; w = w->next) {
        if (w->ready && !w->gone) {
            w->gone = w->fd < 0;
            pthread_mutex_unlock(&loop->lock);
            w->fn(w->opaque, w->ready);
            pthread_mutex_lock(&loop->lock);
        }
    }
    loop->turn++;
    free_gone_locked(loop);
    pthread_cond_broadcast(&loop->turned);
}

static void *thread_main(void *opaque)
{
    IoLoop *loop = opaque;
    struct pollfd fds[MAX_WATCHES];
    IoWatch *watches[MAX_WATCHES];
    uint64_t count;

    pthread_mutex_lock(&loop->lock);
    while (!loop->quit) {
        int timeout;
        nfds_t n = gather_locked(loop, fds, watches, &timeout);

        pthread_mutex_unlock(&loop->lock);
        poll(fds, n, timeout);
        if (fds[0].revents & POLLIN) {
            while (read(loop->wake, &count, sizeof(count)) < 0 && errno == EINTR) {
            }
        }
        pthread_mutex_lock(&loop->lock);
        for (nfds_t i = 1; i < n; i++) {
            watches[i]->ready = fds[i].revents;
        }
        call_ready_locked(loop);
    }
    pthread_mutex_unlock(&loop->lock);
    return NULL;
}

IoLoop *io_new(void)
{
    IoLoop *loop = calloc(1, sizeof(*loop));

    if (!loop) {
        return NULL;
    }
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->turned, NULL);
    if (loop->wake < 0 || (errno = pthread_create(&loop->thread, NULL, thread_main, loop))) {
        free(loop);
        return NULL;
    }
    return loop;
}

void io_free(IoLoop *loop)
{
    if (!loop) {
        return;
    }
    pthread_mutex_lock(&loop->lock);
    loop->quit = true;
    pthread_mutex_unlock(&loop->lock);
    wake(loop);
    pthread_join(loop->thread, NULL);
    for (IoWatch *w = loop->first; w; w = w->next) {
        w->gone = true;
    }
    free_gone_locked(loop);
    close(loop->wake);
    pthread_cond_destroy(&loop->turned);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

IoWatch *io_add(IoLoop *loop, int fd, short events, IoFn *fn, void *opaque)
{
    IoWatch *w = calloc(1, sizeof(*w));

    if (!w) {
        return NULL;
    }
    *w = (IoWatch){ .loop = loop, .fd = fd, .events = events, .fn = fn, .opaque = opaque };
    pthread_mutex_lock(&loop->lock);
    w->next = loop->first;
    loop->first = w;
    pthread_mutex_unlock(&loop->lock);
    wake(loop);
    return w;
}

void io_set_events(IoWatch *w, short events)
{
    bool changed;

    pthread_mutex_lock(&w->loop->lock);
    changed = w->events != events;
    w->events = events;
    pthread_mutex_unlock(&w->loop->lock);
    if (changed && !pthread_equal(pthread_self(), w->loop->thread)) {
        wake(w->loop);
    }
}

/* Gone watches are freed at the end of a turn; the thread may be in poll() with this one. */
void io_remove(IoWatch *w)
{
    IoLoop *loop = w ? w->loop : NULL;

    if (!w) {
        return;
    }
    pthread_mutex_lock(&loop->lock);
    w->gone = true;
    w->events = 0;
    pthread_mutex_unlock(&loop->lock);
    io_sync(loop);
}

void io_hold(IoLoop *loop, bool hold)
{
    pthread_mutex_lock(&loop->lock);
    loop->held = hold;
    pthread_mutex_unlock(&loop->lock);
    wake(loop);
    io_sync(loop);
}

void io_run_once(IoLoop *loop, IoFn *fn, void *opaque)
{
    io_add(loop, -1, 0, fn, opaque);
}

void io_sync(IoLoop *loop)
{
    uint64_t turn;

    if (pthread_equal(pthread_self(), loop->thread)) {
        return;
    }
    pthread_mutex_lock(&loop->lock);
    turn = loop->turn;
    wake(loop); /* with the lock: the turn that it begins ends after `turn` was read */
    while (loop->turn == turn && !loop->quit) {
        pthread_cond_wait(&loop->turned, &loop->lock);
    }
    pthread_mutex_unlock(&loop->lock);
}
