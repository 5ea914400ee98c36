/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/iothread.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 16 };

typedef struct Watch {
    struct Watch *next;
    void (*fn)(void *opaque);
    void *opaque;
} Watch;

struct IoThread {
    pthread_t thread;
    pthread_mutex_t lock; /* watches */
    Watch *watches;
    int epoll, stop;
};

static void *run(void *opaque)
{
    IoThread *io = opaque;
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(io->epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            const Watch *w = events[i].data.ptr;

            if (!w) {
                return NULL;
            }
            w->fn(w->opaque);
        }
    }
}

/* Signals of the process are for other threads. */
static bool start(IoThread *io, const char *name)
{
    char cut[16] = { 0 };
    sigset_t all, old;
    bool ok;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ok = pthread_create(&io->thread, NULL, run, io) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    for (unsigned i = 0; i < sizeof(cut) - 1 && name[i]; i++) {
        cut[i] = name[i];
    }
    if (ok) {
        pthread_setname_np(io->thread, cut);
    }
    return ok;
}

static void release(IoThread *io)
{
    while (io->watches) {
        Watch *next = io->watches->next;

        free(io->watches);
        io->watches = next;
    }
    if (io->epoll >= 0) {
        close(io->epoll);
    }
    if (io->stop >= 0) {
        close(io->stop);
    }
    pthread_mutex_destroy(&io->lock);
    free(io);
}

IoThread *iothread_new(const char *name)
{
    IoThread *io = calloc(1, sizeof(*io));
    struct epoll_event stop = { .events = EPOLLIN };

    if (!io) {
        return NULL;
    }
    pthread_mutex_init(&io->lock, NULL);
    io->epoll = epoll_create1(EPOLL_CLOEXEC);
    io->stop = eventfd(0, EFD_CLOEXEC);
    if (io->epoll < 0 || io->stop < 0 || epoll_ctl(io->epoll, EPOLL_CTL_ADD, io->stop, &stop) < 0 ||
        !start(io, name)) {
        release(io);
        return NULL;
    }
    return io;
}

void iothread_free(IoThread *io)
{
    if (!io) {
        return;
    }
    CHECK(eventfd_write(io->stop, 1) == 0, "eventfd");
    pthread_join(io->thread, NULL);
    release(io);
}

bool iothread_watch(IoThread *io, int fd, void (*fn)(void *opaque), void *opaque)
{
    Watch *w = calloc(1, sizeof(*w));
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = w };

    if (!w) {
        return false;
    }
    *w = (Watch){ NULL, fn, opaque };
    if (epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(w);
        return false;
    }
    pthread_mutex_lock(&io->lock);
    w->next = io->watches;
    io->watches = w;
    pthread_mutex_unlock(&io->lock);
    return true;
}
