/* SPDX-License-Identifier: Apache-2.0 */
/* Registers, memory, places to stop at. */
#include <errno.h>
#include <string.h>

#include "ui/gdb/stub.h"

/* ---- Registers: guests are little-endian, and so is this host ---- */

static void put_register(GdbSession *s, const FeRegister *r)
{
    uint64_t value;

    if (s->target->get_register(s->general, r, &value)) {
        gdb_put_hex(&s->out, &value, r->bits / 8);
    } else {
        for (unsigned i = 0; i < r->bits / 8U; i++) {
            gdb_put(&s->out, "xx");
        }
    }
}

void gdb_read_registers(GdbSession *s, const char *args)
{
    const Frontend *guest = s->target->guest;

    (void)args;
    for (unsigned i = 0; i < guest->n_registers; i++) {
        put_register(s, &guest->registers[i]);
    }
}

/* Takes the hexadecimal value of one register; returns what follows it, NULL when it is short. */
static const char *set_register(GdbSession *s, const FeRegister *r, const char *text)
{
    uint64_t value = 0;
    size_t n = r->bits / 8;

    if (gdb_unhex(text, &value, n) < n) {
        return NULL;
    }
    return s->target->set_register(s->general, r, value) ? text + 2 * n : NULL;
}

void gdb_write_registers(GdbSession *s, const char *args)
{
    const Frontend *guest = s->target->guest;

    for (unsigned i = 0; i < guest->n_registers; i++) {
        args = set_register(s, &guest->registers[i], args);
        if (!args) {
            gdb_error(s, EINVAL);
            return;
        }
    }
    gdb_ok(s);
}

static const FeRegister *register_of(GdbSession *s, const char **args)
{
    uint64_t number;

    return gdb_number(args, &number) && number <= UINT16_MAX
               ? fe_register_number(s->target->guest, (unsigned)number)
               : NULL;
}

void gdb_read_register(GdbSession *s, const char *args)
{
    const FeRegister *r = register_of(s, &args);

    if (r) {
        put_register(s, r);
    } else {
        gdb_error(s, EINVAL);
    }
}

void gdb_write_register(GdbSession *s, const char *args)
{
    const FeRegister *r = register_of(s, &args);

    if (r && *args == '=' && set_register(s, r, args + 1)) {
        gdb_ok(s);
    } else {
        gdb_error(s, EINVAL);
    }
}

/* ---- Memory ---- */

void gdb_read_memory(GdbSession *s, const char *args)
{
    uint8_t bytes[(GDB_PACKET - 8) / 2];
    uint64_t addr, n;
    size_t done;

    if (!gdb_number_then(&args, &addr, ',') || !gdb_number(&args, &n)) {
        gdb_error(s, EINVAL);
        return;
    }
    n = n < sizeof(bytes) ? n : sizeof(bytes);
    done = s->target->read(s->general, addr, bytes, n);
    if (n && !done) {
        gdb_error(s, EFAULT);
    } else {
        gdb_put_hex(&s->out, bytes, done);
    }
}

static void write_memory(GdbSession *s, uint64_t addr, const void *bytes, size_t n)
{
    if (s->target->write(s->general, addr, bytes, n) == n) {
        gdb_ok(s);
    } else {
        gdb_error(s, EFAULT);
    }
}

void gdb_write_memory(GdbSession *s, const char *args)
{
    uint8_t bytes[GDB_PACKET / 2];
    uint64_t addr, n;

    if (!gdb_number_then(&args, &addr, ',') || !gdb_number_then(&args, &n, ':') ||
        n > sizeof(bytes) || gdb_unhex(args, bytes, n) < n) {
        gdb_error(s, EINVAL);
        return;
    }
    write_memory(s, addr, bytes, n);
}

void gdb_write_binary(GdbSession *s, const char *args)
{
    uint64_t addr, n;

    if (!gdb_number_then(&args, &addr, ',') || !gdb_number_then(&args, &n, ':') ||
        n != (uint64_t)(s->in.data + s->in.n - args)) {
        gdb_error(s, EINVAL);
        return;
    }
    write_memory(s, addr, args, n);
}

/* The polynomial of CRC-32, the highest bit first, nothing inverted ("qCRC" in gdb's manual). */
static uint32_t add_to_crc(uint32_t crc, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint32_t)bytes[i] << 24;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
        }
    }
    return crc;
}

/* For `compare-sections`. */
void gdb_checksum(GdbSession *s, const char *args)
{
    uint8_t bytes[4096];
    uint32_t crc = UINT32_MAX;
    uint64_t addr, n;

    if (!gdb_number_then(&args, &addr, ',') || !gdb_number(&args, &n)) {
        gdb_error(s, EINVAL);
        return;
    }
    for (size_t part; n; addr += part, n -= part) {
        part = n < sizeof(bytes) ? n : sizeof(bytes);
        if (s->target->read(s->general, addr, bytes, part) < part) {
            gdb_error(s, EFAULT);
            return;
        }
        crc = add_to_crc(crc, bytes, part);
    }
    gdb_putf(&s->out, "C%08x", crc);
}

/* ---- Points ---- */

static void point(GdbSession *s, const char *args, bool on)
{
    static const GdbPoint kinds[] = { GDB_POINT_break, GDB_POINT_break, GDB_POINT_write,
                                      GDB_POINT_read, GDB_POINT_access };
    uint64_t type, addr, size;

    if (!gdb_number_then(&args, &type, ',') || !gdb_number_then(&args, &addr, ',') ||
        !gdb_number(&args, &size)) {
        gdb_error(s, EINVAL);
    } else if (type < sizeof(kinds) / sizeof(kinds[0])) {
        /* A child of a fork loses its points when the debugger leaves it or goes over to it. */
        bool in_child = s->child && s->general == s->child;

        if (in_child || s->target->set_point(kinds[type], addr, size, on)) {
            gdb_ok(s);
        } else {
            gdb_error(s, on ? ENOSPC : ENOENT);
        }
    }
}

void gdb_insert_point(GdbSession *s, const char *args)
{
    point(s, args, true);
}

void gdb_remove_point(GdbSession *s, const char *args)
{
    point(s, args, false);
}
