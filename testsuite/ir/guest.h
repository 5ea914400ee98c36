/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/ir/guest.h - a guest for tests: 16 integer registers x0.., 8 floating point f0.., and
 * a few helpers; plus text to function and back.
 */
#ifndef KETCH_TESTSUITE_IR_GUEST_H
#define KETCH_TESTSUITE_IR_GUEST_H

#include <array>
#include <memory>
#include <string>

extern "C" {
#include "base/arena.h"
#include "ir/guest.h"
#include "ir/ir.h"
#include "ir/vcpu.h"
}

namespace ketch_test
{

enum { kGprs = 16, kFprs = 8, kSlots = kGprs + kFprs };

/* Helpers, in the order of TestGuest().helpers. */
enum Helper { kHelperSum, kHelperPeek, kHelperPoke, kHelperRaise, kHelpers };

inline uint64_t HelperSum(Vcpu *, uint64_t a, uint64_t b, uint64_t)
{
    return a + 3 * b;
}
inline uint64_t HelperPeek(Vcpu *vcpu, uint64_t n, uint64_t, uint64_t)
{
    return vcpu->slot[n % kGprs];
}
inline uint64_t HelperPoke(Vcpu *vcpu, uint64_t n, uint64_t value, uint64_t)
{
    vcpu->slot[n % kGprs] = value;
    return 0;
}
inline uint64_t HelperRaise(Vcpu *vcpu, uint64_t a, uint64_t, uint64_t)
{
    if (a & 1)
        vcpu_raise(vcpu, IR_TRAP_illegal, a);
    return a;
}

inline const IrGuest &TestGuest()
{
    static std::array<IrSlot, kSlots> slots;
    static std::array<std::string, kSlots> names;
    static const IrHelper helpers[kHelpers] = {
        { "sum", HelperSum, IR_I64, 2, { IR_I64, IR_I64 }, IR_PURE },
        { "peek", HelperPeek, IR_I64, 1, { IR_I64 }, IR_STATE_R },
        { "poke", HelperPoke, IR_VOID, 2, { IR_I64, IR_I64 }, IR_STATE_R | IR_STATE_W },
        { "raise", HelperRaise, IR_I64, 1, { IR_I64 }, IR_STATE_R | IR_TRAPS },
    };
    static const IrGuest guest = [] {
        for (unsigned k = 0; k < kSlots; k++) {
            bool fp = k >= kGprs;
            names[k] = (fp ? "f" : "x") + std::to_string(fp ? k - kGprs : k);
            slots[k] = { names[k].c_str(), fp ? IR_F64 : IR_I64 };
        }
        return IrGuest{ "test",
                        slots.data(),
                        kSlots,
                        { 1, 2, 3, 4, 5, 6, 7, 8 },
                        { kGprs + 1, kGprs + 2, IR_NO_SLOT, IR_NO_SLOT, IR_NO_SLOT, IR_NO_SLOT },
                        0,
                        0,
                        helpers,
                        kHelpers };
    }();
    return guest;
}

struct ArenaFree {
    void operator()(Arena *arena) const
    {
        arena_free(arena);
    }
};
using ArenaPtr = std::unique_ptr<Arena, ArenaFree>;

inline ArenaPtr NewArena()
{
    return ArenaPtr(arena_new(1u << 30));
}

} // namespace ketch_test

#endif
