/* SPDX-License-Identifier: Apache-2.0 */
/* The op `refill`: what it returns, when it calls, and that everything else keeps its value. */
#include <gtest/gtest.h>

#include "testsuite/backends/pair.h"

namespace ketch_test
{
namespace
{

constexpr uint64_t kMask = 0x40000, kWhat = 0x123456789abcdef0;

struct Call {
    unsigned count;
    uint64_t what, word;
};

Call last;

/* Spoils what C code may. */
uint64_t refill(Vcpu *, uint64_t what, uint64_t word)
{
    double x[16];

    for (int k = 0; k < 16; k++) {
        x[k] = static_cast<double>(word) * k;
    }
    asm volatile("" : : "r"(x) : "memory");
    asm volatile("xor %%ecx, %%ecx\n xor %%edx, %%edx\n xor %%esi, %%esi\n xor %%edi, %%edi\n"
                 "xor %%r8d, %%r8d\n xor %%r9d, %%r9d\n xor %%r10d, %%r10d\n xor %%r11d, %%r11d\n"
                 "pxor %%xmm0, %%xmm0\n pxor %%xmm7, %%xmm7\n pxor %%xmm15, %%xmm15\n"
                 : : : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm7", "xmm15");
    last = { last.count + 1, what, word };
    return word + 1;
}

/* Slot 1 becomes the refill of slot 2, all others twice what they were: computed before, stored after. */
IrFunc *function(Arena *arena)
{
    IrFunc *f = ir_func_new(arena, &TestGuest(), 0x1000);
    IrRef twice[kSlots] = {}, word, what;

    auto add = [f](IrInsn i) { return ir_append(f, 0, i); };
    auto insn = [](IrOp op, IrType type, IrRef a, IrRef b, int64_t imm) {
        IrInsn i = {};

        i.op = static_cast<uint8_t>(op);
        i.type = static_cast<uint8_t>(type);
        i.arg[0] = a;
        i.arg[1] = b;
        i.imm = imm;
        return i;
    };
    ir_block_new(f, 0x1000);
    for (unsigned k = 3; k < kSlots; k++) {
        IrType type = static_cast<IrType>(TestGuest().slots[k].type);
        IrRef x = add(insn(IR_OP_getreg, type, 0, 0, k));

        twice[k] = add(insn(ir_type_info[type].is_float ? IR_OP_fadd : IR_OP_add, type, x, x, 0));
    }
    word = add(insn(IR_OP_getreg, IR_I64, 0, 0, 2));
    what = add(insn(IR_OP_const, IR_I64, 0, 0, static_cast<int64_t>(kWhat)));
    word = add(insn(IR_OP_refill, IR_I64, word, what, kMask));
    add(insn(IR_OP_setreg, IR_VOID, word, 0, 1));
    for (unsigned k = 3; k < kSlots; k++) {
        add(insn(IR_OP_setreg, IR_VOID, twice[k], 0, k));
    }
    add(insn(IR_OP_exit, IR_VOID, 0, 0, 0x2000));
    return f;
}

TEST(Refill, CallsWithoutTheBitAndKeepsTheRest)
{
    ArenaPtr arena = NewArena();
    Pair pair;
    IrFunc *f = function(arena.get());
    const char *error = "";
    uint8_t memory[1];

    ASSERT_TRUE(ir_verify(f, &error)) << error;
    pair.vcpu()->refill = refill;
    for (const Backend *backend : { &be_x86_64, &be_interp }) {
        BeCode unit;

        ASSERT_EQ(pair.Compile(*backend, f, &unit), BE_OK);
        for (uint64_t word : { uint64_t(0), kMask, kMask - 1, 3 * kMask, 2 * kMask, ~kMask, ~uint64_t(0) }) {
            State state;
            bool calls = !(word & kMask);

            last = {};
            state.slot[2] = word;
            for (unsigned k = 3; k < kSlots; k++) {
                double d = k;

                state.slot[k] = k * 0x10001;
                if (TestGuest().slots[k].type == IR_F64) {
                    memcpy(&state.slot[k], &d, sizeof(d));
                }
            }
            State before = state;
            pair.Enter(*backend, &unit, &state, memory);
            EXPECT_EQ(state.slot[1], word + calls);
            EXPECT_EQ(last.count, calls);
            EXPECT_EQ(last.what, calls ? kWhat : 0);
            EXPECT_EQ(last.word, calls ? word : 0);
            EXPECT_EQ(state.slot[2], word);
            for (unsigned k = 3; k < kSlots; k++) {
                uint64_t want = 2 * before.slot[k];

                if (TestGuest().slots[k].type == IR_F64) {
                    double d = 2.0 * k;

                    memcpy(&want, &d, sizeof(d));
                }
                EXPECT_EQ(state.slot[k], want) << TestGuest().slots[k].name;
            }
        }
        backend->release(&unit);
    }
}

TEST(Refill, VerifierWantsAMaskAndAConstant)
{
    ArenaPtr arena = NewArena();
    const char *error = "";

    for (int64_t mask : { int64_t(0), int64_t(-1), int64_t(1) << 31 }) {
        IrFunc *f = function(arena.get());

        for (uint32_t k = 1; k < f->n_insns; k++) {
            if (f->insn[k].op == IR_OP_refill) {
                f->insn[k].imm = mask;
            }
        }
        EXPECT_FALSE(ir_verify(f, &error)) << mask;
    }
}

} // namespace
} // namespace ketch_test
