/* SPDX-License-Identifier: Apache-2.0 */
/* What runs on a machine without firmware, for a debugger: each hart works, and traps, until `end` is set,
 * the exit status plus 1. */
enum { TEST_DEVICE = 0x100000, FAIL = 0x3333, STACK = 4096 };

volatile int counter, total[4], end;
volatile long word = 5;
char stacks[STACK * 8] __attribute__((aligned(16)));

__asm__(".section .text.start, \"ax\"\n"
        ".globl _start\n"
        "_start: csrr a0, mhartid\n"
        "la t0, handler\n"
        "csrw mtvec, t0\n"
        "la sp, stacks\n"
        "li t0, 4096\n"
        "addi t1, a0, 1\n"
        "mul t0, t0, t1\n"
        "add sp, sp, t0\n"
        "j main\n"
        ".text\n"
        ".balign 4\n"
        ".globl handler, call\n"
        "handler: csrr t0, mepc\n"
        "addi t0, t0, 4\n"
        "csrw mepc, t0\n"
        "mret\n"
        ".option push\n"
        ".option norvc\n"
        "call: ecall\n"
        "wfi\n"
        "ret\n"
        ".option pop\n");

void call(void);

__attribute__((noinline)) int add(int a, int b)
{
    counter++;
    return a + b;
}

__attribute__((noinline)) void work(int hart)
{
    for (int i = 0; i < 10; i++) {
        total[hart & 3] += add(hart, i);
        word += 2;
    }
}

void main(int hart)
{
    for (;;) {
        work(hart);
        if (end) {
            *(volatile unsigned *)TEST_DEVICE = (unsigned)(end - 1) << 16 | FAIL;
        }
        if (hart > 3) { /* only for who sets its pc */
            call();
        }
    }
}
