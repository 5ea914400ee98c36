/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/gdb/packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ESCAPE = 0x7d,
    ESCAPE_XOR = 0x20,
    BREAK = 3,
    RUN_LEAST = 4,   /* shorter runs gain nothing */
    RUN_MOST = 98,   /* what one printable count can say */
    RUN_BASE = 29,   /* the character n + 29 stands for n more */
};

static const char digits[] = "0123456789abcdef";

int gdb_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t gdb_unhex(const char *text, void *bytes, size_t max)
{
    uint8_t *to = bytes;
    size_t n = 0;

    while (n < max) {
        int high = gdb_hex_digit(text[2 * n]);
        int low = high < 0 ? -1 : gdb_hex_digit(text[2 * n + 1]);

        if (low < 0) {
            break;
        }
        to[n++] = (uint8_t)(high << 4 | low);
    }
    return n;
}

/* ---- In ---- */

static GdbInput outside(GdbParser *p, uint8_t byte)
{
    switch (byte) {
    case '$':
        p->state = GDB_INSIDE;
        p->n = 0;
        p->sum = 0;
        p->too_long = false;
        return GDB_IN_more;
    case '+':
        return GDB_IN_ack;
    case '-':
        return GDB_IN_nak;
    case BREAK:
        return GDB_IN_break;
    default:
        return GDB_IN_more;
    }
}

static void add(GdbParser *p, uint8_t byte)
{
    if (p->n < GDB_PACKET) {
        p->data[p->n++] = (char)byte;
    } else {
        p->too_long = true;
    }
}

static GdbInput inside(GdbParser *p, uint8_t byte)
{
    if (byte == '#') {
        p->state = GDB_SUM_HIGH;
        return GDB_IN_more;
    }
    if (byte == '$') { /* the end of the packet before was lost */
        return outside(p, byte);
    }
    p->sum = (uint8_t)(p->sum + byte);
    if (byte == ESCAPE) {
        p->state = GDB_ESCAPED;
    } else {
        add(p, byte);
    }
    return GDB_IN_more;
}

static GdbInput complete(GdbParser *p, int low)
{
    p->state = GDB_OUTSIDE;
    if (low < 0 || (uint8_t)(p->wanted | low) != p->sum) {
        return GDB_IN_damaged;
    }
    p->n = p->too_long ? 0 : p->n;
    p->data[p->n] = '\0';
    return GDB_IN_packet;
}

GdbInput gdb_parse(GdbParser *p, uint8_t byte)
{
    switch (p->state) {
    case GDB_OUTSIDE:
        return outside(p, byte);
    case GDB_INSIDE:
        return inside(p, byte);
    case GDB_ESCAPED:
        p->sum = (uint8_t)(p->sum + byte);
        add(p, byte ^ ESCAPE_XOR);
        p->state = GDB_INSIDE;
        return GDB_IN_more;
    case GDB_SUM_HIGH:
        if (gdb_hex_digit((char)byte) < 0) {
            p->state = GDB_OUTSIDE;
            return GDB_IN_damaged;
        }
        p->wanted = (uint8_t)(gdb_hex_digit((char)byte) << 4);
        p->state = GDB_SUM_LOW;
        return GDB_IN_more;
    case GDB_SUM_LOW:
        return complete(p, gdb_hex_digit((char)byte));
    }
    return GDB_IN_more;
}

/* ---- Out ---- */

static void put_bytes(GdbOut *out, const char *bytes, size_t n)
{
    if (n > sizeof(out->data) - out->n) {
        out->overflow = true;
        return;
    }
    memcpy(out->data + out->n, bytes, n);
    out->n += n;
}

void gdb_put(GdbOut *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}

void gdb_putf(GdbOut *out, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gdb_put(out, text);
}

void gdb_put_hex(GdbOut *out, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i < n; i++) {
        put_bytes(out, (char[2]){ digits[from[i] >> 4], digits[from[i] & 15] }, 2);
    }
}

size_t gdb_put_binary(GdbOut *out, const void *bytes, size_t n)
{
    const char *from = bytes;

    for (size_t i = 0; i < n; i++) {
        bool special = strchr("$#}*", from[i]) && from[i];

        if (sizeof(out->data) - out->n < 2) {
            return i;
        }
        if (special) {
            put_bytes(out, (char[2]){ ESCAPE, (char)(from[i] ^ ESCAPE_XOR) }, 2);
        } else {
            put_bytes(out, from + i, 1);
        }
    }
    return n;
}

/* How many times data[0] comes in a row, as one count can say it: some characters may not be
 * counts, since they mean something between packets. */
static size_t run_length(const char *data, size_t n)
{
    size_t run = 1;

    while (run < n && run < RUN_MOST && data[run] == data[0]) {
        run++;
    }
    while (run >= RUN_LEAST && strchr("#$+-", (char)(run - 1 + RUN_BASE))) {
        run--;
    }
    return run >= RUN_LEAST ? run : 1;
}

size_t gdb_out_frame(const GdbOut *out, char frame[GDB_PACKET + 5])
{
    uint8_t sum = 0;
    size_t at = 1;

    frame[0] = '$';
    for (size_t i = 0, run; i < out->n; i += run) {
        run = run_length(out->data + i, out->n - i);
        frame[at++] = out->data[i];
        if (run > 1) {
            frame[at++] = '*';
            frame[at++] = (char)(run - 1 + RUN_BASE);
        }
    }
    for (size_t i = 1; i < at; i++) {
        sum = (uint8_t)(sum + (uint8_t)frame[i]);
    }
    frame[at++] = '#';
    frame[at++] = digits[sum >> 4];
    frame[at++] = digits[sum & 15];
    frame[at] = '\0';
    return at;
}
