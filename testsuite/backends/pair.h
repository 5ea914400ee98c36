/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testsuite/backends/pair.h - one function on the interpreter and on the x86-64 backend, from the
 * same state and in the same memory.
 */
#ifndef KETCH_TESTSUITE_BACKENDS_PAIR_H
#define KETCH_TESTSUITE_BACKENDS_PAIR_H

#include <sys/mman.h>

#include "testsuite/ir/run.h"

extern "C" {
#include "backends/common/codebuf.h"
#include "backends/x86_64/host.h"
}

namespace ketch_test
{

/* Sets of host features to compile for: all, none, and each alone missing. */
inline std::vector<uint32_t> FeatureMasks()
{
    std::vector<uint32_t> masks = { ~0u, 0 };

    for (unsigned k = 0; k < X64_FEATURE_COUNT; k++) {
        masks.push_back(~(1u << k));
    }
    return masks;
}

class Pair
{
  public:
    Pair() : code_(codebuf_new(4u << 20))
    {
        if (!be_x86_64.start(code_, &TestGuest())) {
            abort();
        }
        vcpu_ = std::make_unique<Vcpu>();
        for (unsigned k = 0; k < kHelpers; k++) {
            helpers_[k] = TestGuest().helpers[k].fn;
        }
        vcpu_->guest = &TestGuest();
        vcpu_->helpers = helpers_;
        vcpu_->raise = &raise_;
        for (auto &entry : vcpu_->jump_cache) {
            entry.pc = VCPU_NO_PC;
        }
        /* Random targets may be VCPU_NO_PC itself: not where it would be looked for. */
        unsigned index = vcpu_jump_index(VCPU_NO_PC);

        vcpu_->jump_cache[index].pc = vcpu_->jump_cache[vcpu_jump_second(index)].pc = 0;
    }

    ~Pair()
    {
        x64_features_limit(~0u);
        x64_poison = false;
        codebuf_free(code_);
    }

    void Features(uint32_t mask)
    {
        x64_features_limit(mask);
    }

    void Poison(bool poison)
    {
        x64_poison = poison;
    }

    void Alone(bool alone)
    {
        alone_ = alone;
    }

    BeStatus Compile(const Backend &backend, const IrFunc *f, BeCode *unit)
    {
        BeOptions options = {};

        options.no_link = true;
        options.alone = alone_;
        if (backend.compile(code_, f, &options, unit) == BE_FULL) {
            codebuf_reset(code_);
            be_x86_64.restart(code_);
        } else {
            return BE_OK;
        }
        return backend.compile(code_, f, &options, unit);
    }

    /* Runs from `state`, whose memory goes to `memory` before and comes from there after. */
    void Enter(const Backend &backend, const BeCode *unit, State *state, uint8_t *memory)
    {
        memcpy(memory, state->memory.data(), state->memory.size());
        memcpy(vcpu_->slot, state->slot.data(), sizeof(uint64_t) * kSlots);
        vcpu_->pc = state->pc;
        vcpu_->fp_flags = state->fp_flags;
        vcpu_->fp_rm = state->fp_rm;
        vcpu_->exit_arg = 0;
        if (sigsetjmp(raise_, 1) == 0) {
            state->trap = backend.enter(vcpu_.get(), unit);
        } else {
            if (backend.raised) {
                backend.raised(vcpu_.get());
            }
            state->trap = static_cast<IrTrap>(vcpu_->exit_trap);
        }
        memcpy(state->slot.data(), vcpu_->slot, sizeof(uint64_t) * kSlots);
        memcpy(state->memory.data(), memory, state->memory.size());
        state->pc = vcpu_->pc;
        state->fp_flags = vcpu_->fp_flags;
        state->fp_rm = vcpu_->fp_rm;
        state->arg = vcpu_->exit_arg;
    }

    Vcpu *vcpu()
    {
        return vcpu_.get();
    }

    sigjmp_buf *raise()
    {
        return &raise_;
    }

  private:
    CodeBuf *code_;
    bool alone_ = false;
    std::unique_ptr<Vcpu> vcpu_;
    IrHelperFn *helpers_[kHelpers];
    sigjmp_buf raise_;
};

} // namespace ketch_test

#endif
