/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/x86_64/lower.h"

const X64Rule x64_rules[IR_OP_COUNT] = {
#define RULE(op, fn, arg) [IR_OP_##op] = { fn, arg },
#include "backends/x86_64/rules.def"
};

enum {
    RULE_COUNT = 0
#define RULE(...) +1
#include "backends/x86_64/rules.def"
};

_Static_assert(RULE_COUNT == (int)IR_OP_COUNT - 1, "an IR operation has no x86-64 rule");
