/* SPDX-License-Identifier: Apache-2.0 */
/* From a number to a call; the calls that are about no file. */
#include "userland/semihosting/semihosting.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ir/vcpu.h"
#include "userland/semihosting/calls.h"

enum {
    WORD = 8,
    NANO = 1000000000,
    COMMAND_MOST = 64 << 10,
    APPLICATION_EXIT = 0x20026, /* ADP_Stopped_ApplicationExit */
};

static const struct {
    const char *name;
    CallFn *make;
    unsigned words;
} calls[] = {
#define CALL(number, name, words) [number] = { #name, call_##name, words },
#include "userland/semihosting/calls.def"
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

char *call_string(const Call *c, uint64_t addr, uint64_t n, size_t most, int *error)
{
    char *text = n <= most ? malloc(n + 1) : NULL;

    if (!text || !c->s->target->read(c->thread, addr, text, n)) {
        *error = n > most ? ENAMETOOLONG : !text ? ENOMEM : EFAULT;
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

static bool put_words(const Call *c, uint64_t addr, const uint64_t *word, unsigned n)
{
    return c->s->target->write(c->thread, addr, word, n * WORD);
}

/* ---- The console ---- */

int64_t call_writec(Call *c)
{
    char byte;

    if (!c->s->target->read(c->thread, c->argument, &byte, 1)) {
        return -EFAULT;
    }
    c->s->target->console_write(c->thread, &byte, 1);
    return 0;
}

int64_t call_write0(Call *c)
{
    char text[256], byte = '\0';
    uint64_t at = c->argument;
    size_t n = 0;
    bool there;

    while ((there = c->s->target->read(c->thread, at++, &byte, 1)) && byte) {
        text[n++] = byte;
        if (n == sizeof(text)) {
            c->s->target->console_write(c->thread, text, n);
            n = 0;
        }
    }
    c->s->target->console_write(c->thread, text, n);
    return there ? 0 : -EFAULT;
}

int64_t call_readc(Call *c)
{
    int byte = c->s->target->console_read(c->thread);

    return byte == SEMIHOST_LATER ? CALL_AGAIN : byte == SEMIHOST_END ? -EIO : byte;
}

void semihost_stderr(const void *bytes, size_t n)
{
    const char *from = bytes;
    ssize_t done = 1;

    for (; n > 0 && done > 0; from += done, n -= (size_t)done) {
        done = write(STDERR_FILENO, from, n);
        done = done < 0 ? 0 : done;
    }
}

int semihost_stdin(void)
{
    struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
    unsigned char byte;

    if (poll(&fd, 1, 0) == 0) {
        return SEMIHOST_LATER;
    }
    return read(STDIN_FILENO, &byte, 1) == 1 ? byte : SEMIHOST_END;
}

/* ---- Time ---- */

/* Hundredths of a second of processor time. */
int64_t call_clock(Call *c)
{
    (void)c;
    return (int64_t)clock() / (CLOCKS_PER_SEC / 100);
}

int64_t call_time(Call *c)
{
    (void)c;
    return time(NULL);
}

int64_t call_tickfreq(Call *c)
{
    (void)c;
    return NANO;
}

int64_t call_elapsed(Call *c)
{
    struct timespec now;
    uint64_t ticks;

    clock_gettime(CLOCK_MONOTONIC, &now);
    ticks = (uint64_t)(now.tv_sec - c->s->start.tv_sec) * NANO + (uint64_t)now.tv_nsec -
            (uint64_t)c->s->start.tv_nsec;
    return put_words(c, c->argument, &ticks, 1) ? 0 : -EFAULT;
}

/* ---- The program and its surroundings ---- */

int64_t call_system(Call *c)
{
    int error = 0, status;
    char *command = call_string(c, c->a[0], c->a[1], COMMAND_MOST, &error);

    if (!command) {
        return -error;
    }
    status = system(command);
    free(command);
    return status == -1 ? -errno : status;
}

int64_t call_errno(Call *c)
{
    return atomic_load(&c->s->error);
}

int64_t call_iserror(Call *c)
{
    return (int64_t)c->a[0] < 0;
}

static size_t join(const char *const *argv, char *text, size_t size)
{
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; argv[i] && n < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? " " : "", argv[i]);
    }
    return n;
}

/* The block: where to put the text, and how much room is there; then its length. */
int64_t call_get_cmdline(Call *c)
{
    static const size_t most = COMMAND_MOST;
    char *text = malloc(most);
    int64_t r = -ENOMEM;

    if (text) {
        uint64_t n = join(c->s->target->argv, text, most);

        if (n >= most || n >= c->a[1]) {
            r = -E2BIG;
        } else {
            r = c->s->target->write(c->thread, c->a[0], text, n + 1) &&
                put_words(c, c->argument + WORD, &n, 1) ? 0 : -EFAULT;
        }
    }
    free(text);
    return r;
}

int64_t call_heapinfo(Call *c)
{
    SemihostMemory m = { 0 };

    c->s->target->memory(c->thread, &m);
    return put_words(c, c->a[0], (uint64_t[]){ m.heap_base, m.heap_limit, m.stack_base, m.stack_limit },
                     4) ? 0 : -EFAULT;
}

/* Caches are what they should be. */
int64_t call_synccache(Call *c)
{
    (void)c;
    return 0;
}

int64_t call_exit(Call *c)
{
    c->status = c->a[0] == APPLICATION_EXIT ? c->a[1] : 1;
    return CALL_EXIT;
}

int64_t call_exit_extended(Call *c)
{
    return call_exit(c);
}

/* ---- Calls ---- */

static int64_t make(Call *c, uint64_t number)
{
    if (number >= CALLS || !calls[number].make) {
        log_line(LOG_guest_errors, "semihosting: there is no call %#llx\n", (unsigned long long)number);
        return -ENOSYS;
    }
    if (calls[number].words &&
        !c->s->target->read(c->thread, c->argument, c->a, calls[number].words * WORD)) {
        return -EFAULT;
    }
    return calls[number].make(c);
}

static bool is_call(const Semihost *s, uint64_t pc, void *thread)
{
    const FeSemihosting *f = s->guest->semihosting;
    uint8_t code[FE_SEMIHOSTING_CODE];

    return s->target->read(thread, pc - f->at, code, sizeof(code)) &&
           memcmp(code, f->code, sizeof(code)) == 0;
}

SemihostResult semihost_breakpoint(Semihost *s, Vcpu *vcpu, void *thread, int *status)
{
    const FeSemihosting *f = s->guest->semihosting;
    uint64_t *slot = vcpu->slot;
    Call c = { .s = s, .thread = thread, .argument = slot[f->slot_argument] };
    int64_t r;

    if (!is_call(s, vcpu->pc, thread)) {
        return SEMIHOST_none;
    }
    r = make(&c, slot[f->slot_number] & UINT32_MAX);
    if (r == CALL_AGAIN) {
        return SEMIHOST_again;
    }
    if (r == CALL_EXIT) {
        *status = (int)(uint32_t)c.status;
        return SEMIHOST_exit;
    }
    if (r < 0) {
        atomic_store(&s->error, (int)-r);
        r = -1;
    }
    slot[f->slot_number] = (uint64_t)r;
    vcpu->pc += f->length;
    return SEMIHOST_done;
}

Semihost *semihost_new(const Frontend *guest, const SemihostTarget *target)
{
    Semihost *s = calloc(1, sizeof(*s));

    if (s) {
        s->guest = guest;
        s->target = target;
        clock_gettime(CLOCK_MONOTONIC, &s->start);
        files_init(s);
    }
    return s;
}

void semihost_free(Semihost *s)
{
    if (s) {
        files_end(s);
        free(s);
    }
}
