/* SPDX-License-Identifier: Apache-2.0 */
/* qXfer: objects that are read in pieces.  Each is made when its first piece is asked for. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/gdb/stub.h"

enum { PIECE = (GDB_PACKET - 8) / 2 };

/* ---- Objects as they are made ---- */

static void append(GdbSession *s, const void *bytes, size_t n)
{
    char *new = s->object_size + n <= GDB_OBJECT ? realloc(s->object, s->object_size + n + 1)
                                                 : NULL;

    if (new) {
        memcpy(new + s->object_size, bytes, n);
        s->object = new;
        s->object_size += n;
    }
}

__attribute__((format(printf, 2, 3))) static void appendf(GdbSession *s, const char *format, ...)
{
    char text[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    append(s, text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void make_features(GdbSession *s)
{
    const Frontend *guest = s->target->guest;
    const char *feature = "";

    appendf(s, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
               "<target version=\"1.0\"><architecture>%s</architecture><osabi>%s</osabi>",
            guest->gdb_name, s->target->os);
    for (unsigned i = 0; i < guest->n_registers; i++) {
        const FeRegister *r = &guest->registers[i];

        if (strcmp(feature, r->feature) != 0) {
            appendf(s, "%s<feature name=\"%s\">", *feature ? "</feature>" : "", r->feature);
            feature = r->feature;
        }
        appendf(s, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"/>", r->name, r->bits,
                r->type, r->number);
    }
    appendf(s, "%s</target>", *feature ? "</feature>" : "");
}

static void make_auxv(GdbSession *s)
{
    uint8_t bytes[4096];

    append(s, bytes, s->target->auxv(bytes, sizeof(bytes)));
}

static void make_exec_file(GdbSession *s)
{
    char path[GDB_PATH] = "";

    s->target->exec_file(path);
    append(s, path, strlen(path));
}

/* A name comes from the guest: what XML reserves is left out. */
static void append_name(GdbSession *s, const char *name)
{
    for (; *name; name++) {
        if (!strchr("<>&\"'", *name) && (unsigned char)*name >= ' ' && (unsigned char)*name < 127) {
            append(s, name, 1);
        }
    }
}

/* The program is named by its link_map only. */
static void append_library(void *opaque, const GdbLibrary *l)
{
    GdbSession *s = opaque;

    if (s->object_size == 0) {
        appendf(s, "<library-list-svr4 version=\"1.0\" main-lm=\"0x%" PRIx64 "\">", l->map);
        return;
    }
    appendf(s, "<library name=\"");
    append_name(s, l->name);
    appendf(s, "\" lm=\"0x%" PRIx64 "\" l_addr=\"0x%" PRIx64 "\" l_ld=\"0x%" PRIx64
               "\" lmid=\"0x0\"/>",
            l->map, l->bias, l->dynamic);
}

static void make_libraries(GdbSession *s)
{
    s->target->libraries(append_library, s);
    if (s->object_size == 0) {
        appendf(s, "<library-list-svr4 version=\"1.0\">");
    }
    appendf(s, "</library-list-svr4>");
}

static void make_threads(GdbSession *s)
{
    size_t n = s->target->threads(s->threads, GDB_THREADS);

    appendf(s, "<?xml version=\"1.0\"?><threads>");
    for (size_t i = 0; i < n && i < GDB_THREADS; i++) {
        GdbOut id = { 0 };
        char name[64] = "";

        gdb_put_thread(s, &id, s->threads[i]);
        s->target->thread_name(s->threads[i], name, sizeof(name));
        appendf(s, "<thread id=\"%.*s\" name=\"", (int)id.n, id.data);
        append_name(s, name);
        appendf(s, "\"/>");
    }
    appendf(s, "</threads>");
}

static void make_siginfo(GdbSession *s)
{
    uint8_t info[GDB_SIGINFO];

    if (s->target->siginfo(s->general, info)) {
        append(s, info, sizeof(info));
    }
}

/* ---- Reading ---- */

static void put_piece(GdbSession *s, uint64_t offset, uint64_t n)
{
    size_t left, most = n < PIECE ? n : PIECE;

    if (offset >= s->object_size) {
        gdb_put(&s->out, "l");
        return;
    }
    left = s->object_size - offset;
    most = most < left ? most : left;
    gdb_put(&s->out, most < left ? "m" : "l");
    gdb_put_binary(&s->out, s->object + offset, most);
}

static void transfer(GdbSession *s, const char *what, void (*make)(GdbSession *s), const char *args)
{
    const char *colon = strchr(args, ':');
    uint64_t offset, n;

    if (!colon) {
        gdb_error(s, EINVAL);
        return;
    }
    args = colon + 1;
    if (!gdb_number_then(&args, &offset, ',') || !gdb_number(&args, &n)) {
        gdb_error(s, EINVAL);
        return;
    }
    if (offset == 0 || strcmp(what, s->object_key) != 0) {
        free(s->object);
        s->object = NULL;
        s->object_size = 0;
        snprintf(s->object_key, sizeof(s->object_key), "%s", what);
        make(s);
    }
    put_piece(s, offset, n);
}

void gdb_xfer_features(GdbSession *s, const char *args)
{
    if (strncmp(args, "target.xml:", 11) == 0) {
        transfer(s, "features", make_features, args);
    } else {
        gdb_error(s, ENOENT);
    }
}

void gdb_xfer_auxv(GdbSession *s, const char *args)
{
    if (s->target->auxv) {
        transfer(s, "auxv", make_auxv, args);
    }
}

void gdb_xfer_exec_file(GdbSession *s, const char *args)
{
    if (s->target->exec_file) {
        transfer(s, "exec-file", make_exec_file, args);
    }
}

void gdb_xfer_libraries(GdbSession *s, const char *args)
{
    if (s->target->libraries) {
        transfer(s, "libraries", make_libraries, args);
    }
}

void gdb_xfer_threads(GdbSession *s, const char *args)
{
    transfer(s, "threads", make_threads, args);
}

void gdb_xfer_siginfo(GdbSession *s, const char *args)
{
    if (s->target->siginfo) {
        transfer(s, "siginfo", make_siginfo, args);
    }
}

/* ---- Writing ---- */

static void write_siginfo(GdbSession *s, uint64_t offset, const char *bytes, size_t n)
{
    uint8_t info[GDB_SIGINFO];

    if (offset > sizeof(info) || n > sizeof(info) - offset || !s->target->siginfo(s->general, info)) {
        gdb_error(s, EINVAL);
        return;
    }
    memcpy(info + offset, bytes, n);
    if (s->target->set_siginfo(s->general, info)) {
        gdb_putf(&s->out, "%zx", n);
    } else {
        gdb_error(s, EINVAL);
    }
}

/* ANNEX:OFFSET:BYTES */
void gdb_xfer_write_siginfo(GdbSession *s, const char *args)
{
    const char *colon = strchr(args, ':');
    uint64_t offset;

    if (!s->target->set_siginfo) {
        return;
    }
    args = colon ? colon + 1 : args;
    if (!colon || !gdb_number_then(&args, &offset, ':')) {
        gdb_error(s, EINVAL);
        return;
    }
    write_siginfo(s, offset, args, (size_t)(s->in.data + s->in.n - args));
}
