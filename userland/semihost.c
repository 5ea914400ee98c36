/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/semihost.h"

#include <sys/syscall.h>
#include <time.h>

#include "userland/mem.h"
#include "userland/semihosting/semihosting.h"

enum { AGAIN_NS = 5000000 };

#define HEAP_SIZE (UINT64_C(128) << 20)

static Semihost *host; /* NULL: no memory for one */
static SemihostMemory memory;

static bool read_guest(void *thread, uint64_t addr, void *to, size_t n)
{
    (void)thread;
    return mem_read(to, addr, n);
}

static bool write_guest(void *thread, uint64_t addr, const void *from, size_t n)
{
    (void)thread;
    return mem_write(addr, from, n);
}

static void console_write(void *thread, const void *bytes, size_t n)
{
    (void)thread;
    semihost_stderr(bytes, n);
}

static int console_read(void *thread)
{
    (void)thread;
    return semihost_stdin();
}

/* The heap is what brk() gives, so that it begins behind the program. */
static void find_memory(void)
{
    uint64_t base = (uint64_t)mem_brk(0), size = HEAP_SIZE;

    while (size && (uint64_t)mem_brk(base + size) != base + size) {
        size /= 2;
    }
    memory = (SemihostMemory){ .heap_base = base, .heap_limit = base + size, .stack_base = process.stack_hi };
}

static void tell_memory(void *thread, SemihostMemory *m)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)thread;
    pthread_once(&once, find_memory);
    *m = memory;
}

/* At the first breakpoint: hardly any program has one. */
static void start(void)
{
    static SemihostTarget target = { .read = read_guest,
                                     .write = write_guest,
                                     .console_write = console_write,
                                     .console_read = console_read,
                                     .memory = tell_memory };

    target.argv = (const char *const *)process.argv;
    host = semihost_new(process.options->guest, &target);
}

/* A signal ends the wait. */
static void wait_a_while(Task *t)
{
    const struct timespec time = { .tv_nsec = AGAIN_NS };

    task_block(t, SYS_nanosleep, (uint64_t[6]){ (uint64_t)(uintptr_t)&time, 0 });
}

bool semihost_trap(Task *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int status = 0;

    pthread_once(&once, start);
    switch (host ? semihost_breakpoint(host, t->vcpu, t, &status) : SEMIHOST_none) {
    case SEMIHOST_none:
        return false;
    case SEMIHOST_done:
        return true;
    case SEMIHOST_again:
        wait_a_while(t);
        return true;
    case SEMIHOST_exit:
        userland_exit(status & 0xff);
    }
    return false;
}
