/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory: x, xp, p, gva2gpa, memsave, pmemsave. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ui/monitor/state.h"

typedef struct Format {
    unsigned count;
    char format; /* x d u o c i */
    unsigned size;
} Format;

enum { MAX_COUNT = 4096, LINE_BYTES = 16 };

static bool parse_format(Hmp *h, Format *f)
{
    char *end;

    *f = (Format){ .count = (unsigned)MIN(g_ascii_strtoull(h->format, &end, 10), MAX_COUNT),
                   .format = 'x', .size = 4 };
    f->count = f->count ? f->count : 1;
    for (; *end; end++) {
        switch (*end) {
        case 'x':
        case 'd':
        case 'u':
        case 'o':
        case 'c':
        case 'i':
            f->format = *end;
            f->size = *end == 'c' ? 1 : f->size;
            break;
        case 'b':
        case 'h':
        case 'w':
        case 'g':
            f->size = *end == 'b' ? 1 : *end == 'h' ? 2 : *end == 'w' ? 4 : 8;
            break;
        default:
            g_string_append_printf(h->out, "unknown format '%c': use x d u o c i and b h w g\n",
                                   *end);
            return false;
        }
    }
    return true;
}

static bool read_memory(Monitor *m, int hart, uint64_t addr, void *to, size_t size)
{
    if (hart < 0) {
        return phys_read(m->vm.mem, addr, to, size);
    }
    return machine_read(m->vm.machine, (unsigned)hart, addr, to, size);
}

static void add_value(GString *out, const Format *f, uint64_t value)
{
    static const int digits[] = { [1] = 2, [2] = 4, [4] = 8, [8] = 16 };
    unsigned shift = 64 - 8 * f->size;

    switch (f->format) {
    case 'd':
        g_string_append_printf(out, "%" PRId64, (int64_t)(value << shift) >> shift);
        break;
    case 'u':
        g_string_append_printf(out, "%" PRIu64, value);
        break;
    case 'o':
        g_string_append_printf(out, "0%" PRIo64, value);
        break;
    case 'c':
        g_string_append_printf(out, g_ascii_isprint((char)value) ? "'%c'" : "'\\x%02x'",
                               (unsigned)value & 0xff);
        break;
    default:
        g_string_append_printf(out, "0x%0*" PRIx64, digits[f->size], value);
    }
}

static void add_data(Hmp *h, const Format *f, int hart, uint64_t addr)
{
    unsigned per_line = LINE_BYTES / f->size;

    for (unsigned i = 0; i < f->count; i++) {
        uint64_t value = 0, at = addr + (uint64_t)i * f->size;

        if (i % per_line == 0) {
            g_string_append_printf(h->out, "%s%016" PRIx64 ":", i ? "\n" : "", at);
        }
        if (!read_memory(h->monitor, hart, at, &value, f->size)) {
            g_string_append(h->out, " Cannot access memory");
            break;
        }
        g_string_append_c(h->out, ' ');
        add_value(h->out, f, value);
    }
    g_string_append_c(h->out, '\n');
}

static void add_code(Hmp *h, const Format *f, int hart, uint64_t addr)
{
    const Frontend *fe = h->monitor->vm.frontend;

    for (unsigned i = 0; i < f->count; i++) {
        uint8_t bytes[16];
        unsigned n = fe->max_insn, length;
        char text[128];

        while (n && !read_memory(h->monitor, hart, addr, bytes, n)) {
            n--;
        }
        length = n ? fe->disassemble(addr, bytes, n, text, sizeof(text)) : 0;
        if (!length) {
            g_string_append_printf(h->out, "%016" PRIx64 ": Cannot access memory\n", addr);
            return;
        }
        g_string_append_printf(h->out, "%016" PRIx64 ":  %s\n", addr, text);
        addr += length;
    }
}

/* The words of the command, which may have had blanks between them, as one expression. */
static bool evaluate(Hmp *h, uint64_t *value)
{
    char *text = g_strjoinv(" ", h->argv);
    const char *why;
    bool good = *text && monitor_evaluate(h->monitor, h->session->hart, text, value, &why);

    if (!good) {
        g_string_append_printf(h->out, "%s\n", *text ? why : "an expression is missing");
    }
    g_free(text);
    return good;
}

static void examine(Hmp *h, int hart)
{
    MonitorHold hold;
    uint64_t addr;
    Format f;

    if (!parse_format(h, &f) || !evaluate(h, &addr)) {
        return;
    }
    hold = monitor_hold(h->monitor);
    if (f.format == 'i') {
        add_code(h, &f, hart, addr);
    } else {
        add_data(h, &f, hart, addr);
    }
    monitor_release(hold);
}

void hmp_x(Hmp *h)
{
    examine(h, (int)h->session->hart);
}

void hmp_xp(Hmp *h)
{
    examine(h, -1);
}

void hmp_print(Hmp *h)
{
    uint64_t value;
    Format f;

    if (!parse_format(h, &f) || !evaluate(h, &value)) {
        return;
    }
    f.size = 8;
    if (f.format == 'x') {
        g_string_append_printf(h->out, "0x%" PRIx64, value);
    } else {
        add_value(h->out, &f, value);
    }
    g_string_append_c(h->out, '\n');
}

void hmp_gva2gpa(Hmp *h)
{
    Monitor *m = h->monitor;
    MonitorHold hold;
    uint64_t addr, paddr;
    bool found;

    if (!evaluate(h, &addr)) {
        return;
    }
    hold = monitor_hold(m);
    found = m->vm.system->locate(machine_hart(m->vm.machine, h->session->hart), addr, &paddr);
    monitor_release(hold);
    if (found) {
        g_string_append_printf(h->out, "gpa: 0x%" PRIx64 "\n", paddr);
    } else {
        g_string_append(h->out, "Unmapped\n");
    }
}

/* ---- Memory to a file ---- */

static bool write_memory(Monitor *m, int hart, uint64_t addr, uint64_t size, FILE *file,
                         GError **error)
{
    uint8_t bytes[PHYS_PAGE];

    while (size) {
        size_t n = MIN(size, PHYS_PAGE - addr % PHYS_PAGE);

        if (!read_memory(m, hart, addr, bytes, n)) {
            g_set_error(error, MONITOR_ERROR, 0,
                        "Invalid addr 0x%016" PRIx64 "/size %" PRIu64 " specified", addr, size);
            return false;
        }
        if (fwrite(bytes, 1, n, file) != n) {
            g_set_error(error, MONITOR_ERROR, 0, "Cannot write: %s", g_strerror(errno));
            return false;
        }
        addr += n;
        size -= n;
    }
    return true;
}

FILE *monitor_memory_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    return fd < 0 ? NULL : fdopen(fd, "w");
}

bool monitor_save(Monitor *m, int hart, uint64_t addr, uint64_t size, const char *path,
                  GError **error)
{
    FILE *file = monitor_memory_file(path);
    MonitorHold hold;
    bool good;

    if (!file) {
        g_set_error(error, MONITOR_ERROR, 0, "Could not open '%s': %s", path, g_strerror(errno));
        return false;
    }
    hold = monitor_hold(m);
    good = write_memory(m, hart, addr, size, file, error);
    monitor_release(hold);
    if (fclose(file) != 0 && good) {
        g_set_error(error, MONITOR_ERROR, 0, "Cannot write '%s': %s", path, g_strerror(errno));
        good = false;
    }
    return good;
}

static void save_words(Hmp *h, int hart)
{
    uint64_t value[2];
    GError *error = NULL;
    const char *why;

    if (g_strv_length(h->argv) != 3) {
        g_string_append(h->out, "ADDRESS SIZE FILE are expected\n");
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!monitor_evaluate(h->monitor, h->session->hart, h->argv[i], &value[i], &why)) {
            g_string_append_printf(h->out, "%s\n", why);
            return;
        }
    }
    if (!monitor_save(h->monitor, hart, value[0], value[1], h->argv[2], &error)) {
        g_string_append_printf(h->out, "%s\n", error->message);
        g_error_free(error);
    }
}

void hmp_memsave(Hmp *h)
{
    save_words(h, (int)h->session->hart);
}

void hmp_pmemsave(Hmp *h)
{
    save_words(h, -1);
}
