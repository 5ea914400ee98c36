/* SPDX-License-Identifier: Apache-2.0 */
/* Prints random encodings of every instruction and what Ketch disassembles them to, for
 * objdump_test.py: "HEX TEXT" lines, `argv[1]` of each instruction. */
#include <cstdio>
#include <cstdlib>
#include <random>

extern "C" {
#include "frontends/frontend.h"
#include "frontends/riscv/insns.h"
}

static uint64_t rnd(void *opaque)
{
    return (*static_cast<std::mt19937_64 *>(opaque))();
}

int main(int argc, char **argv)
{
    std::mt19937_64 engine(argc > 2 ? strtoul(argv[2], nullptr, 0) : 1);
    long n = argc > 1 ? atol(argv[1]) : 10;
    uint64_t pc = 0;

    for (unsigned insn = 1; insn < RV_COUNT; insn++) {
        for (long i = 0; i < n; i++) {
            uint8_t bytes[4];
            uint32_t bits = 0;
            char text[128];

            if (!rv_fuzz_encode(insn, rnd, &engine, &bits))
                return 1;
            for (int at = 0; at < 4; at++)
                bytes[at] = uint8_t(bits >> 8 * at);
            unsigned length = fe_riscv64.disassemble(pc, bytes, 4, text, sizeof(text));
            printf("%0*x %s\n", int(length) * 2, bits, text);
            pc += length;
        }
    }
    return 0;
}
