/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of helpers.def. */
#include <time.h>

#include "frontends/riscv/riscv.h"

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* CPU time at 1 GHz. */
uint64_t rv_helper_cycle(Vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    (void)vcpu, (void)a, (void)b, (void)c;
    return nanoseconds(CLOCK_MONOTONIC);
}

/* Wall-clock time; the time base is 1 GHz. */
uint64_t rv_helper_time(Vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c)
{
    (void)vcpu, (void)a, (void)b, (void)c;
    return nanoseconds(CLOCK_MONOTONIC);
}

/* The host's address of 16 bytes, aligned, to read and write.  In user mode they are known to be writable. */
static void *wide_host(Vcpu *vcpu, uint64_t address)
{
    VcpuAccess half[2] = { { .addr = address + 8, .kind = VCPU_rmw, .size = 8 },
                           { .addr = address, .kind = VCPU_rmw, .size = 8 } };

    if (!vcpu->access) {
        return (void *)(uintptr_t)(vcpu->mem_base + address);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!vcpu->access(vcpu, &half[i])) {
            vcpu_raise(vcpu, vcpu->exit_trap, vcpu->exit_arg);
        }
    }
    return (void *)(uintptr_t)(half[1].addend + address);
}

/* amocas.q: rd is the number of the first of two registers with the expected value and the
 * result, rs2 that of the desired value; a number of 0 stands for the value 0.  The address is
 * aligned.  x86-64 has the 16-byte compare-and-swap as an option, which all its processors of today
 * offer. */
#ifdef __x86_64__
__attribute__((target("cx16")))
#endif
uint64_t rv_helper_amocas_q(Vcpu *vcpu, uint64_t address, uint64_t rd, uint64_t rs2)
{
    __extension__ typedef unsigned __int128 Wide;
    const uint64_t *s = vcpu->slot;
    Wide expected = rd ? (Wide)s[rd + 1] << 64 | s[rd] : 0;
    Wide desired = rs2 ? (Wide)s[rs2 + 1] << 64 | s[rs2] : 0;
    Wide *memory = wide_host(vcpu, address);
    Wide old = __sync_val_compare_and_swap(memory, expected, desired);

    if (rd) {
        vcpu->slot[rd] = (uint64_t)old;
        vcpu->slot[rd + 1] = (uint64_t)(old >> 64);
    }
    return 0;
}
