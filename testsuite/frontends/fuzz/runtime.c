/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the cases of the generated assembly from random states; see runtime.h. */
#include "runtime.h"

extern const Case cases[];
extern const uint64_t n_cases, n_states, seed;

extern State fuzz_state, fuzz_out;
void fuzz_enter(uint64_t loader);
void fuzz_main(uint64_t argc);

uint8_t fuzz_memory[MEMORY] __attribute__((aligned(64)));

static uint64_t random_state;

static uint64_t rnd(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
    return (rnd() >> 32) * n >> 32;
}

static uint64_t random_integer(void)
{
    static const uint64_t edges[] = {
        0,          1,         2,          UINT64_MAX, UINT64_MAX - 1, INT64_MAX,
        1ull << 63, INT32_MAX, 1ull << 31, UINT32_MAX, 1ull << 32,     0xffffffff80000000,
        0x7f,       0x80,      0xff,       0x7fff,     0x8000,         0xffff,
    };

    switch (below(8)) {
    case 0:
    case 1:
        return edges[below(sizeof(edges) / sizeof(edges[0]))];
    case 2:
        return below(64);
    case 3:
        return (uint64_t)(int64_t)(int32_t)rnd();
    case 4:
        return (1ull << below(64)) + below(3) - 1;
    case 5:
        return rnd() >> below(64);
    default:
        return rnd();
    }
}

/* A number of a format with `e` exponent and `m` fraction bits. */
static uint64_t random_float(unsigned e, unsigned m)
{
    uint64_t sign = below(2) << (e + m), top = (1ull << e) - 1, bias = top >> 1;
    uint64_t fraction = rnd() & ((1ull << m) - 1), exponent;

    switch (below(4)) {
    case 0:
        fraction = 0;
        break;
    case 1:
        fraction &= fraction - (1ull << below(m)); /* few low bits */
        break;
    case 2:
        fraction |= (1ull << below(m)) - 1; /* many low bits set */
        break;
    }
    switch (below(12)) {
    case 0:
        exponent = 0;
        break;
    case 1:
        exponent = top;
        fraction = below(2) ? fraction : 0;
        break;
    case 2:
        exponent = 1 + below(2);
        break;
    case 3:
        exponent = top - 1 - below(2);
        break;
    case 4:
    case 5:
    case 6:
        exponent = bias + below(8) - 4;
        break;
    case 7:
    case 8:
        exponent = bias + below(m + 4);
        break;
    case 9:
        exponent = bias + below(70) - 2;
        break;
    default:
        exponent = rnd();
    }
    return sign | (exponent & top) << m | fraction;
}

/* A register's container: mostly the wanted format, sometimes another, sometimes any bits. */
static uint64_t random_container(int bits)
{
    uint64_t how = below(16);

    if (how == 0) {
        return rnd();
    }
    if (how == 1) {
        bits = 16 << below(3);
    }
    switch (bits) {
    case 16:
        return random_float(5, 10) | 0xffffffffffff0000;
    case 32:
        return random_float(8, 23) | 0xffffffff00000000;
    default:
        return random_float(11, 52);
    }
}

static uint64_t random_rounding(uint32_t allowed)
{
    for (;;) {
        uint64_t rm = below(8);

        if (allowed >> rm & 1) {
            return rm;
        }
    }
}

static void random_input(const Case *c)
{
    State *s = &fuzz_state;

    for (int i = 0; i < MEMORY; i += 8) {
        *(uint64_t *)(fuzz_memory + i) = below(2) ? random_integer() : random_container(c->fp_bits);
    }
    for (int i = 1; i < 32; i++) {
        s->x[i] = i > 1 && below(8) == 0 ? s->x[i - 1] : random_integer();
    }
    for (int i = 0; i < 32; i++) {
        s->f[i] = i && below(8) == 0 ? s->f[i - 1] : random_container(c->fp_bits);
    }
    s->fcsr = random_rounding(c->frms) << 5 | (below(2) ? 0 : below(32));
    if (c->base) {
        uint64_t at = MEMORY / 2 - 64 + (below(112) & -(uint64_t)c->align);

        s->x[c->base] = (c->target ? c->target : (uint64_t)fuzz_memory + at) - (uint64_t)c->less;
    }
    s->x[0] = s->x[c->scratch] = 0;
    s->path = 0;
    s->code = c->code;
}

static long sys3(long number, long a, long b, long c)
{
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b, a2 __asm__("a2") = c;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}

enum { SYS_WRITE = 64, SYS_EXIT = 93, BUFFER = 64 };

void *memcpy(void *to, const void *from, unsigned long n)
{
    for (unsigned long i = 0; i < n; i += 8) {
        *(uint64_t *)((char *)to + i) = *(const uint64_t *)((const char *)from + i);
    }
    return to;
}

static Record buffer[BUFFER];
static unsigned buffered;

static void flush(void)
{
    const char *p = (const char *)buffer;
    long left = (long)(buffered * sizeof(Record));

    while (left > 0) {
        long n = sys3(SYS_WRITE, 1, (long)p, left);

        if (n <= 0) {
            sys3(SYS_EXIT, 1, 0, 0);
        }
        p += n;
        left -= n;
    }
    buffered = 0;
}

/* With `now`, nothing is lost when the next case kills the program. */
static void put(const State *s, int now)
{
    Record *r = &buffer[buffered++];

    r->state = *s;
    for (unsigned i = 0; i < MEMORY; i++) {
        r->memory[i] = fuzz_memory[i];
    }
    if (now || buffered == BUFFER) {
        flush();
    }
}

/* With an argument, each record comes after one with the input. */
void fuzz_main(uint64_t argc)
{
    for (uint64_t i = 0; i < n_cases; i++) {
        for (uint64_t j = 0; j < n_states; j++) {
            random_state = seed ^ (uint64_t)cases[i].id << 32 ^ j << 8;
            rnd();
            random_input(&cases[i]);
            if (argc > 1) {
                put(&fuzz_state, 1);
            }
            fuzz_enter(cases[i].loader);
            put(&fuzz_out, argc > 1);
        }
    }
    flush();
    sys3(SYS_EXIT, 0, 0, 0);
}
