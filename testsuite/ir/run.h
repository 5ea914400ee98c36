/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/ir/run.h - runs functions on a backend: state in, state out.
 *
 * Machine owns a vcpu of TestGuest() and a piece of guest memory.  Guest addresses are host
 * addresses (mem_base 0).
 */
#ifndef KETCH_TESTSUITE_IR_RUN_H
#define KETCH_TESTSUITE_IR_RUN_H

#include <cinttypes>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "testsuite/ir/guest.h"

extern "C" {
#include "backends/backend.h"
}

namespace ketch_test
{

/* What a unit can change and tell. */
struct State {
    std::array<uint64_t, kSlots> slot{};
    std::vector<uint8_t> memory;
    uint32_t fp_flags = 0, fp_rm = 0;
    uint64_t pc = 0;
    IrTrap trap = IR_TRAP_none;
    uint64_t arg = 0;
};

/* The first difference of two states as text; empty when there is none. */
inline std::string Difference(const State &want, const State &got)
{
    char text[160];
    auto differ = [&](const char *what, uint64_t w, uint64_t g) {
        snprintf(text, sizeof(text), "%s: want 0x%" PRIx64 ", got 0x%" PRIx64, what, w, g);
        return std::string(text);
    };

    if (want.trap != got.trap) {
        return std::string("trap: want ") + ir_trap_name(want.trap) + ", got " +
               ir_trap_name(got.trap);
    }
    if (want.pc != got.pc) {
        return differ("pc", want.pc, got.pc);
    }
    for (unsigned k = 0; k < kSlots; k++) {
        if (want.slot[k] != got.slot[k]) {
            return differ(TestGuest().slots[k].name, want.slot[k], got.slot[k]);
        }
    }
    if (want.fp_flags != got.fp_flags) {
        return differ("fp_flags", want.fp_flags, got.fp_flags);
    }
    if (want.fp_rm != got.fp_rm) {
        return differ("fp_rm", want.fp_rm, got.fp_rm);
    }
    for (size_t k = 0; k < want.memory.size(); k++) {
        if (want.memory[k] != got.memory[k]) {
            return differ(("memory+" + std::to_string(k)).c_str(), want.memory[k], got.memory[k]);
        }
    }
    return want.arg == got.arg ? "" : differ("exit_arg", want.arg, got.arg);
}

class Machine
{
  public:
    explicit Machine(const Backend &backend, CodeBuf *code = nullptr)
        : backend_(backend), code_(code), vcpu_(new Vcpu())
    {
        for (unsigned k = 0; k < kHelpers; k++) {
            helpers_[k] = TestGuest().helpers[k].fn;
        }
        vcpu_->guest = &TestGuest();
        vcpu_->helpers = helpers_;
        vcpu_->raise = &raise_;
        for (auto &entry : vcpu_->jump_cache) {
            entry.pc = VCPU_NO_PC;
        }
    }

    /*
     * Runs `f` once from `state`.  Its memory is copied to `memory()` before and back after, so
     * addresses in registers should point there.  False when the backend cannot compile it.
     */
    bool Run(const IrFunc *f, State *state)
    {
        BeOptions options = {};
        BeCode code;

        options.no_link = true;
        if (backend_.compile(code_, f, &options, &code) != BE_OK) {
            return false;
        }
        Enter(&code, state);
        backend_.release(&code);
        return true;
    }

    /* The same for a unit that is compiled already. */
    void Enter(const BeCode *code, State *state)
    {
        memory_.resize(state->memory.size());
        memcpy(memory_.data(), state->memory.data(), memory_.size());
        memcpy(vcpu_->slot, state->slot.data(), sizeof(uint64_t) * kSlots);
        vcpu_->pc = state->pc;
        vcpu_->fp_flags = state->fp_flags;
        vcpu_->fp_rm = state->fp_rm;
        vcpu_->exit_arg = 0;
        if (sigsetjmp(raise_, 0) == 0) {
            state->trap = backend_.enter(vcpu_.get(), code);
        } else {
            if (backend_.raised) {
                backend_.raised(vcpu_.get());
            }
            state->trap = static_cast<IrTrap>(vcpu_->exit_trap);
        }
        memcpy(state->slot.data(), vcpu_->slot, sizeof(uint64_t) * kSlots);
        memcpy(state->memory.data(), memory_.data(), memory_.size());
        state->pc = vcpu_->pc;
        state->fp_flags = vcpu_->fp_flags;
        state->fp_rm = vcpu_->fp_rm;
        state->arg = vcpu_->exit_arg;
    }

    /* Where guest memory of `size` bytes will be. */
    uint64_t Memory(size_t size)
    {
        memory_.reserve(size);
        return reinterpret_cast<uint64_t>(memory_.data());
    }

    /* Trades memories, so that two machines can run with the same addresses. */
    void SwapMemory(Machine &other)
    {
        memory_.swap(other.memory_);
    }

    Vcpu *vcpu()
    {
        return vcpu_.get();
    }

  private:
    const Backend &backend_;
    CodeBuf *code_;
    std::unique_ptr<Vcpu> vcpu_;
    IrHelperFn *helpers_[kHelpers];
    sigjmp_buf raise_;
    std::vector<uint8_t> memory_;
};

} // namespace ketch_test

#endif
