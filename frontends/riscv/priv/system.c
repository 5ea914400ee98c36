/* SPDX-License-Identifier: Apache-2.0 */
/* fe_riscv64_system: the machine's side of the RISC-V frontend. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontends/riscv/priv/state.h"

static bool create(Vcpu *vcpu, const FeSystemConfig *config, const char **error)
{
    RvSystem *s = calloc(1, sizeof(*s));
    char text[1024];

    if (!s) {
        *error = "Out of memory.";
        return false;
    }
    s->config = *config;
    s->config.options = NULL;
    if (!rv_options_parse(config->options, &s->options, text, sizeof(text))) {
        free(s);
        *error = strdup(text); /* never freed: Ketch is about to end */
        return false;
    }
    rv_options_choose(&s->options);
    vcpu->system = s;
    return true;
}

static void destroy(Vcpu *vcpu)
{
    free(vcpu->system);
    vcpu->system = NULL;
}

static void describe(const Vcpu *vcpu, FeCpu *cpu)
{
    const RvOptions *options = &rv_system(vcpu)->options;

    rv_options_isa(options, cpu->isa, sizeof(cpu->isa));
    cpu->mmu = rv_options_mmu(options);
    cpu->zicbom_block = options->zicbom ? RV_CBO_BLOCK : 0;
    cpu->zicboz_block = options->zicboz ? RV_CBO_BLOCK : 0;
}

/* Writes a register that holds anything, by its rules, over a state that is legal. */
static void write_again(Vcpu *vcpu, unsigned number, uint64_t legal)
{
    const RvCsr *csr = rv_csr_find(number);
    uint64_t *word = rv_csr_storage(vcpu, csr), value = *word;

    *word = legal;
    rv_csr_write(vcpu, csr, number, value, RV_ALL);
}

/* What a damaged snapshot must not bring about: states that no guest can. */
static void legalize(Vcpu *vcpu)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t frm = vcpu->slot[RV_SLOT_frm];

    if (s->privilege != RV_U && s->privilege != RV_S) {
        s->privilege = RV_M;
    }
    write_again(vcpu, RV_CSR_satp, 0);
    write_again(vcpu, RV_CSR_mstatus, RV_STATUS_XL);
    write_again(vcpu, RV_CSR_menvcfg, 0);
    rv_csr_write(vcpu, rv_csr_find(RV_CSR_frm), RV_CSR_frm, frm, RV_ALL);
    vcpu->slot[RV_SLOT_zero] = 0;
}

/* Makes what is derived from the registers. */
static void loaded(Vcpu *vcpu)
{
    RvSystem *s = rv_system(vcpu);

    legalize(vcpu);
    rv_pmp_update(s);
    s->changed = 0;
    s->data = s->fetch = (MmuKey){ .root = UINT64_MAX };
    mmu_flush_all(vcpu);
    rv_set_privilege(vcpu, (RvPrivilege)s->privilege);
    rv_look_at_timer(vcpu);
    rv_interrupts(vcpu);
    if (s->options.sstc) {
        s->config.set_timer(s->config.opaque, s->config.hart, s->stimecmp);
    }
}

static void clear_registers(Vcpu *vcpu)
{
    for (unsigned i = 0; rv_csr_row(i); i++) {
        uint64_t *word = rv_csr_storage(vcpu, rv_csr_row(i));

        if (word) {
            *word = 0;
        }
    }
}

/* Lines keep their level: they are the devices'. */
static void reset(Vcpu *vcpu, uint64_t pc, uint64_t arg0, uint64_t arg1)
{
    RvSystem *s = rv_system(vcpu);
    const RvOptions *o = &s->options;

    rv_reset(vcpu);
    clear_registers(vcpu);
    s->soft_ip = 0;
    s->privilege = RV_M;
    s->stimecmp = UINT64_MAX;
    s->menvcfg = (o->svpbmt ? RV_ENVCFG_PBMTE : 0) | (o->svadu && !o->svade ? RV_ENVCFG_ADUE : 0);
    vcpu->slot[RV_SLOT_status] = RV_STATUS_XL;
    vcpu->slot[RV_SLOT_a0] = arg0;
    vcpu->slot[RV_SLOT_a1] = arg1;
    vcpu->pc = pc;
    loaded(vcpu);
    vcpu->mode = rv_machine_mode(vcpu);
}

/* ---- Traps ---- */

/* The address and kind of the atomic instruction at pc. */
static void misaligned(Vcpu *vcpu)
{
    uint32_t bits = 0;
    unsigned insn = rv_fetch_at_pc(vcpu, &bits) ? rv_decode(bits) : RV_none;
    bool load = insn == RV_lr_w || insn == RV_lr_d;

    rv_enter(vcpu, load ? RV_EXC_LOAD_MISALIGNED : RV_EXC_STORE_MISALIGNED,
             vcpu->slot[rv_field_rs1(bits)]);
}

/* The translator could not fetch at `addr`: for a reason of the page tables, or it is not memory. */
static void fetch_fault(Vcpu *vcpu, uint64_t addr)
{
    FeWalk walk = rv_walk(vcpu, addr, MMU_exec, 2);

    rv_enter(vcpu, walk.ok ? RV_EXC_FETCH_ACCESS : walk.cause, addr);
}

static void trap(Vcpu *vcpu, IrTrap why, uint64_t arg)
{
    switch ((int)why) {
    case IR_TRAP_syscall:
        rv_enter(vcpu, RV_EXC_ECALL + rv_system(vcpu)->privilege, 0);
        break;
    case IR_TRAP_breakpoint:
        rv_enter(vcpu, RV_EXC_BREAKPOINT, 0);
        break;
    case IR_TRAP_fetch:
        fetch_fault(vcpu, arg);
        break;
    case IR_TRAP_misaligned_fetch:
        rv_enter(vcpu, RV_EXC_FETCH_MISALIGNED, arg);
        break;
    case IR_TRAP_misaligned:
        misaligned(vcpu);
        break;
    default:
        rv_enter(vcpu, RV_EXC_ILLEGAL, arg);
        break;
    }
}

enum { BUS_ERROR = RV_EXC_COUNT };

static void fault(Vcpu *vcpu, uint64_t vaddr, MmuAccess access, uint64_t cause)
{
    rv_enter(vcpu, cause == BUS_ERROR ? rv_access_fault(access) : cause, vaddr);
}

/* ---- Interrupts ---- */

/* Privileged spec, "Machine Interrupt Registers": the order of simultaneous interrupts. */
static unsigned most_important(uint64_t set)
{
    static const uint8_t order[] = { RV_IRQ_MEI, RV_IRQ_MSI, RV_IRQ_MTI,
                                     RV_IRQ_SEI, RV_IRQ_SSI, RV_IRQ_STI };

    for (size_t i = 0; i < sizeof(order); i++) {
        if (set >> order[i] & 1) {
            return order[i];
        }
    }
    return 0;
}

/* Those for M come before those for S. */
static bool interrupt(Vcpu *vcpu)
{
    uint64_t take = rv_interrupts(vcpu), for_m = take & ~rv_system(vcpu)->mideleg;

    if (!take) {
        return false;
    }
    rv_enter(vcpu, RV_CAUSE_INTERRUPT | most_important(for_m ? for_m : take), 0);
    return true;
}

static bool pending(Vcpu *vcpu, bool waiting)
{
    uint64_t take = rv_interrupts(vcpu);

    return waiting ? vcpu->slot[RV_SLOT_irqs] != 0 : take != 0;
}

/* SSI has no level: it sets a bit that software clears. */
static void set_line(Vcpu *vcpu, unsigned line, bool level)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t bit = RV_BIT(line) & RV_LINES;

    if (line == RV_IRQ_SSI) {
        atomic_fetch_or_explicit(&s->soft_ip, level ? RV_SSIP : 0, memory_order_release);
    } else if (level) {
        atomic_fetch_or_explicit(&s->lines, bit, memory_order_release);
    } else {
        atomic_fetch_and_explicit(&s->lines, ~bit, memory_order_release);
    }
}

/* Too early, by some rounding: once more. */
static void timer(Vcpu *vcpu)
{
    RvSystem *s = rv_system(vcpu);

    rv_look_at_timer(vcpu);
    rv_interrupts(vcpu);
    if (!s->timer_due && s->stimecmp != UINT64_MAX) {
        s->config.set_timer(s->config.opaque, s->config.hart, s->stimecmp);
    }
}

/* ---- Snapshots ---- */

/* What no row of csr.def has. */
static uint64_t *other_field(Vcpu *vcpu, unsigned index, const char **name)
{
    RvSystem *s = rv_system(vcpu);
    const struct {
        const char *name;
        uint64_t *value;
    } fields[] = {
        { "privilege", &s->privilege },
        { "soft_ip", (uint64_t *)&s->soft_ip }, /* the hart is at rest */
        { "lines", (uint64_t *)&s->lines },
    };

    if (index >= sizeof(fields) / sizeof(fields[0])) {
        return NULL;
    }
    *name = fields[index].name;
    return fields[index].value;
}

static bool field(Vcpu *vcpu, unsigned index, const char **name, uint64_t **value)
{
    uint64_t *word;

    for (unsigned i = 0; rv_csr_row(i); i++) {
        word = rv_csr_storage(vcpu, rv_csr_row(i));
        if (word && index-- == 0) {
            *name = rv_csr_row(i)->name;
            *value = word;
            return true;
        }
    }
    word = other_field(vcpu, index, name);
    if (word) {
        *value = word;
    }
    return word != NULL;
}

const FeSystem fe_riscv64_system = {
    .create = create,
    .destroy = destroy,
    .describe = describe,
    .reset = reset,
    .walk = rv_walk,
    .locate = rv_locate,
    .mapping = rv_mapping,
    .trap = trap,
    .fault = fault,
    .bus_error = BUS_ERROR,
    .interrupt = interrupt,
    .pending = pending,
    .set_line = set_line,
    .timer = timer,
    .field = field,
    .loaded = loaded,
};
