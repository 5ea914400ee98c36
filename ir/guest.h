/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/guest.h - what the IR, the backends and the translator know of a guest ISA.
 *
 * A guest register is a *slot*: 64 bits in Vcpu.slot[], named by its index.  `getreg` and
 * `setreg` name slots.  A frontend describes its slots and the C functions that its code may
 * call in one constant IrGuest; nobody else knows the guest's registers.
 */
#ifndef KETCH_IR_GUEST_H
#define KETCH_IR_GUEST_H

#include <stdint.h>

#include "ir/ir.h"

typedef struct Vcpu Vcpu;

enum {
    IR_PIN_GPRS = 8, /* integer registers that stay in host registers between units */
    IR_PIN_FPRS = 6, /* the same for floating point */
    IR_NO_SLOT = 255,
};

typedef struct IrSlot {
    const char *name; /* as the guest's ABI spells it: "a0", "fa0" */
    IrType type;      /* IR_I64 or IR_F64 */
} IrSlot;

/*
 * A C function that translated code calls: fn(vcpu, a, b, c), integers zero-extended, floats as
 * their bits.  `effects`: IR_STATE_R when it reads slots, IR_STATE_W when it writes them (the
 * backend then puts all slots in memory before, and forgets cached ones after), IR_TRAPS when it
 * may leave through vcpu_raise(); IR_WORDS as STATE_R and STATE_W together, for the slots from
 * first_word on; MEM_R and MEM_W as for loads and stores; IR_PURE when it only
 * computes.  It runs under the guest's rounding mode and accumulates FP flags through
 * ir_fp_raise() only.
 */
typedef uint64_t IrHelperFn(Vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c);

typedef struct IrHelper {
    const char *name;
    IrHelperFn *fn;
    IrType result; /* IR_VOID when none */
    uint8_t n_args;
    IrType arg[3];
    uint32_t effects;
} IrHelper;

typedef struct IrGuest {
    const char *name; /* "riscv64" */
    const IrSlot *slots;
    unsigned n_slots;
    uint8_t pin_gpr[IR_PIN_GPRS]; /* slots, most important first; IR_NO_SLOT when fewer */
    uint8_t pin_fpr[IR_PIN_FPRS];
    uint8_t pin_more;   /* slot + 1 of one more integer register; 0: none */
    uint8_t first_word; /* slots from here on are words of instrumentation; 0: none are */
    const IrHelper *helpers;
    unsigned n_helpers;
} IrGuest;

#endif
