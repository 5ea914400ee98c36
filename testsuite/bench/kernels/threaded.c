/* SPDX-License-Identifier: Apache-2.0 */
/* An interpreter with a computed goto at the end of each operation. */
#include <stdio.h>

#include "interp.h"

#define NEXT      \
    i = pc++;     \
    goto *label[i->op]

static __attribute__((noinline)) uint64_t run(const Code *code)
{
    static const void *const label[OP_COUNT] = {
        [ADD] = &&add,   [SUB] = &&sub,     [XOR] = &&xor, [MUL] = &&mul,   [SHR] = &&shr,
        [ADDI] = &&addi, [LOAD] = &&load,   [STORE] = &&store, [JNZ] = &&jnz, [JODD] = &&jodd,
        [MOV] = &&mov,   [HALT] = &&halt,
    };
    const Code *pc = code;
    const Code *i;

    NEXT;
add: reg[i->d] = reg[i->a] + reg[i->b]; NEXT;
sub: reg[i->d] = reg[i->a] - reg[i->b]; NEXT;
xor: reg[i->d] = reg[i->a] ^ reg[i->b]; NEXT;
mul: reg[i->d] = reg[i->a] * reg[i->b]; NEXT;
shr: reg[i->d] = reg[i->a] >> i->imm; NEXT;
addi: reg[i->d] = reg[i->a] + (uint64_t)(int64_t)i->imm; NEXT;
load: reg[i->d] = mem[reg[i->a] & 255]; NEXT;
store: mem[reg[i->a] & 255] = reg[i->d]; NEXT;
jnz: pc = reg[i->a] ? code + i->imm : pc; NEXT;
jodd: pc = reg[i->a] & 1 ? code + i->imm : pc; NEXT;
mov: reg[i->d] = reg[i->a]; NEXT;
halt: return reg[3];
}

int main(int argc, char **argv)
{
    interp_reset(kernel_amount(argc, argv, 12000000));
    printf("%016lx\n", (unsigned long)run(program));
    return 0;
}
