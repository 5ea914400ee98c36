/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/dump.h"

#include <capstone/capstone.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/x86_64/host.h"

/* Capstone is loaded at the first dump: its tables hold so many addresses that relocating them
 * would take most of the start of a short run. */
static struct {
    __typeof__(&cs_open) open;
    __typeof__(&cs_option) option;
    __typeof__(&cs_malloc) malloc;
    __typeof__(&cs_disasm_iter) disasm_iter;
    __typeof__(&cs_free) free;
    __typeof__(&cs_close) close;
} cs;

static bool load(void)
{
    static const struct {
        const char *name;
        void *at;
    } symbols[] = {
        { "cs_open", &cs.open },     { "cs_option", &cs.option },
        { "cs_malloc", &cs.malloc }, { "cs_disasm_iter", &cs.disasm_iter },
        { "cs_free", &cs.free },     { "cs_close", &cs.close },
    };
    char name[32];
    void *library;

    if (cs.close) {
        return true;
    }
    snprintf(name, sizeof(name), "libcapstone.so.%d", CS_API_MAJOR);
    library = dlopen(name, RTLD_NOW);
    for (size_t i = 0; library && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *fn = dlsym(library, symbols[i].name);

        if (!fn) {
            return false;
        }
        memcpy(symbols[i].at, &fn, sizeof(fn));
    }
    return library != NULL;
}

/* Without the disassembler (a static build): the bytes. */
static void print_bytes(const BeCode *code, int fd)
{
    const uint8_t *p = code->entry;

    for (size_t k = 0; k < code->size; k++) {
        if (k % 16 == 0) {
            dprintf(fd, "%s  %04zx ", k ? "\n" : "", k);
        }
        dprintf(fd, " %02x", p[k]);
    }
    dprintf(fd, "\n");
}

typedef struct Dump {
    const BeCode *code;
    int fd;
} Dump;

static void print_insn(void *opaque, uint32_t offset, unsigned size, const char *text)
{
    const Dump *d = opaque;
    const uint8_t *code = d->code->entry;
    char bytes[2 * 15 + 1];

    for (unsigned k = 0; k < size && k < 15; k++) {
        snprintf(bytes + 2 * k, 3, "%02x", code[offset + k]);
    }
    dprintf(d->fd, "  %04" PRIx32 "  %-24s %s\n", offset, bytes, text);
}

/* Where a call or jump at `at` with a 32-bit distance leads; NULL: it is none. */
static const uint8_t *target_of(const uint8_t *at, unsigned size, uint8_t opcode)
{
    int32_t rel;

    if (size != X64_CALL_SIZE || *at != opcode) {
        return NULL;
    }
    memcpy(&rel, at + 1, sizeof(rel));
    return at + X64_CALL_SIZE + rel;
}

static bool is_stub(const uint8_t *to, const X64Stub *stubs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (to == x64_host.stub[stubs[i]]) {
            return true;
        }
    }
    return false;
}

/* Whether a word of data follows: what the stub finds behind the call, or what was pushed before the jump. */
static bool has_word_behind(const uint8_t *at, unsigned size)
{
    static const X64Stub called[] = { X64_STUB_link, X64_STUB_poll, X64_STUB_guard, X64_STUB_refill };
    static const X64Stub jumped_to[] = { X64_STUB_deopt, X64_STUB_slow };
    const uint8_t *call = target_of(at, size, 0xe8), *jump = target_of(at, size, 0xe9);

    return (call && is_stub(call, called, sizeof(called) / sizeof(called[0]))) ||
           (jump && is_stub(jump, jumped_to, sizeof(jumped_to) / sizeof(jumped_to[0])));
}

bool x64_disassemble(const BeCode *code, BeTextFn *fn, void *opaque)
{
    const uint8_t *p = code->entry;
    uint64_t address = 0; /* so that jumps inside name the offsets on the left */
    size_t left = code->size;
    char text[256];
    cs_insn *insn;
    csh handle;

    if (!load() || cs.open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
        return false;
    }
    cs.option(handle, CS_OPT_SKIPDATA, CS_OPT_ON);
    insn = cs.malloc(handle);
    while (cs.disasm_iter(handle, &p, &left, &address, insn)) {
        snprintf(text, sizeof(text), "%s %s", insn->mnemonic, insn->op_str);
        fn(opaque, (uint32_t)insn->address, insn->size, text);
        if (has_word_behind(p - insn->size, insn->size) && left >= sizeof(uint64_t)) {
            uint64_t word;

            memcpy(&word, p, sizeof(word));
            snprintf(text, sizeof(text), ".quad %#" PRIx64, word);
            fn(opaque, (uint32_t)address, sizeof(word), text);
            p += sizeof(word);
            left -= sizeof(word);
            address += sizeof(word);
        }
    }
    cs.free(insn, 1);
    cs.close(&handle);
    return true;
}

void x64_dump(const BeCode *code, int fd)
{
    if (!x64_disassemble(code, print_insn, &(Dump){ code, fd })) {
        print_bytes(code, fd);
    }
}
