/* SPDX-License-Identifier: Apache-2.0 */
/* userland/show.c - printers of numbers, flags, text and structs. */
#include "userland/show.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "userland/flags.h"
#include "userland/ioctl.h"
#include "userland/mem.h"

enum {
    SHOW_STRING = 256, /* characters of a string */
    SHOW_DATA = 48,    /* bytes of a buffer */
    SHOW_ITEMS = 8,    /* of a list */
};

typedef struct Field {
    const char *name; /* of a field; NULL: a struct begins */
    StructId owner;
    unsigned offset;
    int bytes;
    ShowFn *show;
    unsigned set;
} Field;

static const Field fields[] = {
#define STRUCT(name) { NULL, ST_##name, 0, 0, NULL, 0 },
#define FIELD(name, offset, bytes, printer, set) \
    { #name, ST_none, offset, bytes, show_##printer, FS_##set },
#include "userland/sysstructs.def"
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

void text_add(Text *text, const char *fmt, ...)
{
    size_t room = sizeof(text->bytes) - text->length;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text->bytes + text->length, room, fmt, ap);
    va_end(ap);
    if (n > 0) {
        text->length += (size_t)n < room ? (size_t)n : room - 1;
    }
}

/* ---- Numbers ---- */

void show_int(Text *text, const Shown *s)
{
    text_add(text, "%d", (int)s->value);
}

void show_uint(Text *text, const Shown *s)
{
    text_add(text, "%u", (unsigned)s->value);
}

void show_long(Text *text, const Shown *s)
{
    text_add(text, "%" PRId64, (int64_t)s->value);
}

void show_ulong(Text *text, const Shown *s)
{
    text_add(text, "%" PRIu64, s->value);
}

void show_hex(Text *text, const Shown *s)
{
    text_add(text, s->value ? "0x%" PRIx64 : "%" PRIu64, s->value);
}

void show_ptr(Text *text, const Shown *s)
{
    if (s->value) {
        text_add(text, "0x%" PRIx64, s->value);
    } else {
        text_add(text, "NULL");
    }
}

void show_octal(Text *text, const Shown *s)
{
    text_add(text, s->value ? "0%o" : "%o", (unsigned)s->value);
}

void show_limit(Text *text, const Shown *s)
{
    if (s->value == UINT64_MAX) {
        text_add(text, "RLIM_INFINITY");
    } else {
        show_ulong(text, s);
    }
}

void show_dirfd(Text *text, const Shown *s)
{
    if ((int)s->value == AT_FDCWD) {
        text_add(text, "AT_FDCWD");
    } else {
        show_int(text, s);
    }
}

/* ---- Names ---- */

void show_signal(Text *text, const Shown *s)
{
    const char *name = (unsigned)s->value < 32 ? sigabbrev_np((int)s->value) : NULL;

    if (name) {
        text_add(text, "SIG%s", name);
    } else if ((unsigned)s->value >= 32 && (unsigned)s->value <= 64) {
        text_add(text, "SIGRT_%u", (unsigned)s->value - 32);
    } else {
        show_int(text, s);
    }
}

void show_handler(Text *text, const Shown *s)
{
    if (s->value <= 1) {
        text_add(text, s->value ? "SIG_IGN" : "SIG_DFL");
    } else {
        show_ptr(text, s);
    }
}

/* A signal set: its numbers, or those that are missing when they are few. */
void show_mask(Text *text, const Shown *s)
{
    bool inverse = __builtin_popcountll(s->value) > 32;
    uint64_t set = inverse ? ~s->value : s->value;
    const char *space = "";

    text_add(text, inverse ? "~[" : "[");
    for (unsigned sig = 1; sig <= 64; sig++) {
        if (set >> (sig - 1) & 1) {
            text_add(text, "%s", space);
            show_signal(text, &(Shown){ .value = sig });
            space = " ";
        }
    }
    text_add(text, "]");
}

void show_ioctl(Text *text, const Shown *s)
{
    const IoctlInfo *info = ioctl_find((uint32_t)s->value);

    if (info) {
        text_add(text, "%s", info->name);
    } else {
        show_hex(text, &(Shown){ .value = (uint32_t)s->value });
    }
}

void show_flags(Text *text, const Shown *s)
{
    char names[512];

    flags_text(s->set, (uint32_t)s->value, names, sizeof(names));
    text_add(text, "%s", names);
}

/* The low byte of clone()'s flags is a signal. */
void show_clone(Text *text, const Shown *s)
{
    char names[512];

    flags_text(s->set, (uint32_t)s->value & ~0xffu, names, sizeof(names));
    text_add(text, "%s", names);
    if (s->value & 0xff) {
        text_add(text, "|");
        show_signal(text, &(Shown){ .value = s->value & 0xff });
    }
}

void show_fcntl(Text *text, const Shown *s)
{
    switch ((uint32_t)s->previous) {
    case F_SETFD:
        show_flags(text, &(Shown){ .value = s->value, .set = FS_fd_flags });
        break;
    case F_SETFL:
        show_flags(text, &(Shown){ .value = s->value, .set = FS_open });
        break;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        show_struct(text, &(Shown){ .value = s->value, .set = ST_flock });
        break;
    default:
        show_hex(text, s);
        break;
    }
}

/* ---- Text and bytes ---- */

static void add_quoted(Text *text, const uint8_t *bytes, size_t n, bool cut)
{
    text_add(text, "\"");
    for (size_t i = 0; i < n; i++) {
        uint8_t c = bytes[i];

        if (c == '\n') {
            text_add(text, "\\n");
        } else if (c == '\t') {
            text_add(text, "\\t");
        } else if (c == '"' || c == '\\') {
            text_add(text, "\\%c", c);
        } else if (c >= 32 && c < 127) {
            text_add(text, "%c", c);
        } else {
            text_add(text, "\\%03o", c);
        }
    }
    text_add(text, cut ? "\"..." : "\"");
}

void show_string(Text *text, const Shown *s)
{
    char bytes[SHOW_STRING + 1] = "";
    ssize_t n = s->value ? mem_strcpy_in(bytes, s->value, sizeof(bytes)) : -1;

    if (n >= 0) {
        add_quoted(text, (uint8_t *)bytes, (size_t)n, false);
    } else if (s->value && mem_read(bytes, s->value, SHOW_STRING)) {
        add_quoted(text, (uint8_t *)bytes, SHOW_STRING, true);
    } else {
        show_ptr(text, s);
    }
}

void show_data(Text *text, const Shown *s)
{
    uint8_t bytes[SHOW_DATA];
    uint64_t all = s->span < (uint64_t)s->result ? s->span : (uint64_t)s->result;
    size_t n = all < sizeof(bytes) ? all : sizeof(bytes);

    if (s->result >= 0 && s->value && mem_read(bytes, s->value, n)) {
        add_quoted(text, bytes, n, all > n);
    } else {
        show_ptr(text, s);
    }
}

/* A field that is text: value is its address. */
void show_text(Text *text, const Shown *s)
{
    show_string(text, s);
}

void show_argv(Text *text, const Shown *s)
{
    uint64_t at = s->value, string;

    if (!at || !mem_read_u64(at, &string)) {
        show_ptr(text, s);
        return;
    }
    text_add(text, "[");
    for (unsigned i = 0; mem_read_u64(at, &string) && string; i++, at += 8) {
        if (i == SHOW_ITEMS) {
            text_add(text, ", ...");
            break;
        }
        text_add(text, i ? ", " : "");
        show_string(text, &(Shown){ .value = string });
    }
    text_add(text, "]");
}

/* ---- What a pointer leads to ---- */

void show_cell_int(Text *text, const Shown *s)
{
    uint32_t v;

    if (s->result >= 0 && s->value && mem_read_u32(s->value, &v)) {
        text_add(text, "[%d]", (int)v);
    } else {
        show_ptr(text, s);
    }
}

void show_cell_long(Text *text, const Shown *s)
{
    uint64_t v;

    if (s->result >= 0 && s->value && mem_read_u64(s->value, &v)) {
        text_add(text, "[%" PRId64 "]", (int64_t)v);
    } else {
        show_ptr(text, s);
    }
}

void show_fds(Text *text, const Shown *s)
{
    int fds[2];

    if (s->result >= 0 && mem_read(fds, s->value, sizeof(fds))) {
        text_add(text, "[%d, %d]", fds[0], fds[1]);
    } else {
        show_ptr(text, s);
    }
}

void show_sigset(Text *text, const Shown *s)
{
    uint64_t v;

    if (s->result >= 0 && s->value && mem_read_u64(s->value, &v)) {
        show_mask(text, &(Shown){ .value = v });
    } else {
        show_ptr(text, s);
    }
}

static uint64_t load(const uint8_t *at, int bytes)
{
    uint64_t v = 0;

    memcpy(&v, at, (size_t)(bytes < 0 ? -bytes : bytes));
    switch (bytes) {
    case -2:
        return (uint64_t)(int64_t)(int16_t)v;
    case -4:
        return (uint64_t)(int64_t)(int32_t)v;
    default:
        return v;
    }
}

static const Field *fields_of(StructId id)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (!fields[i].name && fields[i].owner == id) {
            return &fields[i + 1];
        }
    }
    return NULL;
}

static void show_field(Text *text, const Field *f, uint64_t gaddr, int64_t result)
{
    uint8_t bytes[8];
    Shown s = { .value = gaddr + f->offset, .set = f->set, .result = result };

    text_add(text, "%s=", f->name);
    if (f->bytes <= 8) {
        if (!mem_read(bytes, s.value, (size_t)(f->bytes < 0 ? -f->bytes : f->bytes))) {
            text_add(text, "?");
            return;
        }
        s.value = load(bytes, f->bytes);
    }
    f->show(text, &s);
}

void show_struct(Text *text, const Shown *s)
{
    const Field *f = fields_of((StructId)s->set);
    uint8_t probe;

    if (s->result < 0 || !s->value || !f || !mem_read(&probe, s->value, 1)) {
        show_ptr(text, s);
        return;
    }
    text_add(text, "{");
    for (const char *comma = ""; f < fields + FIELD_COUNT && f->name; f++, comma = ", ") {
        text_add(text, "%s", comma);
        show_field(text, f, s->value, s->result);
    }
    text_add(text, "}");
}

static unsigned size_of(unsigned id)
{
    switch (id) {
    case ST_pollfd:
        return 8;
    case ST_sembuf:
        return 6;
    default:
        return 16;
    }
}

/* `n` structs one after the other. */
static void show_list(Text *text, const Shown *s, uint64_t n)
{
    unsigned size = size_of(s->set);

    if (s->result < 0 || !s->value) {
        show_ptr(text, s);
        return;
    }
    text_add(text, "[");
    for (uint64_t i = 0; i < n && i < SHOW_ITEMS; i++) {
        text_add(text, i ? ", " : "");
        show_struct(text, &(Shown){ .value = s->value + i * size, .set = s->set });
    }
    text_add(text, n > SHOW_ITEMS ? ", ...]" : "]");
}

void show_struct2(Text *text, const Shown *s)
{
    show_list(text, s, 2);
}

/* As many as the argument says; of events, as many as the call gave. */
void show_structs(Text *text, const Shown *s)
{
    uint64_t n = s->span / size_of(s->set);

    if (s->set == ST_epoll_event && s->result >= 0 && (uint64_t)s->result < n) {
        n = (uint64_t)s->result;
    }
    show_list(text, s, n);
}
