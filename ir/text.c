/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/text.h"

static const IrTextForm forms[IR_OP_COUNT] = {
    [IR_OP_const] = { IR_AUX_NONE, IR_IMM_NUMBER },
    [IR_OP_param] = { IR_AUX_PARAM, IR_IMM_NUMBER },
    [IR_OP_getreg] = { IR_AUX_NONE, IR_IMM_SLOT },
    [IR_OP_setreg] = { IR_AUX_NONE, IR_IMM_SLOT },
    [IR_OP_ldstate] = { IR_AUX_NONE, IR_IMM_NUMBER },
    [IR_OP_ststate] = { IR_AUX_NONE, IR_IMM_NUMBER },
    [IR_OP_addstate] = { IR_AUX_NONE, IR_IMM_NUMBER },
    [IR_OP_sthost] = { IR_AUX_NONE, IR_IMM_DISP },
    [IR_OP_refill] = { IR_AUX_NONE, IR_IMM_NUMBER },
    [IR_OP_insn] = { IR_AUX_LENGTH, IR_IMM_PC },
    [IR_OP_load] = { IR_AUX_MEM, IR_IMM_DISP },
    [IR_OP_store] = { IR_AUX_MEM, IR_IMM_DISP },
    [IR_OP_amo] = { IR_AUX_RMW, IR_IMM_NONE },
    [IR_OP_fence] = { IR_AUX_ORDER, IR_IMM_NONE },
    [IR_OP_call] = { IR_AUX_NONE, IR_IMM_HELPER },
    [IR_OP_safepoint] = { IR_AUX_NONE, IR_IMM_PC },
    [IR_OP_trap_if] = { IR_AUX_TRAP, IR_IMM_ARG },
    [IR_OP_br] = { IR_AUX_NONE, IR_IMM_EDGE },
    [IR_OP_brif] = { IR_AUX_NONE, IR_IMM_EDGES },
    [IR_OP_exit] = { IR_AUX_EXIT, IR_IMM_PC },
    [IR_OP_exit_ind] = { IR_AUX_EXIT, IR_IMM_NONE },
    [IR_OP_exit_trap] = { IR_AUX_TRAP, IR_IMM_PC },
};

IrTextForm ir_text_form(IrOp op)
{
    IrTextForm form = forms[op];

    if (ir_op_info[op].effects & IR_FP) {
        form.aux = IR_AUX_RM;
    }
    return form;
}

static const char *const rmw_names[IR_RMW_COUNT] = {
    [IR_RMW_swap] = "swap", [IR_RMW_add] = "add",   [IR_RMW_and] = "and",
    [IR_RMW_or] = "or",     [IR_RMW_xor] = "xor",   [IR_RMW_min] = "min",
    [IR_RMW_max] = "max",   [IR_RMW_minu] = "minu", [IR_RMW_maxu] = "maxu",
};

static const char *const order_names[] = { "ll", "ls", "sl", "ss" };
static const char *const exit_names[] = { "poll", "call", "ret" };
static const char *const param_names[] = { "quiet", "sext" };
static const char *const rm_names[IR_RM_DYN + 1] = {
    [IR_RM_RTZ] = "rtz", [IR_RM_RDN] = "rdn", [IR_RM_RUP] = "rup",
    [IR_RM_RMM] = "rmm", [IR_RM_DYN] = "dyn",
};
static const char *const mem_names[8] = { "1", "2", "4", "8", "s1", "s2", "s4", NULL };

static const char *const trap_names[IR_TRAP_COUNT] = {
#define TRAP(name, meaning) [IR_TRAP_##name] = #name,
    IR_TRAPS_LIST(TRAP)
#undef TRAP
};

IrTextNames ir_text_names(IrTextAux aux)
{
    switch (aux) {
    case IR_AUX_MEM:
        return (IrTextNames){ mem_names, 8, false };
    case IR_AUX_RMW:
        return (IrTextNames){ rmw_names, IR_RMW_COUNT, false };
    case IR_AUX_ORDER:
        return (IrTextNames){ order_names, 4, true };
    case IR_AUX_RM:
        return (IrTextNames){ rm_names, IR_RM_DYN + 1, false };
    case IR_AUX_EXIT:
        return (IrTextNames){ exit_names, 3, true };
    case IR_AUX_TRAP:
        return (IrTextNames){ trap_names, IR_TRAP_COUNT, false };
    case IR_AUX_PARAM:
        return (IrTextNames){ param_names, 2, true };
    case IR_AUX_NONE:
    case IR_AUX_LENGTH:
        break;
    }
    return (IrTextNames){ NULL, 0, false };
}

const char *ir_trap_name(IrTrap trap)
{
    return trap < IR_TRAP_COUNT ? trap_names[trap] : "?";
}
