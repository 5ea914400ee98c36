/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random functions mean the same before and after: the builder's simplification, each pass alone,
 * and both levels.  KETCH_TEST_SEED and KETCH_TEST_COUNT choose other cases.
 */
#include <cstdlib>
#include <gtest/gtest.h>

#include "testsuite/ir/gen.h"

extern "C" {
#include "ir/opt/opt.h"
}

using namespace ketch_test;

namespace
{

uint64_t FromEnv(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, nullptr, 0) : otherwise;
}

GenOptions OptionsFor(uint64_t seed)
{
    GenOptions o;

    o.blocks = seed % 3 == 0 ? 1 : static_cast<unsigned>(2 + seed % 11);
    o.insns_per_block = static_cast<unsigned>(3 + seed % 17);
    o.params = seed % 4 == 1;
    o.wide = seed % 8 == 1;
    o.floats = seed % 3 == 1;
    o.fp = seed % 5 != 0;
    o.calls = seed % 7 != 0;
    o.traps = seed % 2 != 0;
    o.fpenv = seed % 8 == 0;
    return o;
}

class Semantic
{
  public:
    explicit Semantic(uint64_t seed) : seed_(seed), arena_(NewArena()), machine_(be_interp)
    {
        options_ = OptionsFor(seed);
        text_ = Print(Make(false));
        Gen states(seed ^ 0x5eed, options_);
        for (int k = 0; k < 4; k++) {
            State s = states.RandomState(machine_.Memory(kGenMemory));
            before_.push_back(s);
            EXPECT_TRUE(machine_.Run(Make(false), &s));
            after_.push_back(s);
        }
    }

    IrFunc *Make(bool builder)
    {
        GenOptions o = options_;

        o.builder = builder;
        return Gen(seed_, o).Function(arena_.get());
    }

    /* `f` does what the function does that was made raw. */
    bool Same(const IrFunc *f, const char *what)
    {
        const char *error = "";

        if (!ir_verify(f, &error)) {
            ADD_FAILURE() << what << ", seed " << seed_ << ": " << error << "\n"
                          << text_ << "became\n"
                          << Print(f);
            return false;
        }
        for (size_t k = 0; k < before_.size(); k++) {
            State got = before_[k];

            EXPECT_TRUE(machine_.Run(f, &got));
            std::string difference = Difference(after_[k], got);
            if (!difference.empty()) {
                ADD_FAILURE() << what << ", seed " << seed_ << ", state " << k << ": " << difference
                              << "\n"
                              << text_ << "became\n"
                              << Print(f);
                return false;
            }
        }
        return true;
    }

  private:
    std::string Print(const IrFunc *f)
    {
        return ir_print(f, arena_.get());
    }

    uint64_t seed_;
    ArenaPtr arena_;
    Machine machine_;
    GenOptions options_;
    std::string text_;
    std::vector<State> before_, after_;
};

TEST(Semantic, PassesKeepTheMeaning)
{
    ir_opt_verifies = true;
    uint64_t first = FromEnv("KETCH_TEST_SEED", 1), count = FromEnv("KETCH_TEST_COUNT", 3000);

    for (uint64_t seed = first; seed < first + count; seed++) {
        ir_moves = seed % 3 == 0 || seed % 128 == 1; /* takes memory by the square of the size */
        Semantic s(seed);
        IrFunc *f = s.Make(false);

        ASSERT_TRUE(s.Same(f, "as made"));
        ASSERT_TRUE(s.Same(s.Make(true), "builder"));
        for (const IrPass &pass : ir_passes) {
            f = s.Make(false);
            pass.run(f);
            ASSERT_TRUE(s.Same(f, pass.name));
        }
        for (unsigned level = 1; level <= 2; level++) {
            for (bool builder : { false, true }) {
                f = s.Make(builder);
                uint64_t most = seed % 4 ? UINT64_MAX : seed % 16 * f->n_insns;
                ir_opt_run(f, level, most);
                ASSERT_TRUE(s.Same(f, level == 1 ? "level 1" : "level 2")) << "at most " << most;
            }
        }
    }
}

TEST(Verifies, AndNamesWhatBrokeARule)
{
    ArenaPtr arena = NewArena();
    GenOptions o;
    IrFunc *f = Gen(1, o).Function(arena.get());

    ir_opt_verifies = true;
    f->block[0].n_params = 1;
    EXPECT_DEATH(ir_opt_run(f, 1, UINT64_MAX), "as made: block 0: n_params is wrong");
}

} // namespace
