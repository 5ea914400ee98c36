/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/ir/gen.h - random functions and states for differential tests.
 *
 * The same seed and options give the same function whether it is made by raw insertion or through
 * the builder, so the two can be compared.  Functions end: each backward branch takes one unit of
 * fuel from x14, which nothing else changes.  x15 points at the state's memory.  NaN results are
 * made canonical before anything but FP arithmetic sees them, so all backends must agree bit for
 * bit.
 */
#ifndef KETCH_TESTSUITE_IR_GEN_H
#define KETCH_TESTSUITE_IR_GEN_H

#include <algorithm>
#include <random>

#include "testsuite/ir/run.h"

extern "C" {
#include "ir/cfg.h"
}

namespace ketch_test
{

struct GenOptions {
    unsigned blocks = 1; /* besides exits; more than one makes branches and loops */
    unsigned insns_per_block = 8;
    bool params = false; /* blocks have parameters and entry markers */
    bool wide = false;   /* blocks use what their dominators made; up to 12 parameters; safepoints */
    bool fp = true;
    bool floats = false; /* half of it */
    bool memory = true;
    bool calls = true;
    bool traps = true;
    bool fpenv = true;
    bool builder = false; /* through the builder instead of raw insertion */
};

enum { kGenMemory = 256, kGenFuel = 14, kGenBase = 15 };

class Gen
{
  public:
    Gen(uint64_t seed, const GenOptions &options) : rng_(seed), o_(options)
    {
    }

    IrFunc *Function(Arena *arena)
    {
        unsigned n = o_.blocks, exits = n > 1 ? static_cast<unsigned>(1 + Below(3)) : 0;

        f_ = ir_func_new(arena, &TestGuest(), 0x1000);
        for (unsigned k = 0; k < n + exits; k++) {
            ir_block_new(f_, 0x1000 + 0x100 * k);
        }
        params_.assign(n + exits, {});
        for (unsigned k = 1; o_.params && k < n; k++) {
            for (unsigned p = Below(o_.wide ? 13 : 4); p > 0; p--) {
                params_[k].push_back(RandomType());
            }
        }
        others_.clear();
        for (unsigned k = 0; n > 1 && k < n; k++) {
            others_.push_back(k + 1 == n || Below(8) == 0 ? 0 : Other(k, n + exits));
        }
        dominators_ = Dominators(arena, n + exits);
        pools_.assign(n + exits, {});
        for (unsigned k : order_) {
            Block(k, n);
        }
        return f_;
    }

    /* Registers, memory and FP environment; `memory` is where guest memory will be. */
    State RandomState(uint64_t memory)
    {
        State s;

        for (unsigned k = 0; k < kSlots; k++) {
            s.slot[k] = k < kGprs ? Interesting() : InterestingFloat();
        }
        s.slot[kGenFuel] = 1 + Below(12);
        s.slot[kGenBase] = memory;
        s.memory.resize(kGenMemory);
        for (uint8_t &byte : s.memory) {
            byte = static_cast<uint8_t>(rng_());
        }
        s.fp_flags = static_cast<uint32_t>(Below(32));
        s.fp_rm = static_cast<uint32_t>(Below(4));
        s.pc = 0x1000;
        return s;
    }

    uint64_t Interesting()
    {
        static const uint64_t values[] = { 0,
                                           1,
                                           2,
                                           31,
                                           32,
                                           63,
                                           64,
                                           0x7f,
                                           0x80,
                                           0xff,
                                           0x7fff,
                                           0x8000,
                                           0xffff,
                                           0x7fffffff,
                                           0x80000000,
                                           0xffffffff,
                                           0x100000000,
                                           INT64_MAX,
                                           1ull << 63,
                                           ~0ull,
                                           ~1ull,
                                           ~0x7full,
                                           ~0x7fffffffull };

        return Below(2) ? values[Below(std::size(values))] : rng_() >> Below(64);
    }

    uint64_t InterestingFloat()
    {
        static const uint64_t values[] = { 0,
                                           1ull << 63,
                                           0x3ff0000000000000,
                                           0xbff0000000000000,
                                           0x7ff0000000000000,
                                           0xfff0000000000000,
                                           0x7ff8000000000000,
                                           0x7ff0000000000001,
                                           0xfff8000000000123,
                                           1,
                                           0x000fffffffffffff,
                                           0x7fefffffffffffff,
                                           0xffffffff3f800000,
                                           0xffffffff7fc00000,
                                           0xffffffffff800001,
                                           0x4008000000000000,
                                           0x41dfffffffc00000,
                                           0xffffffff00000001 };

        return Below(3) ? values[Below(std::size(values))] : rng_();
    }

    uint64_t Below(uint64_t n)
    {
        return rng_() % n;
    }

  private:
    using Pool = std::array<std::vector<IrRef>, IR_TYPE_COUNT>;

    /* Where the branch of block `id` goes: anywhere, or back around a small loop. */
    unsigned Other(unsigned id, unsigned blocks)
    {
        if (o_.wide && id > 0 && Below(3) == 0) {
            return id - static_cast<unsigned>(Below(std::min(id, 4u)));
        }
        return static_cast<unsigned>(1 + Below(blocks - 1));
    }

    /* Of each block the one whose values it may use; order_: such that those come first. */
    std::vector<unsigned> Dominators(Arena *arena, unsigned blocks)
    {
        std::vector<unsigned> from(blocks, 0);
        IrFunc *f = ir_func_new(arena, &TestGuest(), 0x1000);
        IrBuild b;

        order_.clear();
        for (unsigned k = 0; k < blocks; k++) {
            order_.push_back(k);
            ir_block_new(f, 0x1000);
        }
        if (!o_.wide) {
            return from;
        }
        for (unsigned k = 0; k < blocks; k++) {
            ir_build_at(&b, f, k);
            if (k >= others_.size()) {
                ir_exit(&b, 0x1000, 0, 0);
            } else if (others_[k]) {
                ir_brif(&b, ir_const(&b, IR_I1, 0), others_[k], k + 1);
            } else {
                ir_br(&b, k + 1);
            }
        }
        const IrCfg *cfg = ir_cfg(f);
        for (unsigned k = 0; k < blocks; k++) {
            from[k] = cfg->idom[k] == IR_NO_BLOCK ? 0 : cfg->idom[k];
        }
        std::stable_sort(order_.begin(), order_.end(), [cfg](unsigned k, unsigned l) {
            return cfg->position[k] < cfg->position[l];
        });
        return from;
    }

    IrType RandomInt()
    {
        static const IrType types[] = {
            IR_I64, IR_I64, IR_I64, IR_I32, IR_I32, IR_I16, IR_I8, IR_I1
        };

        return types[Below(std::size(types))];
    }

    IrType RandomFloat()
    {
        return Below(2) ? IR_F64 : IR_F32;
    }

    IrType RandomType()
    {
        return o_.fp && Below(o_.floats ? 2 : 4) == 0 ? RandomFloat() : RandomInt();
    }

    IrRef Emit(IrInsn i)
    {
        if (!o_.builder) {
            return ir_append(f_, block_, i);
        }
        uint32_t effects = ir_op_info[i.op].effects;
        auto op = static_cast<IrOp>(i.op);
        auto type = static_cast<IrType>(i.type);

        switch (op) {
        case IR_OP_const:
            return ir_const(&b_, type, static_cast<uint64_t>(i.imm));
        case IR_OP_getreg:
            return ir_get(&b_, static_cast<unsigned>(i.imm));
        case IR_OP_setreg:
            ir_set(&b_, static_cast<unsigned>(i.imm), i.arg[0]);
            return 0;
        case IR_OP_load:
            return ir_load(&b_, type, i.aux, i.arg[0], i.imm);
        case IR_OP_store:
            ir_store(&b_, i.aux, i.arg[0], i.imm, i.arg[1]);
            return 0;
        case IR_OP_call:
            return ir_call(&b_, static_cast<unsigned>(i.imm), i.arg[0], i.arg[1], i.arg[2]);
        case IR_OP_trap_if:
            ir_trap_if(&b_, i.arg[0], static_cast<IrTrap>(i.aux), static_cast<uint64_t>(i.imm));
            return 0;
        default:
            break;
        }
        if (effects & IR_FP) {
            return ir_fp3(&b_, op, type, static_cast<IrRm>(i.aux), i.arg[0], i.arg[1], i.arg[2]);
        }
        if (effects & IR_PURE) {
            return ir_op3(&b_, op, type, i.arg[0], i.arg[1], i.arg[2]);
        }
        return ir_append(f_, block_, i);
    }

    IrRef Op(IrOp op, IrType type, IrRef a = 0, IrRef b = 0, IrRef c = 0, int64_t imm = 0,
             unsigned aux = 0)
    {
        IrInsn i = {};

        i.op = static_cast<uint8_t>(op);
        i.type = static_cast<uint8_t>(type);
        i.aux = static_cast<uint8_t>(aux);
        i.imm = imm;
        i.arg[0] = a;
        i.arg[1] = b;
        i.arg[2] = c;
        return Emit(i);
    }

    IrRef Const(IrType type, uint64_t value)
    {
        bool keep = ir_type_info[type].is_float || type == IR_I1 || ir_bits(type) == 64;
        uint64_t mask = ir_bits(type) == 64 ? ~0ull : (1ull << ir_bits(type)) - 1;
        uint64_t v = value & mask;

        if (!keep && v >> (ir_bits(type) - 1)) {
            v |= ~mask;
        }
        return Op(IR_OP_const, type, 0, 0, 0, static_cast<int64_t>(v));
    }

    IrRef Keep(IrType type, IrRef ref)
    {
        pool_[type].push_back(ref);
        return ref;
    }

    IrRef RandomConst(IrType type)
    {
        if (!ir_type_info[type].is_float) {
            return Const(type, Interesting());
        }
        uint64_t v = InterestingFloat();
        return Const(type, type == IR_F64 ? v : Below(2) ? v : v >> 32);
    }

    IrRef GetReg(unsigned slot)
    {
        return Op(IR_OP_getreg, TestGuest().slots[slot].type, 0, 0, 0, slot);
    }

    /* A value of the type: one made before, a register or a constant. */
    IrRef Any(IrType type)
    {
        uint64_t how = Below(8);

        if (how < 5 && !pool_[type].empty()) {
            uint64_t n = pool_[type].size();
            return pool_[type][n - 1 - Below(Below(2) ? n : std::min<uint64_t>(n, 4))];
        }
        if (how < 7 && type == IR_I64) {
            return Keep(type, GetReg(static_cast<unsigned>(Below(kGprs))));
        }
        if (how < 7 && type == IR_F64) {
            return Keep(type, GetReg(static_cast<unsigned>(kGprs + Below(kFprs))));
        }
        if (how < 7 && type == IR_F32) {
            return Keep(type, Op(IR_OP_funbox, IR_F32, Any(IR_F64)));
        }
        if (how < 7 && type != IR_I64) {
            return Keep(type, Op(IR_OP_trunc, type, Any(IR_I64)));
        }
        return Keep(type, RandomConst(type));
    }

    /* ---- One op of each kind ---- */

    void Integer()
    {
        static const IrOp ops[] = {
            IR_OP_add,    IR_OP_add,   IR_OP_add,    IR_OP_sub,  IR_OP_sub,   IR_OP_mul,
            IR_OP_mulhu,  IR_OP_mulhs, IR_OP_mulhsu, IR_OP_div,  IR_OP_divu,  IR_OP_rem,
            IR_OP_remu,   IR_OP_neg,   IR_OP_and,    IR_OP_and,  IR_OP_or,    IR_OP_or,
            IR_OP_xor,    IR_OP_xor,   IR_OP_not,    IR_OP_shl,  IR_OP_shl,   IR_OP_shr,
            IR_OP_shr,    IR_OP_sar,   IR_OP_rotl,   IR_OP_rotr, IR_OP_clz,   IR_OP_ctz,
            IR_OP_popcnt, IR_OP_bswap, IR_OP_sel,    IR_OP_sel,  IR_OP_clmul, IR_OP_clmulh
        };
        IrOp op = ops[Below(std::size(ops))];
        IrType type = op == IR_OP_clmul || op == IR_OP_clmulh ? IR_I64 : RandomInt();
        bool narrow = op == IR_OP_bswap && ir_bits(type) < 16;

        type = narrow || (type == IR_I1 && op != IR_OP_and && op != IR_OP_or && op != IR_OP_xor &&
                          op != IR_OP_not && op != IR_OP_sel)
                   ? IR_I32
                   : type;
        unsigned n = ir_op_info[op].n_args;
        IrRef a = Any(op == IR_OP_sel ? IR_I1 : type);
        IrRef b = n > 1 ? Any(type) : 0, c = n > 2 ? Any(type) : 0;

        Keep(type, Op(op, type, a, b, c));
    }

    void Compare()
    {
        static const IrOp ops[] = { IR_OP_eq, IR_OP_ne, IR_OP_lt, IR_OP_le, IR_OP_ltu, IR_OP_leu };
        IrType type = RandomInt();
        IrRef a = Any(type), b = Any(type);

        type = IR_I1;
        Keep(type, Op(ops[Below(std::size(ops))], type, a, b));
    }

    void Width()
    {
        static const IrType types[] = { IR_I1, IR_I8, IR_I16, IR_I32, IR_I64 };
        unsigned narrow = static_cast<unsigned>(Below(4)), wide = narrow + 1;

        wide += static_cast<unsigned>(Below(5 - wide));
        if (Below(2)) {
            IrRef a = Any(types[wide]);
            Keep(types[narrow], Op(IR_OP_trunc, types[narrow], a));
        } else {
            IrRef a = Any(types[narrow]);
            Keep(types[wide], Op(Below(2) ? IR_OP_zext : IR_OP_sext, types[wide], a));
        }
    }

    unsigned Rm()
    {
        uint64_t n = Below(6);

        return n < 5 ? static_cast<unsigned>(n) : unsigned{ IR_RM_DYN };
    }

    void FloatArithmetic()
    {
        static const IrOp ops[] = { IR_OP_fadd,  IR_OP_fsub,  IR_OP_fmul,   IR_OP_fdiv,
                                    IR_OP_fsqrt, IR_OP_fma,   IR_OP_fmin,   IR_OP_fmax,
                                    IR_OP_fminm, IR_OP_fmaxm, IR_OP_fround, IR_OP_froundnx };
        IrOp op = ops[Below(std::size(ops))];
        IrType type = RandomFloat();
        unsigned n = ir_op_info[op].n_args;
        IrRef a = Any(type), b = n > 1 ? Any(type) : 0, c = n > 2 ? Any(type) : 0;
        IrRef raw = Op(op, type, a, b, c, 0, Rm());

        Keep(type, Op(IR_OP_fcanon, type, raw));
    }

    void FloatConvert()
    {
        IrType f = RandomFloat(), i = Below(2) ? IR_I32 : IR_I64;
        IrType other = f == IR_F64 ? IR_F32 : IR_F64;
        IrRef a;

        switch (Below(5)) {
        case 0:
            a = Any(f);
            Keep(i, Op(Below(2) ? IR_OP_f2i : IR_OP_f2u, i, a, 0, 0, 0, Rm()));
            break;
        case 1:
            a = Any(i);
            Keep(f, Op(Below(2) ? IR_OP_i2f : IR_OP_u2f, f, a, 0, 0, 0, Rm()));
            break;
        case 2:
            a = Any(f);
            a = Op(IR_OP_f2f, other, a, 0, 0, 0, Rm());
            Keep(other, Op(IR_OP_fcanon, other, a));
            break;
        case 3:
            a = Any(IR_F64);
            Keep(IR_I32, Op(IR_OP_f2imod, IR_I32, a));
            break;
        default:
            a = Any(f);
            i = f == IR_F64 ? IR_I64 : IR_I32;
            Keep(i, Op(IR_OP_bitcast, i, a));
            break;
        }
    }

    void FloatBits()
    {
        static const IrOp ops[] = { IR_OP_fneg, IR_OP_fabs, IR_OP_fcopysign, IR_OP_fcanon };
        static const IrOp compares[] = { IR_OP_feq, IR_OP_flt, IR_OP_fle, IR_OP_fltq, IR_OP_fleq };
        IrType type = RandomFloat();
        IrRef a = Any(type), b = Any(type);
        IrOp op = ops[Below(std::size(ops))];

        switch (Below(4)) {
        case 0:
            Keep(IR_I1, Op(compares[Below(std::size(compares))], IR_I1, a, b));
            break;
        case 1:
            Keep(IR_I64, Op(IR_OP_fclass, IR_I64, a));
            break;
        case 2:
            a = Any(IR_F32);
            Keep(IR_F64, Op(IR_OP_fbox, IR_F64, a));
            break;
        default:
            Keep(type, Op(op, type, a, op == IR_OP_fcopysign ? b : 0));
            break;
        }
    }

    /* What compilers write and the simplifier looks for. */
    void Idiom()
    {
        static const IrOp compares[] = { IR_OP_eq, IR_OP_ne,  IR_OP_lt,
                                         IR_OP_le, IR_OP_ltu, IR_OP_leu };
        static const IrOp simple[] = { IR_OP_add, IR_OP_sub,  IR_OP_mul,  IR_OP_divu, IR_OP_remu,
                                       IR_OP_and, IR_OP_or,   IR_OP_xor,  IR_OP_shl,  IR_OP_shr,
                                       IR_OP_sar, IR_OP_rotl, IR_OP_rotr, IR_OP_eq,   IR_OP_ne,
                                       IR_OP_lt,  IR_OP_le,   IR_OP_ltu,  IR_OP_leu };
        static const unsigned shifts[] = { 32, 48, 56 };
        IrOp op = compares[Below(std::size(compares))], ext = Below(2) ? IR_OP_zext : IR_OP_sext;
        IrType type = Below(2) ? IR_I32 : IR_I8;
        IrRef a, b;

        switch (Below(6)) {
        case 0: /* extension by shifts */
            a = Any(IR_I64);
            a = Op(IR_OP_shl, IR_I64, a, Const(IR_I64, shifts[Below(3)]));
            b = Const(IR_I64, Below(2) ? shifts[Below(3)] : Below(64));
            Keep(IR_I64, Op(Below(2) ? IR_OP_shr : IR_OP_sar, IR_I64, a, b));
            break;
        case 1: /* comparison of extended values */
            a = Any(type);
            a = Op(ext, IR_I64, a);
            b = Any(type);
            b = Below(2) ? Op(ext, IR_I64, b) : Const(IR_I64, Interesting());
            a = Below(2) ? Op(op, IR_I1, a, b) : Op(op, IR_I1, b, a);
            Keep(IR_I1, Below(2) ? a : Op(IR_OP_not, IR_I1, a));
            break;
        case 2: /* something with a constant, twice */
            type = RandomInt();
            type = type == IR_I1 ? IR_I64 : type;
            op = simple[Below(13)];
            a = Any(type);
            a = Op(op, type, a, Const(type, Interesting()));
            Keep(type, Op(op, type, a, Const(type, Interesting())));
            break;
        case 3: /* with itself */
            type = RandomInt();
            type = type == IR_I1 ? IR_I64 : type;
            op = simple[Below(std::size(simple))];
            a = Any(type);
            type = ir_op_info[op].result == IR_I1 ? IR_I1 : type;
            Keep(type, Op(op, type, a, a));
            break;
        case 4: /* addw: narrow sum of extended values, extended */
            a = Any(IR_I64);
            a = Op(IR_OP_trunc, IR_I32, a);
            b = Any(IR_I32);
            a = Op(Below(2) ? IR_OP_add : IR_OP_sub, IR_I32, a, b);
            a = Op(IR_OP_sext, IR_I64, a);
            Keep(IR_I64, a);
            b = Op(IR_OP_trunc, Below(2) ? IR_I32 : IR_I16, a);
            a = Op(Below(2) ? IR_OP_sext : IR_OP_zext, IR_I64, b);
            Keep(IR_I64, a);
            break;
        default: /* a flag as a number, tested */
            a = Any(IR_I1);
            a = Op(IR_OP_zext, IR_I64, a);
            if (Below(2)) {
                a = Op(IR_OP_xor, IR_I64, a, Const(IR_I64, 1));
            }
            a = Op(Below(2) ? IR_OP_ne : IR_OP_eq, IR_I1, a, Const(IR_I64, Below(2)));
            Keep(IR_I1, a);
            break;
        }
    }

    /* An address inside the memory, with room for 8 bytes after disp. */
    IrRef Address(uint64_t mask, int64_t *disp)
    {
        IrRef index = Any(IR_I64), base = GetReg(kGenBase);

        index = Op(IR_OP_and, IR_I64, index, Const(IR_I64, mask));
        *disp = static_cast<int64_t>(Below(64));
        return Op(IR_OP_add, IR_I64, base, index);
    }

    void Memory()
    {
        int64_t disp;
        IrRef addr = Address(0x7f, &disp);
        IrType type = RandomType();
        unsigned size = 0;

        type = type == IR_I1 ? IR_I64 : type;
        while (8u << size < ir_bits(type)) {
            size++;
        }
        if (!ir_type_info[type].is_float) {
            size = static_cast<unsigned>(Below(size + 1));
        }
        if (Below(2)) {
            bool sign = !ir_type_info[type].is_float && 8u << size < ir_bits(type) && Below(2);
            Keep(type, Op(IR_OP_load, type, addr, 0, 0, disp,
                          size | (sign ? unsigned{ IR_MEM_SIGN } : 0)));
        } else {
            IrRef value = Any(type);
            Op(IR_OP_store, type, addr, value, 0, disp, size);
        }
    }

    void Atomic()
    {
        int64_t disp;
        IrRef addr = Address(0x78, &disp);
        IrType type = Below(2) ? IR_I64 : IR_I32;
        IrRef a = Any(type), b = Any(type);

        if (Below(3)) {
            Keep(type,
                 Op(IR_OP_amo, type, addr, a, 0, 0, static_cast<unsigned>(Below(IR_RMW_COUNT))));
        } else {
            Keep(type, Op(IR_OP_cas, type, addr, a, b));
        }
        Op(IR_OP_fence, IR_VOID, 0, 0, 0, 0, static_cast<unsigned>(1 + Below(15)));
    }

    void Call()
    {
        IrRef a = Any(IR_I64), b = Any(IR_I64);

        switch (Below(o_.traps ? 4 : 3)) {
        case 0:
            Keep(IR_I64, Op(IR_OP_call, IR_I64, a, b, 0, kHelperSum));
            break;
        case 1:
            Keep(IR_I64, Op(IR_OP_call, IR_I64, a, 0, 0, kHelperPeek));
            break;
        case 2:
            a = Const(IR_I64, Below(kGenFuel)); /* not x14, x15 */
            Op(IR_OP_call, IR_VOID, a, b, 0, kHelperPoke);
            break;
        default:
            a = Op(IR_OP_and, IR_I64, a, Const(IR_I64, Below(4) ? ~1ull : ~0ull));
            Keep(IR_I64, Op(IR_OP_call, IR_I64, a, 0, 0, kHelperRaise));
            break;
        }
    }

    void FpEnv()
    {
        IrRef a;

        switch (Below(3)) {
        case 0:
            Keep(IR_I32, Op(IR_OP_fpflags_get, IR_I32));
            break;
        case 1:
            a = Any(IR_I32);
            a = Op(IR_OP_and, IR_I32, a, Const(IR_I32, 31));
            Op(IR_OP_fpflags_set, IR_VOID, a);
            break;
        default:
            a = Any(IR_I32);
            a = Op(IR_OP_and, IR_I32, a, Const(IR_I32, 3));
            Op(IR_OP_fprm_set, IR_VOID, a);
            break;
        }
    }

    void Trap()
    {
        IrRef a = Any(IR_I64), b = Const(IR_I64, 3);
        IrRef cond = Op(IR_OP_eq, IR_I1, a, b);

        Op(IR_OP_trap_if, IR_VOID, cond, 0, 0, static_cast<int64_t>(Below(100)),
           IR_TRAP_misaligned);
    }

    void SetReg()
    {
        if (o_.fp && Below(4) == 0) {
            IrRef v = Any(IR_F64);
            Op(IR_OP_setreg, IR_VOID, v, 0, 0, static_cast<int64_t>(kGprs + Below(kFprs)));
        } else {
            IrRef v = Any(IR_I64);
            Op(IR_OP_setreg, IR_VOID, v, 0, 0, static_cast<int64_t>(Below(kGenFuel)));
        }
    }

    void One()
    {
        uint64_t n = o_.floats && Below(2) ? 13 + Below(5) : Below(32);

        if (n < 4) {
            Integer();
        } else if (n < 8) {
            Idiom();
        } else if (n < 10) {
            Compare();
        } else if (n < 13) {
            Width();
        } else if (n < 18 && o_.fp) {
            n < 15 ? FloatArithmetic() : n < 17 ? FloatConvert() : FloatBits();
        } else if (n < 21 && o_.memory) {
            n < 20 || Below(3) ? Memory() : Atomic();
        } else if (n == 21 && o_.calls) {
            Call();
        } else if (n == 22 && o_.fp && o_.fpenv) {
            FpEnv();
        } else if (n == 23 && o_.traps) {
            Trap();
        } else if (n == 24 && o_.wide) {
            Op(IR_OP_safepoint, IR_VOID, 0, 0, 0, 0x9000);
        } else {
            SetReg();
        }
    }

    /* ---- Blocks ---- */

    void Head(unsigned id)
    {
        std::vector<IrRef> refs;

        for (IrType type : params_[id]) {
            IrInsn i = {};

            i.op = IR_OP_param;
            i.type = static_cast<uint8_t>(type);
            i.imm = static_cast<int64_t>(refs.size());
            refs.push_back(Keep(type, ir_append(f_, id, i)));
        }
        f_->block[id].n_params = static_cast<uint32_t>(refs.size());
        for (unsigned k = 0; k < refs.size(); k++) {
            bool gpr = params_[id][k] == IR_I64, has_slot = k < (gpr ? 7 : 4);

            if ((gpr || params_[id][k] == IR_F64) && has_slot && Below(2)) {
                IrInsn i = {};

                i.op = IR_OP_setreg;
                i.imm = static_cast<int64_t>(gpr ? 2 * k + Below(2) : kGprs + 2 * k + Below(2));
                i.arg[0] = refs[k];
                ir_append(f_, id, i);
            }
        }
    }

    void EdgeArgs(IrRef term, unsigned which)
    {
        const std::vector<IrRef> &args = args_[which];

        if (!args.empty()) {
            ir_edge_set_args(f_, ir_edge(f_, &f_->insn[term], which), args.data(),
                             static_cast<uint32_t>(args.size()));
        }
    }

    void MakeArgs(unsigned which, unsigned to)
    {
        args_[which].clear();
        for (IrType type : params_[to]) {
            args_[which].push_back(Any(type));
        }
    }

    void Term(IrOp op, IrRef a = 0, int64_t imm = 0, unsigned aux = 0, IrRef b = 0)
    {
        IrInsn i = {};

        i.op = static_cast<uint8_t>(op);
        i.aux = static_cast<uint8_t>(aux);
        i.imm = imm;
        i.arg[0] = a;
        i.arg[1] = b;
        ir_append(f_, block_, i);
    }

    void Exit()
    {
        IrRef a;

        switch (Below(4)) {
        case 0:
            a = Any(IR_I64);
            a = Op(IR_OP_and, IR_I64, a, Const(IR_I64, ~1ull)); /* never VCPU_NO_PC */
            Term(IR_OP_exit_ind, a, 0, Below(2) ? unsigned{ IR_EXIT_RET } : 0);
            break;
        case 1:
            Term(IR_OP_exit_trap, 0, 0x5000, IR_TRAP_syscall);
            break;
        case 2:
            a = Const(IR_I64, 0x6004);
            Term(IR_OP_exit, a, 0x7000, IR_EXIT_CALL);
            break;
        default:
            Term(IR_OP_exit, 0, 0x6000, Below(2) ? unsigned{ IR_EXIT_POLL } : 0);
            break;
        }
    }

    /* Falls through to the next block, or goes to `other` when a random condition holds. */
    void Branch(unsigned id, unsigned other)
    {
        IrRef cond = Any(IR_I1);

        if (other <= id) {
            IrRef fuel = GetReg(kGenFuel);
            fuel = Op(IR_OP_add, IR_I64, fuel, Const(IR_I64, ~0ull));
            Op(IR_OP_setreg, IR_VOID, fuel, 0, 0, kGenFuel);
            IrRef zero = Const(IR_I64, 0);
            IrRef more = Op(IR_OP_lt, IR_I1, zero, fuel);
            cond = Below(2) ? more : Op(IR_OP_and, IR_I1, cond, more);
        }
        MakeArgs(0, other);
        MakeArgs(1, id + 1);
        int64_t edge = ir_edge_new(f_, other);
        ir_edge_new(f_, id + 1);
        Term(IR_OP_brif, cond, edge);
        EdgeArgs(f_->block[id].last, 0);
        EdgeArgs(f_->block[id].last, 1);
    }

    void Block(unsigned id, unsigned n)
    {
        block_ = id;
        if (o_.builder) {
            ir_build_at(&b_, f_, id);
        }
        pool_ = pools_[dominators_[id]];
        Head(id);
        for (unsigned slot = 0; o_.wide && id == 0 && slot < kSlots; slot++) {
            Keep(TestGuest().slots[slot].type, GetReg(slot));
        }
        unsigned insns = id < n ? o_.insns_per_block : static_cast<unsigned>(Below(3));
        for (unsigned k = 0; k < insns; k++) {
            if (k % 3 == 0) {
                Op(IR_OP_insn, IR_VOID, 0, 0, 0, static_cast<int64_t>(0x1000 + 0x100 * id + 4 * k),
                   4);
            }
            One();
        }
        if (id >= others_.size()) {
            Exit();
        } else if (!others_[id]) {
            MakeArgs(0, id + 1);
            int64_t edge = ir_edge_new(f_, id + 1);
            Term(IR_OP_br, 0, edge);
            EdgeArgs(f_->block[id].last, 0);
        } else {
            Branch(id, others_[id]);
        }
        pools_[id] = pool_;
    }

    std::mt19937_64 rng_;
    GenOptions o_;
    IrFunc *f_ = nullptr;
    IrBuild b_;
    IrBlockId block_ = 0;
    Pool pool_;
    std::vector<Pool> pools_;         /* at the end of each block */
    std::vector<unsigned> others_;    /* where each branch goes, 0: a jump to the next block */
    std::vector<unsigned> dominators_, order_;
    std::vector<std::vector<IrType>> params_;
    std::vector<IrRef> args_[2];
};

} // namespace ketch_test

#endif
