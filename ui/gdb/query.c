/* SPDX-License-Identifier: Apache-2.0 */
/* General questions and settings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ui/gdb/signals.h"
#include "ui/gdb/stub.h"

enum { THREADS_AT_A_TIME = 200, CONSOLE_TEXT = (GDB_PACKET - 8) / 2, MONITOR_TEXT = 1 << 20 };

/* ---- Negotiation ---- */

static bool wants(const char *list, const char *feature)
{
    const char *at = list;
    size_t n = strlen(feature);

    while ((at = strstr(at, feature))) {
        if ((at == list || at[-1] == ';' || at[-1] == ':') && (at[n] == ';' || !at[n])) {
            return true;
        }
        at += n;
    }
    return false;
}

void gdb_supported(GdbSession *s, const char *args)
{
    s->multiprocess = wants(args, "multiprocess+");
    s->catch.forks = s->multiprocess && s->target->follow_child && wants(args, "fork-events+");
    s->catch.execs = wants(args, "exec-events+");
    s->target->set_catch(&s->catch);
    gdb_putf(&s->out, "PacketSize=%x", GDB_PACKET);
    gdb_put(&s->out, ";qXfer:features:read+;qXfer:threads:read+;QStartNoAckMode+;vContSupported+"
                     ";swbreak+;hwbreak+;multiprocess+;QPassSignals+");
    gdb_put(&s->out, s->target->auxv ? ";qXfer:auxv:read+" : "");
    gdb_put(&s->out, s->target->exec_file ? ";qXfer:exec-file:read+" : "");
    gdb_put(&s->out, s->target->libraries ? ";qXfer:libraries-svr4:read+" : "");
    gdb_put(&s->out, s->target->physical ? ";PhyMemMode+" : "");
    gdb_put(&s->out, s->target->siginfo ? ";qXfer:siginfo:read+;qXfer:siginfo:write+"
                                            ";QCatchSyscalls+" : "");
    gdb_put(&s->out, s->catch.forks ? ";fork-events+" : "");
    gdb_put(&s->out, s->catch.execs ? ";exec-events+" : "");
}

/* The reply is still acknowledged. */
void gdb_start_no_ack(GdbSession *s, const char *args)
{
    (void)args;
    gdb_ok(s);
    gdb_reply(s);
    s->no_reply = true;
    s->no_ack = true;
}

void gdb_non_stop(GdbSession *s, const char *args)
{
    if (*args == '0') {
        gdb_ok(s);
    } else {
        gdb_refuse(s, "Ketch stops all threads together; use `set non-stop off`");
    }
}

void gdb_attached(GdbSession *s, const char *args)
{
    (void)args;
    gdb_put(&s->out, s->target->is_started() ? "0" : "1");
}

/* ---- What is reported ---- */

void gdb_pass_signals(GdbSession *s, const char *args)
{
    uint64_t number;

    s->catch.pass_signals = 0;
    while (gdb_number(&args, &number)) {
        int sig = gdb_signal_to_linux((int)number);

        if (sig) {
            s->catch.pass_signals |= UINT64_C(1) << (sig - 1);
        }
        args += *args == ';';
    }
    s->target->set_catch(&s->catch);
    gdb_ok(s);
}

static size_t count(const char *text, char c)
{
    size_t n = 0;

    for (; *text; text++) {
        n += *text == c;
    }
    return n;
}

/* 0, or 1 and the numbers, if not all. */
void gdb_catch_syscalls(GdbSession *s, const char *args)
{
    int *numbers = calloc(count(args, ';') + 1, sizeof(*numbers)), *old = s->catch_numbers;
    uint64_t number;

    if (!numbers) {
        gdb_error(s, ENOMEM);
        return;
    }
    s->catch_numbers = numbers;
    s->catch.syscalls = *args == '1';
    s->catch.numbers = numbers;
    s->catch.n_numbers = 0;
    args += *args != '\0';
    while (*args == ';') {
        args++;
        if (!gdb_number(&args, &number)) {
            break;
        }
        numbers[s->catch.n_numbers++] = (int)number;
    }
    s->target->set_catch(&s->catch);
    free(old);
    gdb_ok(s);
}

/* ---- Threads ---- */

void gdb_current_thread(GdbSession *s, const char *args)
{
    (void)args;
    gdb_put(&s->out, "QC");
    gdb_put_thread(s, &s->out, s->general);
}

void gdb_first_threads(GdbSession *s, const char *args)
{
    size_t n = s->target->threads(s->threads, GDB_THREADS);

    s->n_threads = n < GDB_THREADS ? n : GDB_THREADS;
    s->next_thread = 0;
    gdb_more_threads(s, args);
}

void gdb_more_threads(GdbSession *s, const char *args)
{
    (void)args;
    if (s->next_thread == s->n_threads) {
        gdb_put(&s->out, "l");
        return;
    }
    for (unsigned i = 0; i < THREADS_AT_A_TIME && s->next_thread < s->n_threads; i++) {
        gdb_put(&s->out, i ? "," : "m");
        gdb_put_thread(s, &s->out, s->threads[s->next_thread++]);
    }
}

void gdb_thread_name(GdbSession *s, const char *args)
{
    char name[64] = "";
    GdbId id;

    if (!gdb_thread_id(&args, &id)) {
        gdb_error(s, EINVAL);
        return;
    }
    s->target->thread_name(id.tid, name, sizeof(name));
    gdb_put_hex(&s->out, name, strlen(name));
}

/* ---- Thread-local variables ---- */

/* gdb offers to look up symbols, whenever it has new ones (":"); or it answers: [VALUE]:NAME. */
void gdb_symbol(GdbSession *s, const char *args)
{
    uint64_t value;

    if (strcmp(args, ":") == 0 && s->target->tls_symbol) {
        gdb_put(&s->out, "qSymbol:");
        gdb_put_hex(&s->out, s->target->tls_symbol, strlen(s->target->tls_symbol));
        return;
    }
    s->tls_symbol = gdb_number(&args, &value) ? value : 0;
    gdb_ok(s);
}

/* THREAD,OFFSET,LINK-MAP */
void gdb_tls_address(GdbSession *s, const char *args)
{
    GdbTls tls = { .symbol = s->tls_symbol };
    uint64_t addr;
    GdbId id;

    if (!s->target->tls_address) {
        return;
    }
    if (!gdb_thread_id(&args, &id) || *args++ != ',' || !gdb_number_then(&args, &tls.offset, ',') ||
        !gdb_number(&args, &tls.map)) {
        gdb_error(s, EINVAL);
        return;
    }
    tls.tid = id.tid;
    if (s->target->tls_address(&tls, &addr)) {
        gdb_putf(&s->out, "%llx", (unsigned long long)addr);
    } else {
        gdb_error(s, ESRCH);
    }
}

/* ---- Steps and physical memory, in QEMU's packets ---- */

void gdb_step_bits(GdbSession *s, const char *args)
{
    (void)args;
    if (s->target->step_mode) {
        gdb_putf(&s->out, "ENABLE=%x,NOIRQ=%x,NOTIMER=%x", GDB_STEP_enable, GDB_STEP_no_interrupts,
                 GDB_STEP_no_time);
    }
}

void gdb_step_mode(GdbSession *s, const char *args)
{
    (void)args;
    if (s->target->step_mode) {
        gdb_putf(&s->out, "0x%x", s->target->step_mode(0));
    }
}

void gdb_set_step_mode(GdbSession *s, const char *args)
{
    uint64_t bits;

    if (!s->target->step_mode) {
        return;
    }
    args += strncmp(args, "0x", 2) == 0 ? 2 : 0;
    if (!gdb_number(&args, &bits) || *args || (bits & ~(uint64_t)GDB_STEP_bits) || !(bits & GDB_STEP_enable)) {
        gdb_error(s, EINVAL);
        return;
    }
    s->target->step_mode((unsigned)bits);
    gdb_ok(s);
}

void gdb_physical(GdbSession *s, const char *args)
{
    (void)args;
    if (s->target->physical) {
        gdb_putf(&s->out, "%d", s->target->physical(-1));
    }
}

void gdb_set_physical(GdbSession *s, const char *args)
{
    if (!s->target->physical) {
        return;
    }
    s->target->physical(*args == '1');
    gdb_ok(s);
}

/* ---- monitor ---- */

/* What a command prints comes in packets of its own before the reply. */
static void print(GdbSession *s, const char *text)
{
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        n = left < CONSOLE_TEXT ? left : CONSOLE_TEXT;
        s->out.n = 0;
        gdb_put(&s->out, "O");
        gdb_put_hex(&s->out, text, n);
        gdb_reply(s);
    }
    s->out.n = 0;
}

void gdb_monitor(GdbSession *s, const char *args)
{
    char command[256], *text = calloc(1, MONITOR_TEXT);

    if (!text) {
        gdb_error(s, ENOMEM);
        return;
    }
    command[gdb_unhex(args, command, sizeof(command) - 1)] = '\0';
    if (s->target->monitor && s->target->monitor(command, text, MONITOR_TEXT)) {
        print(s, text);
    } else {
        print(s, "unknown command; `monitor help` lists them\n");
    }
    free(text);
    gdb_ok(s);
}
