/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rounding mode of MXCSR.
 *
 * Between insns it is the guest's dynamic one or, after an op in a static mode, that mode; the
 * next op that needs another one switches, so that neighbours share the switches.  Nothing but
 * rounding depends on it: faults and deopts may come while it is switched, since whoever leaves
 * translated code takes the flags only.  Most often the static mode is the dynamic one already:
 * then a comparison is all there is.
 */
#include "backends/x86_64/lower.h"

#include "backends/x86_64/host.h"

uint32_t x64_rc_field(unsigned rm)
{
    static const uint16_t field[] = { [IR_RM_RNE] = 0, [IR_RM_RTZ] = 0x6000, [IR_RM_RDN] = 0x2000,
                                      [IR_RM_RUP] = 0x4000 };

    return field[rm];
}

/* MXCSR on its way from or to the register, and as it was before the switch: no edge, which
 * needs this word too, comes before the way back. */
static X64Mem csr_mem(void)
{
    return x64_spill_mem(X64_SPILLS);
}

static X64Mem dynamic_mem(void)
{
    return x64_spill_mem(X64_SPILLS - 1);
}

static void move_csr(X64Gen *g, bool load)
{
    x64_rm(&g->e, X64_0F | 0xae, false, load ? 2 : 3, csr_mem(), 0);
}

/* value: the field of the mode */
static void to_static(X64Gen *g, const X64Cold *c)
{
    move_csr(g, false);
    x64_load(&g->e, X64_SCRATCH, csr_mem());
    x64_store(&g->e, X64_SCRATCH, dynamic_mem());
    x64_alu_mi(&g->e, X64_AND, false, csr_mem(), ~X64_CSR_RC);
    x64_alu_mi(&g->e, X64_OR, false, csr_mem(), (int32_t)c->value);
    move_csr(g, true);
    x64_cold_return(g, c);
}

static void to_dynamic(X64Gen *g, const X64Cold *c)
{
    x64_mov_rr(&g->e, true, X64_SCRATCH, X64_RAX);
    move_csr(g, false);
    x64_rm(&g->e, 0x8b, false, X64_RAX, dynamic_mem(), 0);
    x64_alu_ri(&g->e, X64_AND, false, X64_RAX, X64_CSR_RC);
    x64_alu_mi(&g->e, X64_AND, false, csr_mem(), ~X64_CSR_RC);
    x64_rm(&g->e, X64_OR << 3 | 1, false, X64_RAX, csr_mem(), 0); /* or mem, eax */
    move_csr(g, true);
    x64_mov_rr(&g->e, true, X64_RAX, X64_SCRATCH);
    x64_cold_return(g, c);
}

void x64_rounding(X64Gen *g, unsigned rm)
{
    unsigned wanted = rm == IR_RM_DYN ? 0 : rm + 1, mode;

    if (wanted == g->rounding) {
        return;
    }
    if (wanted && g->rounding) {
        x64_rounding(g, IR_RM_DYN);
    }
    mode = (wanted ? wanted : g->rounding) - 1;
    x64_alu_mi(&g->e, X64_CMP, false, x64_state(X64_VCPU(fp_rm)), (int32_t)mode);
    x64_cold(g, wanted ? to_static : to_dynamic, x64_jcc(&g->e, X64_CC_NE, NULL))->value =
        x64_rc_field(mode);
    g->rounding = (uint8_t)wanted;
}

bool x64_wants_dynamic(const IrInsn *i)
{
    uint32_t effects = ir_op_info[i->op].effects;

    return effects & (IR_CALL | IR_FPENV | IR_TERM) ||
           (effects & IR_FP && i->aux == IR_RM_DYN);
}
