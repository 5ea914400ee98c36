/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/syscalls.c - a log of the system calls, one JSON object a line.
 *
 * A call that returns becomes one line when it returns; one that does not (exit) a line without "ret".
 */
#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include <glib.h>

#include "plugins/bundled/bundled.h"
#include "plugins/ketch-plugin.h"
#include "plugins/qemu-plugin.h"

/* Arguments that a system call can have. */
#define MAX_ARGS 6

typedef struct Call {
    bool open; /* entered, not returned */
    int64_t number;
    uint64_t args[MAX_ARGS];
    double entered; /* seconds since the start */
} Call;

static const char name[] = "syscalls";
static const char *out;
static FILE *file;
static struct timespec start;
static struct qemu_plugin_scoreboard *calls; /* Call, by vcpu */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const PluginArg args[] = {
    { "out", PLUGIN_ARG_FILE, &out, "file for the log, %p: process id (standard error)" },
    { 0 },
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)(t.tv_sec - start.tv_sec) + 1e-9 * (double)(t.tv_nsec - start.tv_nsec);
}

/* Writes the line of a call; `rest` is what comes after the arguments. */
static void write_line(unsigned vcpu, const Call *c, const char *rest)
{
    const char *text = ketch_plugin_syscall_name(c->number);

    pthread_mutex_lock(&lock);
    fprintf(file, "{\"time\": %.6f, \"vcpu\": %u, \"number\": %" PRId64 ", \"name\": ", c->entered,
            vcpu, c->number);
    if (text) {
        fprintf(file, "\"%s\", \"args\": [", text);
    } else {
        fprintf(file, "null, \"args\": [");
    }
    for (int i = 0; i < MAX_ARGS; i++) {
        fprintf(file, "%s\"0x%" PRIx64 "\"", i ? ", " : "", c->args[i]);
    }
    fprintf(file, "]%s}\n", rest);
    pthread_mutex_unlock(&lock);
}

static void entered(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2,
                    uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    Call *c = qemu_plugin_scoreboard_find(calls, vcpu);

    (void)id;
    (void)a7;
    (void)a8;
    if (c->open) {
        write_line(vcpu, c, "");
    }
    *c = (Call){ true, number, { a1, a2, a3, a4, a5, a6 }, now() };
}

static void returned(qemu_plugin_id_t id, unsigned vcpu, int64_t number, int64_t ret)
{
    Call *c = qemu_plugin_scoreboard_find(calls, vcpu);
    char rest[80];

    (void)id;
    if (!c->open || c->number != number) {
        return;
    }
    snprintf(rest, sizeof(rest), ", \"ret\": %" PRId64 ", \"seconds\": %.6f", ret,
             now() - c->entered);
    write_line(vcpu, c, rest);
    c->open = false;
}

static void finish(qemu_plugin_id_t id, void *unused)
{
    (void)id;
    (void)unused;
    for (int i = 0; i < qemu_plugin_num_vcpus(); i++) {
        Call *c = qemu_plugin_scoreboard_find(calls, (unsigned)i);

        if (c->open) {
            write_line((unsigned)i, c, "");
        }
    }
    plugin_report_close(name, file);
}

static bool begin(qemu_plugin_id_t id, const qemu_info_t *info)
{
    if (info->system_emulation) {
        fprintf(stderr, "plugin %s: a machine makes no system calls; the programs in it do, unseen\n", name);
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    file = plugin_report_open(name, out);
    calls = qemu_plugin_scoreboard_new(sizeof(Call));
    qemu_plugin_register_vcpu_syscall_cb(id, entered);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, returned);
    return true;
}

const Bundled bundled = {
    .name = name,
    .args = args,
    .begin = begin,
    .finish = finish,
};
