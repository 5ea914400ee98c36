/* SPDX-License-Identifier: Apache-2.0 */
/* An interpreter with one switch. */
#include <stdio.h>

#include "interp.h"

static __attribute__((noinline)) uint64_t run(const Code *code)
{
    const Code *pc = code;

    for (;;) {
        const Code *i = pc++;

        switch (i->op) {
        case ADD: reg[i->d] = reg[i->a] + reg[i->b]; break;
        case SUB: reg[i->d] = reg[i->a] - reg[i->b]; break;
        case XOR: reg[i->d] = reg[i->a] ^ reg[i->b]; break;
        case MUL: reg[i->d] = reg[i->a] * reg[i->b]; break;
        case SHR: reg[i->d] = reg[i->a] >> i->imm; break;
        case ADDI: reg[i->d] = reg[i->a] + (uint64_t)(int64_t)i->imm; break;
        case LOAD: reg[i->d] = mem[reg[i->a] & 255]; break;
        case STORE: mem[reg[i->a] & 255] = reg[i->d]; break;
        case JNZ: pc = reg[i->a] ? code + i->imm : pc; break;
        case JODD: pc = reg[i->a] & 1 ? code + i->imm : pc; break;
        case MOV: reg[i->d] = reg[i->a]; break;
        case HALT: return reg[3];
        }
    }
}

int main(int argc, char **argv)
{
    interp_reset(kernel_amount(argc, argv, 12000000));
    printf("%016lx\n", (unsigned long)run(program));
    return 0;
}
