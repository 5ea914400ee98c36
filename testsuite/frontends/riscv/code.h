/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/frontends/riscv/code.h - RISC-V code to IR for tests: what a translator does with
 * straight code, one instruction after the other until one ends the block.
 */
#ifndef KETCH_TESTSUITE_FRONTENDS_RISCV_CODE_H
#define KETCH_TESTSUITE_FRONTENDS_RISCV_CODE_H

#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "base/arena.h"
#include "frontends/frontend.h"
#include "frontends/riscv/insns.h"
}

class Code
{
  public:
    static constexpr uint64_t kPc = 0x10000;

    FeContext c = {};

    /* Encodings: 16 or 32 bits by their low bits. */
    explicit Code(const std::vector<uint32_t> &insns, const Frontend *frontend = &fe_riscv64)
        : fe_(frontend)
    {
        for (uint32_t bits : insns)
            for (int at = 0; at < ((bits & 3) == 3 ? 4 : 2); at++)
                bytes_.push_back(uint8_t(bits >> 8 * at));
        c.block_at = [](FeContext *, uint64_t, IrBlockId *) { return false; };
    }

    /* The IR; empty, with error() set, when it breaks a rule. */
    std::string translate()
    {
        IrFunc *f = ir_func_new(arena_.get(), fe_->guest, kPc);
        const char *error = nullptr;

        f->mode = c.mode;
        ir_build_at(&c.b, f, ir_block_new(f, kPc));
        for (c.pc = kPc; !c.ended; c.pc = c.next_pc) {
            size_t at = size_t(c.pc - kPc);

            if (at == bytes_.size()) {
                ir_exit(&c.b, c.pc, 0, 0);
                break;
            }
            c.bytes = bytes_.data() + at;
            c.n_bytes = bytes_.size() - at;
            fe_->translate(&c);
        }
        if (!ir_verify(f, &error)) {
            error_ = error;
            return "";
        }
        return ir_print(f, arena_.get());
    }

    FeShape shape() const
    {
        return fe_->shape(kPc, bytes_.data(), bytes_.size());
    }

    unsigned sequence() const
    {
        return fe_->sequence(bytes_.data(), bytes_.size());
    }

    std::string text() const
    {
        char text[128] = "";

        fe_->disassemble(kPc, bytes_.data(), bytes_.size(), text, sizeof(text));
        return text;
    }

    const std::string &error() const
    {
        return error_;
    }

  private:
    const Frontend *fe_;
    std::vector<uint8_t> bytes_;
    std::string error_;
    std::unique_ptr<Arena, void (*)(Arena *)> arena_{ arena_new(1 << 24), arena_free };
};

#endif
