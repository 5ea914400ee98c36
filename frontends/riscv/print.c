/* SPDX-License-Identifier: Apache-2.0 */
/* Printers of operand kinds (`as KIND` in the .isa files), in GNU objdump's spelling. */
#include <stdio.h>

#include "frontends/riscv/riscv.h"

int rv_print_xreg(char *text, size_t size, int64_t value)
{
    return snprintf(text, size, "%s", rv_guest.slots[value].name);
}

/* The 20 bits of lui and auipc. */
int rv_print_upper(char *text, size_t size, int64_t value)
{
    return snprintf(text, size, "0x%x", (unsigned)(value >> 12) & 0xfffff);
}

/* A set of device input, output, memory read, write. */
int rv_print_fence(char *text, size_t size, int64_t value)
{
    return snprintf(text, size, "%s%s%s%s%s", value & 8 ? "i" : "", value & 4 ? "o" : "",
                    value & 2 ? "r" : "", value & 1 ? "w" : "", value ? "" : "unknown");
}

/* Ordering suffix of an atomic instruction. */
int rv_print_aqrl(char *text, size_t size, int64_t value)
{
    static const char *const suffix[] = { "", ".rl", ".aq", ".aqrl" };

    return snprintf(text, size, "%s", suffix[value]);
}
