/* SPDX-License-Identifier: Apache-2.0 */
/* Control and status registers: the hooks of csr.def, and access by its rows (RISC-V privileged
 * spec, "Control and Status Registers (CSRs)" and the chapters on machine and supervisor level). */
#include <stddef.h>
#include <time.h>

#include "frontends/riscv/priv/state.h"
#include "softmmu/mmu.h"

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
    return (old & ~mask) | (value & mask);
}

static RvPrivilege privilege_of(const Vcpu *vcpu)
{
    return (RvPrivilege)rv_system(vcpu)->privilege;
}

/* ---- Conditions ---- */

static bool fp_is_on(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return rv_status(vcpu) & RV_STATUS_FS;
}

static bool counter_is_on(const Vcpu *vcpu, unsigned number)
{
    const RvSystem *s = rv_system(vcpu);
    uint64_t bit = RV_BIT(number & 31);

    return s->privilege == RV_M || ((s->mcounteren & bit) &&
                                    (s->privilege == RV_S || (s->scounteren & bit)));
}

static bool smstateen_is_on(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return rv_system(vcpu)->options.smstateen;
}

/* mstateen0..3 at index 0..3 */
static uint64_t mstateen(const RvSystem *s, unsigned index)
{
    return index ? s->mstateen[index - 1] : s->mstateen0;
}

static bool sstateen_is_on(const Vcpu *vcpu, unsigned number)
{
    const RvSystem *s = rv_system(vcpu);

    return s->options.smstateen &&
           (s->privilege == RV_M || (mstateen(s, number & 3) & RV_STATEEN_SE));
}

static bool senvcfg_is_on(const Vcpu *vcpu, unsigned number)
{
    const RvSystem *s = rv_system(vcpu);

    (void)number;
    return !s->options.smstateen || s->privilege == RV_M || (s->mstateen0 & RV_STATEEN_ENVCFG);
}

static bool sstc_is_on(const Vcpu *vcpu, unsigned number)
{
    const RvSystem *s = rv_system(vcpu);

    (void)number;
    return s->options.sstc && (s->privilege == RV_M || ((s->menvcfg & RV_ENVCFG_STCE) &&
                                                        (s->mcounteren & RV_BIT(RV_COUNTER_TM))));
}

static bool satp_is_on(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return privilege_of(vcpu) == RV_M || !(rv_status(vcpu) & RV_STATUS_TVM);
}

static bool pmp_is_on(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return rv_system(vcpu)->options.pmp;
}

/* ---- Floating point ---- */

static uint64_t read_fflags(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return vcpu->fp_flags & 0x1f;
}

static uint64_t read_frm(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return vcpu->slot[RV_SLOT_frm];
}

static uint64_t read_fcsr(const Vcpu *vcpu, unsigned number)
{
    return read_frm(vcpu, number) << 5 | read_fflags(vcpu, number);
}

static void write_fcsr(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    uint64_t new = merge(read_fcsr(vcpu, number), value, mask) & 0xff, frm = new >> 5;

    vcpu->fp_flags = (uint32_t)new & 0x1f;
    vcpu->slot[RV_SLOT_frm] = frm;
    vcpu->fp_rm = frm <= IR_RM_RMM ? (uint32_t)frm : IR_RM_RNE;
}

static void write_fflags(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    write_fcsr(vcpu, number, value, mask);
}

static void write_frm(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    write_fcsr(vcpu, number, value << 5, mask << 5);
}

/* ---- Counters and time.  Cycles and instructions are nanoseconds of the host ---- */

static uint64_t host_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* mcycle and cycle are counter 0, minstret and instret 2. */
static uint64_t base_of(const RvSystem *s, unsigned number)
{
    return s->mcountinhibit & RV_BIT(number & 31) ? 0 : host_clock();
}

static uint64_t read_mcycle(const Vcpu *vcpu, unsigned number)
{
    return rv_system(vcpu)->mcycle + base_of(rv_system(vcpu), number);
}

static uint64_t read_minstret(const Vcpu *vcpu, unsigned number)
{
    return rv_system(vcpu)->minstret + base_of(rv_system(vcpu), number);
}

static void write_counter(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t base = base_of(s, number);
    uint64_t *counter = (number & 31) == RV_COUNTER_CY ? &s->mcycle : &s->minstret;

    *counter = merge(*counter + base, value, mask) - base;
}

/* What is counted so far stays the value. */
static void write_inhibit(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t cycle = read_mcycle(vcpu, RV_COUNTER_CY);
    uint64_t instret = read_minstret(vcpu, RV_COUNTER_IR);

    (void)number;
    s->mcountinhibit = merge(s->mcountinhibit, value, mask);
    s->mcycle = cycle - base_of(s, RV_COUNTER_CY);
    s->minstret = instret - base_of(s, RV_COUNTER_IR);
}

static uint64_t now(const RvSystem *s)
{
    return s->config.time(s->config.opaque);
}

static uint64_t read_time(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return now(rv_system(vcpu));
}

/* ---- Interrupts ---- */

void rv_look_at_timer(const Vcpu *vcpu)
{
    RvSystem *s = rv_system(vcpu);

    s->timer_due = now(s) >= s->stimecmp;
}

uint64_t rv_mip(const Vcpu *vcpu)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t ip = atomic_load_explicit(&s->soft_ip, memory_order_acquire) |
                  atomic_load_explicit(&s->lines, memory_order_acquire);

    if (s->menvcfg & RV_ENVCFG_STCE) {
        ip &= ~RV_BIT(RV_IRQ_STI);
        ip |= s->timer_due ? RV_BIT(RV_IRQ_STI) : 0;
    }
    return ip;
}

static uint64_t read_mip(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    rv_look_at_timer(vcpu);
    return rv_mip(vcpu);
}

/* The controller's input of SEIP is not part of what is written back (privileged spec, "Machine
 * Interrupt Registers"). */
static void write_mip(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);

    (void)number;
    if (s->menvcfg & RV_ENVCFG_STCE) {
        mask &= ~RV_BIT(RV_IRQ_STI);
    }
    atomic_fetch_and_explicit(&s->soft_ip, value | ~mask, memory_order_acq_rel);
    atomic_fetch_or_explicit(&s->soft_ip, value & mask, memory_order_acq_rel);
    s->changed |= RV_CHANGED_INTERRUPTS;
}

static uint64_t read_sip(const Vcpu *vcpu, unsigned number)
{
    return read_mip(vcpu, number) & rv_system(vcpu)->mideleg;
}

static void write_sip(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    write_mip(vcpu, number, value, mask & rv_system(vcpu)->mideleg);
}

static uint64_t read_sie(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return rv_system(vcpu)->mie & rv_system(vcpu)->mideleg;
}

static void write_sie(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);

    (void)number;
    s->mie = merge(s->mie, value, mask & s->mideleg);
    s->changed |= RV_CHANGED_INTERRUPTS;
}

/* mie and mideleg */
static void write_interrupts(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t *word = number == RV_CSR_mie ? &s->mie : &s->mideleg;

    *word = merge(*word, value, mask);
    s->changed |= RV_CHANGED_INTERRUPTS;
}

static void write_stimecmp(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);

    (void)number;
    s->stimecmp = merge(s->stimecmp, value, mask);
    rv_look_at_timer(vcpu);
    s->config.set_timer(s->config.opaque, s->config.hart, s->stimecmp);
    s->changed |= RV_CHANGED_INTERRUPTS;
}

/* ---- Status ---- */

static uint64_t read_sstatus(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return rv_status(vcpu) & RV_SSTATUS;
}

/* mstatus, and its view sstatus.  MPP is WARL: there is no privilege 2. */
static void write_status(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    enum { RESERVED_PRIVILEGE = 2 };
    uint64_t old = rv_status(vcpu), new = merge(old, value, mask);

    (void)number;
    if ((new & RV_STATUS_MPP) >> RV_STATUS_MPP_SHIFT == RESERVED_PRIVILEGE) {
        new = merge(new, old, RV_STATUS_MPP);
    }
    new &= ~RV_STATUS_SD;
    new |= (new & RV_STATUS_FS) == RV_STATUS_FS ? RV_STATUS_SD : 0;
    vcpu->slot[RV_SLOT_status] = new;
    rv_system(vcpu)->changed |= RV_CHANGED_CONTEXT;
}

/* The single letters at 64 bits. */
static uint64_t read_misa(const Vcpu *vcpu, unsigned number)
{
    const RvOptions *o = &rv_system(vcpu)->options;
    uint64_t misa = UINT64_C(2) << 62;

    (void)number;
    for (const char *letter = "IFDSU"; *letter; letter++) {
        misa |= RV_BIT(*letter - 'A');
    }
    return misa | (o->m ? RV_BIT('M' - 'A') : 0) | (o->a ? RV_BIT('A' - 'A') : 0) |
           (o->c ? RV_BIT('C' - 'A') : 0);
}

/* Without C the low bits read as zero (privileged spec, "Machine Exception Program Counter"). */
static uint64_t read_mepc(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return rv_system(vcpu)->mepc & rv_options_pc();
}

static uint64_t read_sepc(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return vcpu->slot[RV_SLOT_sepc] & rv_options_pc();
}

static uint64_t read_mhartid(const Vcpu *vcpu, unsigned number)
{
    (void)number;
    return rv_system(vcpu)->config.hart;
}

/* mtvec and stvec: modes from 2 on are reserved, and such a write has no effect. */
static void write_tvec(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t *tvec = number == RV_CSR_mtvec ? &s->mtvec : &s->stvec;
    uint64_t new = merge(*tvec, value, mask);

    if ((new & 3) < 2) {
        *tvec = new;
    }
}

/* menvcfg and senvcfg: what there is depends on the options; 2 is reserved in CBIE. */
static void write_envcfg(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);
    const RvOptions *o = &s->options;
    uint64_t *envcfg = number == RV_CSR_menvcfg ? &s->menvcfg : &s->senvcfg, new;
    uint64_t have = RV_ENVCFG_FIOM | (o->zicbom ? RV_ENVCFG_CBIE | RV_ENVCFG_CBCFE : 0) |
                    (o->zicboz ? RV_ENVCFG_CBZE : 0) | (o->svadu ? RV_ENVCFG_ADUE : 0) |
                    (o->svpbmt ? RV_ENVCFG_PBMTE : 0) | (o->sstc ? RV_ENVCFG_STCE : 0);

    new = merge(*envcfg, value, mask & have);
    if ((new & RV_ENVCFG_CBIE) == RV_BIT(5)) {
        new = merge(new, *envcfg, RV_ENVCFG_CBIE);
    }
    if ((new ^ *envcfg) & (RV_ENVCFG_PBMTE | RV_ENVCFG_ADUE)) {
        s->changed |= RV_CHANGED_MAP;
    }
    *envcfg = new;
    s->changed |= RV_CHANGED_CONTEXT | RV_CHANGED_INTERRUPTS;
}

/* A mode that is not there: the write has no effect (privileged spec, "Supervisor Address
 * Translation and Protection (satp) Register"). */
static void write_satp(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t new = merge(s->satp, value, mask), mode = new >> RV_SATP_MODE_SHIFT;

    (void)number;
    if (mode == RV_SATP_BARE || (mode == RV_SATP_SV39 && s->options.sv39) ||
        (mode == RV_SATP_SV48 && s->options.sv48) || (mode == RV_SATP_SV57 && s->options.sv57)) {
        s->satp = new;
        s->changed |= RV_CHANGED_CONTEXT;
    }
}

/* ---- Physical memory protection ---- */

enum { CFG_W_ALONE = 2, CFG_RW = 3, CFG_USED = 0x9f, CFG_LOCKED = 0x80, CFG_TOR = 1 << 3, CFG_A = 3 << 3 };

static unsigned cfg_of(const RvSystem *s, unsigned entry)
{
    return (unsigned)(s->pmpcfg[entry / 8] >> entry % 8 * 8) & 0xff;
}

/* Locked entries stay, and W without R is reserved. */
static void write_pmpcfg(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);
    uint64_t *word = &s->pmpcfg[(number - RV_CSR_pmpcfg0) / 2], new = merge(*word, value, mask);

    for (unsigned shift = 0; shift < 64; shift += 8) {
        uint64_t field = UINT64_C(0xff) << shift, cfg = new >> shift & CFG_USED;

        if (!(*word >> shift & CFG_LOCKED) && (cfg & CFG_RW) != CFG_W_ALONE) {
            *word = merge(*word, cfg << shift, field);
        }
    }
    rv_pmp_update(s);
    s->changed |= RV_CHANGED_MAP;
}

/* Locked together with its entry, and with the next when that one's range starts here. */
static void write_pmpaddr(Vcpu *vcpu, unsigned number, uint64_t value, uint64_t mask)
{
    RvSystem *s = rv_system(vcpu);
    unsigned entry = number - RV_CSR_pmpaddr0;
    unsigned next = entry + 1 < RV_PMP_ENTRIES ? cfg_of(s, entry + 1) : 0;

    if ((cfg_of(s, entry) & CFG_LOCKED) || ((next & CFG_LOCKED) && (next & CFG_A) == CFG_TOR)) {
        return;
    }
    s->pmpaddr[entry] = merge(s->pmpaddr[entry], value, mask);
    rv_pmp_update(s);
    s->changed |= RV_CHANGED_MAP;
}

/* ---- The table ---- */

static const RvCsr rows[] = {
#define SYS(member) RV_IN_SYSTEM, offsetof(RvSystem, member)
#define SLOT(name) RV_IN_SLOTS, RV_SLOT_##name
#define NONE RV_NOWHERE, 0
#define CSR(name, number, mask, where, read, write, when) \
    { #name, number, 0, 0, mask, where, read, write, when },
#define CSRS(name, first, count, number, mask, read, write, when) \
    { #name, number, first, count, mask, NONE, read, write, when },
#include "frontends/riscv/csr.def"
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const RvCsr *rv_csr_row(unsigned index)
{
    return index < ROWS ? &rows[index] : NULL;
}

const RvCsr *rv_csr_find(unsigned number)
{
    for (unsigned i = 0; i < ROWS; i++) {
        if (number - rows[i].number < (rows[i].count ? rows[i].count : 1u)) {
            return &rows[i];
        }
    }
    return NULL;
}

uint64_t *rv_csr_storage(Vcpu *vcpu, const RvCsr *csr)
{
    return csr->where == RV_IN_SLOTS    ? &vcpu->slot[csr->at]
           : csr->where == RV_IN_SYSTEM ? (uint64_t *)(void *)((char *)vcpu->system + csr->at)
                                        : NULL;
}

uint64_t rv_csr_read(const Vcpu *vcpu, const RvCsr *csr, unsigned number)
{
    if (csr->read) {
        return csr->read(vcpu, number);
    }
    switch (csr->where) {
    case RV_IN_SLOTS:
        return vcpu->slot[csr->at];
    case RV_IN_SYSTEM:
        return *(const uint64_t *)(const void *)((const char *)vcpu->system + csr->at);
    case RV_NOWHERE:
        break;
    }
    return 0;
}

void rv_csr_write(Vcpu *vcpu, const RvCsr *csr, unsigned number, uint64_t value, uint64_t mask)
{
    uint64_t *word = rv_csr_storage(vcpu, csr);

    if (csr->write) {
        csr->write(vcpu, number, value, mask & csr->mask);
    } else if (word) {
        *word = merge(*word, value, mask & csr->mask);
    }
}

/* Privileged spec, "CSR Address Mapping Conventions": bits 11:10 set: read-only; 9:8 the lowest
 * privilege. */
bool rv_csr_is_legal(const Vcpu *vcpu, const RvCsr *csr, unsigned number, bool write)
{
    return (number >> 8 & 3) <= rv_system(vcpu)->privilege && !(write && number >> 10 == 3) &&
           (!csr->when || csr->when(vcpu, number));
}
