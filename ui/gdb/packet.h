/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/gdb/packet.h - the framing of gdb's remote protocol: $data#checksum, acknowledgements, escapes.
 *
 * A parser takes bytes as they come and never looks further than the packet it has; a packet that
 * is too long is reported as an empty one.  A reply is put together with gdb_put*() in a GdbOut and
 * framed, run-length encoded, by gdb_out_frame().
 */
#ifndef KETCH_UI_GDB_PACKET_H
#define KETCH_UI_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GDB_PACKET = 0x4000 }; /* bytes of data, what qSupported announces */

typedef enum GdbInput {
    GDB_IN_more,    /* nothing yet */
    GDB_IN_packet,  /* data[0, n), escapes undone, a NUL behind it */
    GDB_IN_damaged, /* checksum wrong */
    GDB_IN_ack,
    GDB_IN_nak,
    GDB_IN_break,   /* the byte 3 between packets: stop the program */
} GdbInput;

typedef struct GdbParser {
    enum { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
    uint8_t sum, wanted;
    bool too_long;
    size_t n;
    char data[GDB_PACKET + 1];
} GdbParser;

GdbInput gdb_parse(GdbParser *p, uint8_t byte);

typedef struct GdbOut {
    size_t n;
    bool overflow; /* something did not fit and was left out */
    char data[GDB_PACKET];
} GdbOut;

void gdb_put(GdbOut *out, const char *text);
void gdb_put_hex(GdbOut *out, const void *bytes, size_t n);
__attribute__((format(printf, 2, 3))) void gdb_putf(GdbOut *out, const char *format, ...);

/* With escapes.  Returns how many bytes fitted. */
size_t gdb_put_binary(GdbOut *out, const void *bytes, size_t n);

/* The whole packet, with a NUL behind it; returns its length. */
size_t gdb_out_frame(const GdbOut *out, char frame[GDB_PACKET + 5]);

/* -1 when it is none. */
int gdb_hex_digit(char c);

/* Pairs of hexadecimal digits, as many as there are and fit; returns how many bytes. */
size_t gdb_unhex(const char *text, void *bytes, size_t max);

#endif
