/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/dump.h"

#include <capstone/capstone.h>
#include <inttypes.h>
#include <stdio.h>

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
    csh cs;

    if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK) {
        return;
    }
    cs_option(cs, CS_OPT_SKIPDATA, CS_OPT_ON);
    insn = cs_malloc(cs);
    while (cs_disasm_iter(cs, &p, &left, &address, insn)) {
        print_insn(insn, code->entry, fd);
    }
    cs_free(insn, 1);
    cs_close(&cs);
}
