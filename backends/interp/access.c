/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/interp/access.c - every access to guest memory, in a section of its own, so that a host
 * fault here is known to be the guest's.
 */
#include "backends/interp/interp.h"

/* Guest addresses need not be aligned. */
typedef uint16_t __attribute__((may_alias, aligned(1))) U16;
typedef uint32_t __attribute__((may_alias, aligned(1))) U32;
typedef uint64_t __attribute__((may_alias, aligned(1))) U64;

#define ACCESS __attribute__((noinline, noclone, section("ketch_guest_access")))

/* The linker's names for the ends of the section. */
extern const char __start_ketch_guest_access[], __stop_ketch_guest_access[];

bool interp_is_access(uint64_t host_pc)
{
    return host_pc >= (uintptr_t)__start_ketch_guest_access &&
           host_pc < (uintptr_t)__stop_ketch_guest_access;
}

ACCESS uint64_t interp_load(const void *p, unsigned mem)
{
    switch (mem) {
    case 0:
        return *(const uint8_t *)p;
    case 1:
        return *(const U16 *)p;
    case 2:
        return *(const U32 *)p;
    case 0 | IR_MEM_SIGN:
        return (uint64_t) * (const int8_t *)p;
    case 1 | IR_MEM_SIGN:
        return (uint64_t)(int16_t) * (const U16 *)p;
    case 2 | IR_MEM_SIGN:
        return (uint64_t)(int32_t) * (const U32 *)p;
    default:
        return *(const U64 *)p;
    }
}

ACCESS void interp_store(void *p, unsigned mem, uint64_t value)
{
    switch (mem) {
    case 0:
        *(uint8_t *)p = (uint8_t)value;
        break;
    case 1:
        *(U16 *)p = (uint16_t)value;
        break;
    case 2:
        *(U32 *)p = (uint32_t)value;
        break;
    default:
        *(U64 *)p = value;
        break;
    }
}

/* One function per width: fetch-op builtins for what the host may have, a loop for the rest. */
#define RMW(name, U, S)                                                                            \
    ACCESS static U name(U *p, IrRmw op, U v)                                                      \
    {                                                                                              \
        U old = __atomic_load_n(p, __ATOMIC_RELAXED), new;                                         \
                                                                                                   \
        do {                                                                                       \
            switch (op) {                                                                          \
            case IR_RMW_swap:                                                                      \
                return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                \
            case IR_RMW_add:                                                                       \
                return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                 \
            case IR_RMW_and:                                                                       \
                return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                 \
            case IR_RMW_or:                                                                        \
                return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                  \
            case IR_RMW_xor:                                                                       \
                return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST);                                 \
            case IR_RMW_min:                                                                       \
                new = (S)old < (S)v ? old : v;                                                     \
                break;                                                                             \
            case IR_RMW_max:                                                                       \
                new = (S)old > (S)v ? old : v;                                                     \
                break;                                                                             \
            case IR_RMW_minu:                                                                      \
                new = old < v ? old : v;                                                           \
                break;                                                                             \
            case IR_RMW_maxu:                                                                      \
            case IR_RMW_COUNT:                                                                     \
            default:                                                                               \
                new = old > v ? old : v;                                                           \
                break;                                                                             \
            }                                                                                      \
        } while (!__atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST,               \
                                              __ATOMIC_SEQ_CST));                                  \
        return old;                                                                                \
    }

RMW(rmw32, uint32_t, int32_t)
RMW(rmw64, uint64_t, int64_t)

ACCESS uint64_t interp_amo(void *p, unsigned bits, IrRmw op, uint64_t value)
{
    return bits == 32 ? rmw32(p, op, (uint32_t)value) : rmw64(p, op, value);
}

ACCESS uint64_t interp_cas(void *p, unsigned bits, uint64_t expected, uint64_t desired)
{
    uint32_t old = (uint32_t)expected;

    if (bits == 64) {
        __atomic_compare_exchange_n((uint64_t *)p, &expected, desired, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
        return expected;
    }
    __atomic_compare_exchange_n((uint32_t *)p, &old, (uint32_t)desired, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return old;
}
