/* SPDX-License-Identifier: Apache-2.0 */
/* The guest state as the rest of Ketch sees it: slots, pins, helpers, reset, dump. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontends/riscv/riscv.h"

static const IrSlot slots[] = {
#define REG(name, type, slot, format) [slot] = { #name, IR_##type },
#include "frontends/riscv/regs.def"
};

#define RV_CHANGES_ALL (IR_STATE_R | IR_STATE_W | IR_MEM_R | IR_MEM_W | IR_TRAPS)

static const IrHelper helpers[] = {
#define ARGS0() 0, { 0 }
#define ARGS1(x) 1, { IR_##x }
#define ARGS2(x, y) 2, { IR_##x, IR_##y }
#define ARGS3(x, y, z) 3, { IR_##x, IR_##y, IR_##z }
#define HELPER(name, result, args, effects) \
    [RV_HELPER_##name] = { #name, rv_helper_##name, IR_##result, args, effects },
#include "frontends/riscv/helpers.def"
};

/* So that a row of regs.def can name its file: PIN(gpr, ...) fills one array, PIN(fpr, ...) the
 * other. */
#define PIN_gpr_gpr(priority, name) [priority] = RV_SLOT_##name,
#define PIN_gpr_fpr(priority, name)
#define PIN_fpr_gpr(priority, name)
#define PIN_fpr_fpr(priority, name) [priority] = RV_SLOT_##name,

const IrGuest rv_guest = {
    .name = "riscv64",
    .slots = slots,
    .n_slots = RV_USER_SLOTS,
    .pin_gpr = {
#define PIN(file, priority, name) PIN_gpr_##file(priority, name)
#include "frontends/riscv/regs.def"
    },
    .pin_fpr = {
#define PIN(file, priority, name) PIN_fpr_##file(priority, name)
#include "frontends/riscv/regs.def"
    },
    .helpers = helpers,
    .n_helpers = RV_HELPER_COUNT,
};

const IrGuest rv_machine_guest = {
    .name = "riscv64-machine",
    .slots = slots,
    .n_slots = RV_SLOT_COUNT,
    .pin_gpr = {
#define PIN(file, priority, name) PIN_gpr_##file(priority, name)
#include "frontends/riscv/regs.def"
    },
    .pin_fpr = {
#define PIN(file, priority, name) PIN_fpr_##file(priority, name)
#include "frontends/riscv/regs.def"
    },
    .helpers = helpers,
    .n_helpers = RV_HELPER_COUNT,
};

uint32_t rv_mode(const Vcpu *vcpu)
{
    uint64_t frm = vcpu->slot[RV_SLOT_frm];

    return frm <= IR_RM_RUP ? RV_MODE_host_rm : frm == IR_RM_RMM ? RV_MODE_rmm : RV_MODE_bad_rm;
}

bool rv_reserved(const Vcpu *vcpu)
{
    return vcpu->slot[RV_SLOT_resaddr] != VCPU_NO_PC;
}

void rv_reset(Vcpu *vcpu)
{
    memset(vcpu->slot, 0, RV_USER_SLOTS * sizeof(vcpu->slot[0]));
    vcpu->slot[RV_SLOT_resaddr] = VCPU_NO_PC;
    vcpu->fp_flags = 0;
    vcpu->fp_rm = IR_RM_RNE;
    vcpu->mode = RV_MODE_host_rm;
}

/* Appends to text[*at...]; what does not fit is lost. */
__attribute__((format(printf, 4, 5))) static void put(char *text, size_t size, size_t *at,
                                                      const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text + *at, size - *at, fmt, args);
    va_end(args);
    *at += n < 0 ? 0 : (size_t)n;
    *at = *at < size ? *at : size - 1;
}

enum { SHOW_NO, SHOW_X = 'x', SHOW_F = 'f' };

static const char shown[] = {
#define REG(name, type, slot, format) [slot] = SHOW_##format,
#include "frontends/riscv/regs.def"
};

void rv_dump(const Vcpu *vcpu, char *text, size_t size)
{
    size_t at = 0;

    put(text, size, &at, " pc       %016llx\n", (unsigned long long)vcpu->pc);
    for (unsigned i = 0; i < RV_SLOT_COUNT; i++) {
        if (shown[i]) {
            put(text, size, &at, " %c%-2u/%-4s %016llx%s", shown[i], i % 32, slots[i].name,
                (unsigned long long)vcpu->slot[i], i % 4 == 3 ? "\n" : "");
        }
    }
    put(text, size, &at, " frm %u fflags %02x\n", (unsigned)vcpu->slot[RV_SLOT_frm],
        vcpu->fp_flags);
}
