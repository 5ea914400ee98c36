/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/interp/interp.h"

#include <stdatomic.h>
#include <string.h>

#include "backends/interp/compile.h"
#include "base/bits.h"
#include "ir/arith.h"
#include "ir/softfloat.h"

typedef struct Machine {
    Vcpu *vcpu;
    const InterpProgram *program;
    const InterpStep *step; /* the next one */
    IrTrap trap;            /* with `left`: why */
    bool left;
    uint64_t value[INTERP_VALUES];
} Machine;

static uint64_t leave_unit(Machine *m, IrTrap trap, uint64_t pc)
{
    m->vcpu->pc = pc;
    m->trap = trap;
    m->left = true;
    return 0;
}

/* The arguments of an edge are all read before the first parameter is written. */
static uint64_t follow(Machine *m, int64_t index)
{
    const InterpEdge *edge = &m->program->edges[index];
    const InterpCopy *copy = &m->program->copies[edge->first];
    uint64_t value[INTERP_EDGE_ARGS];

    for (uint32_t k = 0; k < edge->n; k++) {
        value[k] = m->value[copy[k].from];
    }
    for (uint32_t k = 0; k < edge->n; k++) {
        m->value[copy[k].to] = value[k];
    }
    m->step = &m->program->steps[edge->step];
    return 0;
}

static bool asked_to_leave(Machine *m)
{
    return atomic_load_explicit(&m->vcpu->exit_req, memory_order_acquire) != 0;
}

static void begin(Machine *m, const InterpProgram *program)
{
    m->program = program;
    m->step = program->steps;
    if (program->counter && __atomic_sub_fetch(program->counter, 1, __ATOMIC_RELAXED) < 0) {
        leave_unit(m, IR_TRAP_hot, program->pc);
    }
}

static uint64_t leave_to(Machine *m, const InterpStep *s, IrTrap trap, uint64_t pc)
{
    const VcpuJump *next = &m->vcpu->jump_cache[vcpu_jump_index(pc)];

    if (s->aux & IR_EXIT_POLL && asked_to_leave(m)) {
        leave_unit(m, IR_TRAP_interrupt, pc);
    } else if (m->program->chains && next->pc == (pc ^ m->vcpu->jump_tag)) {
        begin(m, next->host);
    } else {
        leave_unit(m, trap, pc);
    }
    return 0;
}

static unsigned state_size(unsigned type)
{
    return (ir_bits(type) + 7) / 8;
}

static uint64_t load_state(Machine *m, const InterpStep *s)
{
    uint64_t v = 0;

    memcpy(&v, (const char *)m->vcpu + s->imm, state_size(s->type));
    return v;
}

static uint64_t store_state(Machine *m, const InterpStep *s, uint64_t v)
{
    memcpy((char *)m->vcpu + s->imm, &v, state_size(s->type));
    return 0;
}

static uint64_t add_word(void *word, uint64_t n)
{
    uint64_t v;

    memcpy(&v, word, sizeof(v));
    v += n;
    memcpy(word, &v, sizeof(v));
    return 0;
}

static void *host_address(Machine *m, uint64_t guest)
{
    return (void *)(uintptr_t)(m->vcpu->mem_base + guest);
}

/* ---- Guest memory ---- */

static void by_call(Machine *m, VcpuAccess *a)
{
    if (!m->vcpu->access(m->vcpu, a)) {
        vcpu_raise(m->vcpu, m->vcpu->exit_trap, m->vcpu->exit_arg);
    }
}

static uint64_t load(Machine *m, unsigned mem, uint64_t addr)
{
    VcpuAccess a = { .addr = addr, .kind = VCPU_load, .size = (uint8_t)(1 << (mem & IR_MEM_SIZE)) };

    if (!m->program->by_call) {
        return interp_load(host_address(m, addr), mem);
    }
    by_call(m, &a);
    return mem & IR_MEM_SIGN ? (uint64_t)bits_sext(a.value, 8u * a.size) : a.value;
}

static void store(Machine *m, unsigned mem, uint64_t addr, uint64_t value)
{
    VcpuAccess a = { .addr = addr, .kind = VCPU_store, .size = (uint8_t)(1 << (mem & IR_MEM_SIZE)),
                     .value = value };

    if (m->program->by_call) {
        by_call(m, &a);
    } else {
        interp_store(host_address(m, addr), mem, value);
    }
}

/* For reading and writing at once. */
static void *address(Machine *m, uint64_t addr, unsigned bits)
{
    VcpuAccess a = { .addr = addr, .kind = VCPU_rmw, .size = (uint8_t)(bits / 8) };

    if (!m->program->by_call) {
        return host_address(m, addr);
    }
    by_call(m, &a);
    return (void *)(uintptr_t)(addr + a.addend);
}

static uint64_t set_fp_env(Machine *m, IrOp op, uint64_t a)
{
    *(op == IR_OP_fprm_set ? &m->vcpu->fp_rm : &m->vcpu->fp_flags) = (uint32_t)a;
    return 0;
}

static uint64_t call_helper(Machine *m, const InterpStep *s, uint64_t a, uint64_t b, uint64_t c)
{
    return ((IrHelperFn *)(uintptr_t)s->imm)(m->vcpu, a, b, c);
}

/* The ops that ops.def has no expression for.  Inlined where `op` is known. */
__attribute__((always_inline)) static inline uint64_t
effect(Machine *m, IrOp op, const InterpStep *s, uint64_t a, uint64_t b, uint64_t c)
{
    Vcpu *vcpu = m->vcpu;

    switch ((int)op) {
    case IR_OP_getreg:
        return vcpu->slot[s->imm];
    case IR_OP_setreg:
        return vcpu->slot[s->imm] = a;
    case IR_OP_ldstate:
        return load_state(m, s);
    case IR_OP_ststate:
        return store_state(m, s, a);
    case IR_OP_addstate:
        return add_word((char *)vcpu + s->imm, a);
    case IR_OP_addhost:
        return add_word((void *)(uintptr_t)a, b);
    case IR_OP_sthost:
        memcpy((void *)(uintptr_t)(a + (uint64_t)s->imm), &b, sizeof(b));
        return 0;
    case IR_OP_refill:
        return a & (uint64_t)s->imm ? a : vcpu->refill(vcpu, b, a);
    case IR_OP_load:
        return load(m, s->aux, a + (uint64_t)s->imm);
    case IR_OP_store:
        store(m, s->aux, a + (uint64_t)s->imm, b);
        return 0;
    case IR_OP_amo:
        return interp_amo(address(m, a, ir_bits(s->type)), ir_bits(s->type), s->aux, b);
    case IR_OP_cas:
        return interp_cas(address(m, a, ir_bits(s->type)), ir_bits(s->type), b, c);
    case IR_OP_fence:
        atomic_thread_fence(memory_order_seq_cst);
        return 0;
    case IR_OP_fpflags_get:
        return vcpu->fp_flags;
    case IR_OP_fpflags_set:
    case IR_OP_fprm_set:
        return set_fp_env(m, op, a);
    case IR_OP_call:
        return call_helper(m, s, a, b, c);
    case IR_OP_safepoint:
        return asked_to_leave(m) ? leave_unit(m, IR_TRAP_interrupt, (uint64_t)s->imm) : 0;
    case IR_OP_trap_if:
        if (a) {
            vcpu->exit_arg = (uint64_t)s->imm;
            leave_unit(m, s->aux, vcpu->pc);
        }
        return 0;
    case IR_OP_br:
        return follow(m, s->imm);
    case IR_OP_brif:
        return follow(m, a ? s->imm : s->imm + 1);
    case IR_OP_exit:
        return leave_to(m, s, IR_TRAP_none, (uint64_t)s->imm);
    case IR_OP_exit_ind:
        return leave_to(m, s, IR_TRAP_lookup, a);
    case IR_OP_exit_trap:
        vcpu->exit_arg = 0;
        return leave_unit(m, s->aux, (uint64_t)s->imm);
    default:
        return 0;
    }
}

/* What a row asks of run(). */
enum {
    FP = 1,     /* hand over the FP environment */
    LEAVES = 2, /* look whether the unit was left */
    JUMPS = 4,  /* m->step is the next one */
    AT_PC = 8,  /* vcpu->pc must be right */
    PURE = 0,
    COMM = 0,
    FPENV = 0,
    STATE_R = 0,
    STATE_W = 0,
    MEM_R = 0,
    MEM_W = 0,
    TRAPS = LEAVES | AT_PC,
    TERM = LEAVES | JUMPS,
    CALL = AT_PC,
    MARK = 0,
    PARAM = 0,
};

static void run(Machine *m)
{
    const InterpStep *s = m->step;

    for (;;) {
        const InterpStep *next = s + 1;
        IrOp op = s->op;
        uint64_t a = m->value[s->arg[0]], b = m->value[s->arg[1]], c = m->value[s->arg[2]];
        unsigned bits = s->bits, out = 64 - s->unused;
        int64_t imm = s->imm;
        IrFp env, *fp = &env;
        uint64_t r = 0;

        b = s->b_imm ? (uint64_t)imm : b;
        switch (op) {
#define NO_EVAL effect(m, op, s, a, b, c)
#define OP(name, result, sig, effects, eval, summary)                                              \
    case IR_OP_##name:                                                                             \
        if ((effects) & FP) {                                                                      \
            env = (IrFp){ .rm = s->aux == IR_RM_DYN ? m->vcpu->fp_rm : s->aux };                   \
        }                                                                                          \
        if ((effects) & AT_PC) {                                                                   \
            m->vcpu->pc = s->pc;                                                                   \
        }                                                                                          \
        r = (uint64_t)(eval);                                                                      \
        if ((effects) & FP) {                                                                      \
            m->vcpu->fp_flags |= env.flags;                                                        \
        }                                                                                          \
        if ((effects) & LEAVES && m->left) {                                                       \
            return;                                                                                \
        }                                                                                          \
        if ((effects) & JUMPS) {                                                                   \
            next = m->step;                                                                        \
        }                                                                                          \
        break;
#include "ir/ops.def"
        case IR_OP_none:
        case IR_OP_COUNT:
            break;
        }
        r = r << s->unused >> s->unused;
        m->value[s->dst] = r;
        if (s->slot) {
            m->vcpu->slot[s->slot - 1] = r;
        }
        s = next;
    }
}

static IrTrap interp_enter(Vcpu *vcpu, const BeCode *unit)
{
    const InterpProgram *program = unit->entry;
    Machine m;

    m.vcpu = vcpu;
    m.left = false;
    m.value[0] = 0;
    vcpu->exit_site = NULL;
    begin(&m, program);
    if (!m.left) {
        run(&m);
    }
    vcpu->exit_trap = m.trap;
    return m.trap;
}

static bool interp_start(CodeBuf *code, const IrGuest *guest)
{
    (void)code;
    (void)guest;
    return true;
}

static void interp_restart(CodeBuf *code)
{
    (void)code;
}

static void interp_link(CodeBuf *buf, BeCode *code, unsigned exit, const BeCode *target, bool warm)
{
    (void)buf;
    (void)code;
    (void)exit;
    (void)target;
    (void)warm;
}

static unsigned interp_exit_index(const BeCode *code, const void *site)
{
    (void)code;
    (void)site;
    return 0;
}

static bool interp_restore(const BeCode *code, const BeHostRegs *regs, Vcpu *vcpu)
{
    (void)code;
    (void)vcpu;
    return interp_is_access(regs->pc);
}

const Backend be_interp = {
    .name = "interp",
    .start = interp_start,
    .restart = interp_restart,
    .compile = interp_compile,
    .release = interp_release,
    .enter = interp_enter,
    .link = interp_link,
    .exit_index = interp_exit_index,
    .restore = interp_restore,
};
