/* SPDX-License-Identifier: Apache-2.0 */
/* Loops, calls, memory, floating point, switches, atomics, system calls. */
#include "start.h"

static unsigned table[1024];
static unsigned char bytes[4096];
static volatile int words[64];
static double x[64], y[64];

__attribute__((noinline)) static unsigned fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

__attribute__((noinline)) static void sort(unsigned *p, int n)
{
    for (int i = 1; i < n; i++) {
        unsigned v = p[i];
        int k = i;

        for (; k > 0 && p[k - 1] > v; k--) {
            p[k] = p[k - 1];
        }
        p[k] = v;
    }
}

__attribute__((noinline)) static double dot(int n)
{
    double s = 0;

    for (int i = 0; i < n; i++) {
        s += x[i] * y[i];
    }
    return s;
}

__attribute__((noinline)) static unsigned crc(const unsigned char *p, int n)
{
    unsigned c = ~0u;

    for (int i = 0; i < n; i++) {
        c ^= p[i];
        for (int b = 0; b < 8; b++) {
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        }
    }
    return c;
}

__attribute__((noinline)) static int pick(int i)
{
    switch (i & 7) {
    case 0: return 3;
    case 1: return i + 1;
    case 2: return i * 3;
    case 3: return -i;
    case 4: return i ^ 5;
    case 5: return i << 2;
    case 6: return 9;
    default: return i / 3;
    }
}

__attribute__((noinline)) static void atomics(void)
{
    for (int i = 0; i < 1000; i++) {
        int expected = i;

        __atomic_fetch_add(&words[i & 63], i, __ATOMIC_SEQ_CST);
        __atomic_compare_exchange_n(&words[3], &expected, i + 1, 0, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
    }
}

int run(const char *argument)
{
    static const char text[] = "hello\n";
    long sum = 0;

    for (int i = 0; i < 1024; i++) {
        table[i] = (unsigned)i * 2654435761u;
    }
    sort(table, 400);
    sum += fib(16);
    for (int i = 0; i < 4096; i++) {
        bytes[i] = (unsigned char)(i * 7);
    }
    sum += crc(bytes, 4096);
    for (int i = 0; i < 64; i++) {
        x[i] = i;
        y[i] = 64 - i;
    }
    for (int i = 0; i < 200; i++) {
        sum += (long)dot(64);
    }
    for (int i = 0; i < 50000; i++) {
        sum += pick(i);
    }
    atomics();
    for (int i = 0; i < 20; i++) {
        sys3(SYS_write, 1, (long)text, i == 0 ? 6 : 0);
    }
    sys3(SYS_getpid, 0, 0, 0);
    return sum == 0;
}
