/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/dump.h"

#include <capstone/capstone.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static void print_insn(const cs_insn *insn, const uint8_t *entry, int fd)
{
    char bytes[2 * 15 + 1];

    for (unsigned k = 0; k < insn->size && k < 15; k++) {
        snprintf(bytes + 2 * k, 3, "%02x", insn->bytes[k]);
    }
    dprintf(fd, "  %04" PRIx64 "  %-24s %s %s\n", insn->address - (uint64_t)(uintptr_t)entry, bytes,
            insn->mnemonic, insn->op_str);
}

void x64_dump(const BeCode *code, int fd)
{
    const uint8_t *p = code->entry;
    uint64_t address = (uint64_t)(uintptr_t)p;
    size_t left = code->size;
    cs_insn *insn;
    csh handle;

    if (!load() || cs.open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
        print_bytes(code, fd);
        return;
    }
    cs.option(handle, CS_OPT_SKIPDATA, CS_OPT_ON);
    insn = cs.malloc(handle);
    while (cs.disasm_iter(handle, &p, &left, &address, insn)) {
        print_insn(insn, code->entry, fd);
    }
    cs.free(insn, 1);
    cs.close(&handle);
}
