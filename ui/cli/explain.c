/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ketch explain ISA HEX`: one instruction as every stage of the translation sees it.  HEX is the
 * instruction as a number, as the manuals print it ("00c5853b"), or several separated by commas.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/backend.h"
#include "backends/common/codebuf.h"
#include "frontends/frontend.h"
#include "ir/opt/opt.h"
#include "ui/cli/commands.h"

enum { EXPLAIN_PC = 0x10000, EXPLAIN_MAX = 256, EXPLAIN_ARENA = 64 << 20, EXPLAIN_CODE = 2 << 20 };

static const Frontend *const frontends[] = { &fe_riscv64 };

static const Frontend *find_frontend(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(frontends); i++) {
        if (!strcmp(frontends[i]->name, name)) {
            return frontends[i];
        }
    }
    return NULL;
}

/* Instructions as numbers of 2 or 4 bytes, little-endian in memory; returns the bytes written. */
static size_t parse_hex(const char *text, uint8_t *bytes, size_t size)
{
    size_t n = 0;

    while (*text) {
        char *end;
        unsigned long long v = strtoull(text, &end, 16);
        size_t digits = (size_t)(end - text);
        size_t length = (strncmp(text, "0x", 2) ? digits : digits - 2) / 2;

        if (end == text || (length != 2 && length != 4) || n + length > size ||
            (*end && *end != ',')) {
            return 0;
        }
        for (size_t i = 0; i < length; i++) {
            bytes[n++] = (uint8_t)(v >> 8 * i);
        }
        text = *end ? end + 1 : end;
    }
    return n;
}

static bool no_block(FeContext *c, uint64_t pc, IrBlockId *block)
{
    (void)c;
    (void)pc;
    (void)block;
    return false;
}

static void show_guest(const Frontend *fe, const uint8_t *bytes, size_t n)
{
    char text[256];

    puts("guest");
    for (size_t at = 0; at < n;) {
        unsigned length = fe->disassemble(EXPLAIN_PC + at, bytes + at, n - at, text, sizeof(text));

        if (length == 0) {
            break;
        }
        printf("  %#zx: ", EXPLAIN_PC + at);
        for (unsigned i = 0; i < length; i++) {
            printf("%02x", bytes[at + length - 1 - i]);
        }
        printf("  %s\n", text);
        at += length;
    }
}

static IrFunc *translate(const Frontend *fe, Arena *arena, const uint8_t *bytes, size_t n)
{
    IrFunc *f = ir_func_new(arena, fe->guest, EXPLAIN_PC);
    FeContext c = { .pc = EXPLAIN_PC, .block_at = no_block };

    ir_build_at(&c.b, f, ir_block_new(f, EXPLAIN_PC));
    for (size_t at = 0; at < n && !c.ended; at = c.next_pc - EXPLAIN_PC) {
        FeShape shape = fe->shape(EXPLAIN_PC + at, bytes + at, n - at);

        if (shape.length == 0) {
            break;
        }
        c.pc = EXPLAIN_PC + at;
        c.bytes = bytes + at;
        c.n_bytes = n - at;
        fe->translate(&c);
    }
    if (!c.ended) {
        fe_jump(&c, c.next_pc);
    }
    return f;
}

static bool show_ir(const char *title, const IrFunc *f, Arena *arena)
{
    const char *error;

    printf("\n%s\n%s", title, ir_print(f, arena));
    if (!ir_verify(f, &error)) {
        printf("not well-formed: %s\n", error);
        return false;
    }
    return true;
}

static int show_host(const IrFunc *f)
{
    CodeBuf *buf = codebuf_new(EXPLAIN_CODE);
    BeOptions options = { 0 };
    BeCode code = { 0 };

    if (!buf || !be_x86_64.start(buf, f->guest)) {
        fputs("ketch explain: this host has no code generator\n", stderr);
        return 1;
    }
    if (be_x86_64.compile(buf, f, &options, &code) != BE_OK) {
        fputs("ketch explain: too much for one unit\n", stderr);
        return 1;
    }
    printf("\nhost code, %u bytes\n", code.size);
    fflush(stdout);
    be_x86_64.dump(&code, STDOUT_FILENO);
    be_x86_64.release(&code);
    codebuf_free(buf);
    return 0;
}

int command_explain(int argc, char **argv)
{
    uint8_t bytes[EXPLAIN_MAX];
    const Frontend *fe;
    Arena *arena;
    IrFunc *f;
    size_t n;
    int status = 1;

    if (argc != 3) {
        return command_usage(argc, argv, "usage: ketch explain ISA HEX[,HEX...]    for example: ketch explain "
                                         "riscv64 00c5853b\n");
    }
    fe = find_frontend(argv[1]);
    if (!fe) {
        fprintf(stderr, "ketch explain: unknown ISA '%s'; known: riscv64\n", argv[1]);
        return 1;
    }
    n = parse_hex(argv[2], bytes, sizeof(bytes));
    if (n == 0) {
        fprintf(stderr, "ketch explain: '%s' is not a list of 4- or 8-digit hexadecimal "
                        "instructions\n", argv[2]);
        return 1;
    }
    arena = arena_new(EXPLAIN_ARENA);
    CHECK(arena, "no address space");
    show_guest(fe, bytes, n);
    f = translate(fe, arena, bytes, n);
    if (show_ir("IR", f, arena)) {
        ir_opt_run(f, 1, UINT64_MAX);
        if (show_ir("optimised IR", f, arena)) {
            status = show_host(f);
        }
    }
    arena_free(arena);
    return status;
}
