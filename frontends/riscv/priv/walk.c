/* SPDX-License-Identifier: Apache-2.0 */
/* Address translation: satp, page tables, protection (RISC-V privileged spec, "Supervisor Address
 * Translation and Protection" and the sections on Sv39, Sv48, Sv57, Svnapot, Svpbmt, Svadu). */
#include "base/log.h"
#include "frontends/riscv/priv/state.h"

#define PTE_V RV_BIT(0)
#define PTE_R RV_BIT(1)
#define PTE_W RV_BIT(2)
#define PTE_X RV_BIT(3)
#define PTE_U RV_BIT(4)
#define PTE_G RV_BIT(5)
#define PTE_A RV_BIT(6)
#define PTE_D RV_BIT(7)
#define PTE_PPN(pte) ((pte) >> 10 & RV_SATP_PPN)
#define PTE_RESERVED (UINT64_C(0x7f) << 54)
#define PTE_PBMT (UINT64_C(3) << 61)
#define PTE_N RV_BIT(63)
#define PTE_NOT_IN_TABLES (PTE_U | PTE_A | PTE_D | PTE_PBMT | PTE_N)

enum { LEVEL_BITS = 9, PTE_SIZE = 8, NAPOT_BITS = 4 };

uint64_t rv_access_fault(MmuAccess access)
{
    return access == MMU_exec   ? RV_EXC_FETCH_ACCESS
           : access == MMU_read ? RV_EXC_LOAD_ACCESS
                                : RV_EXC_STORE_ACCESS;
}

static uint64_t page_fault(MmuAccess access)
{
    return access == MMU_exec   ? RV_EXC_FETCH_PAGE
           : access == MMU_read ? RV_EXC_LOAD_PAGE
                                : RV_EXC_STORE_PAGE;
}

/* What a walk is about. */
typedef struct Walk {
    RvSystem *s;
    uint64_t vaddr, status;
    MmuAccess access;
    RvPrivilege privilege; /* effective */
    uint64_t cause;        /* once it has failed */
    bool global;
} Walk;

static bool fail(Walk *w, uint64_t cause)
{
    w->cause = cause;
    return false;
}

static bool allows(RvRights rights, MmuAccess access)
{
    return access == MMU_exec ? rights.exec : access == MMU_read ? rights.read : rights.write;
}

/* Host address of the entry at `paddr`, which must be RAM that S may read; NULL: access fault. */
static _Atomic uint64_t *entry_at(Walk *w, uint64_t paddr)
{
    uint8_t *host = rv_pmp_rights(w->s, RV_S, paddr, PTE_SIZE).read
                        ? phys_map(w->s->config.mem, paddr, PTE_SIZE)
                        : NULL;

    if (!host) {
        w->cause = rv_access_fault(w->access);
    }
    return (_Atomic uint64_t *)(void *)host;
}

/* The bits that no valid entry of the tables has, with what is switched on. */
static bool is_reserved(const Walk *w, uint64_t pte, unsigned level)
{
    const RvSystem *s = w->s;
    bool leaf = pte & (PTE_R | PTE_W | PTE_X);

    if (!(pte & PTE_V) || (pte & (PTE_R | PTE_W)) == PTE_W || (pte & PTE_RESERVED)) {
        return true;
    }
    if (!leaf) {
        return level == 0 || (pte & PTE_NOT_IN_TABLES);
    }
    if ((pte & PTE_PBMT) && (!(s->menvcfg & RV_ENVCFG_PBMTE) || (pte & PTE_PBMT) == PTE_PBMT)) {
        return true;
    }
    if (pte & PTE_N) {
        return !s->options.svnapot || level != 0 ||
               (PTE_PPN(pte) & ((1 << NAPOT_BITS) - 1)) != 1 << (NAPOT_BITS - 1);
    }
    return PTE_PPN(pte) & (RV_BIT(LEVEL_BITS * level) - 1);
}

/* The leaf for w->vaddr: its value, its address and level. */
static bool find_leaf(Walk *w, unsigned levels, uint64_t *pte, uint64_t *paddr, unsigned *level)
{
    uint64_t table = (w->s->satp & RV_SATP_PPN) << PHYS_PAGE_BITS;

    for (unsigned k = levels; k-- > 0;) {
        uint64_t index = w->vaddr >> (PHYS_PAGE_BITS + LEVEL_BITS * k) & (RV_BIT(LEVEL_BITS) - 1);
        _Atomic uint64_t *entry = entry_at(w, table + index * PTE_SIZE);

        if (!entry) {
            return false;
        }
        uint64_t value = atomic_load_explicit(entry, memory_order_acquire);
        if (is_reserved(w, value, k)) {
            return fail(w, page_fault(w->access));
        }
        w->global |= value & PTE_G;
        if (value & (PTE_R | PTE_W | PTE_X)) {
            *pte = value;
            *paddr = table + index * PTE_SIZE;
            *level = k;
            return true;
        }
        table = PTE_PPN(value) << PHYS_PAGE_BITS;
    }
    return fail(w, page_fault(w->access));
}

/* The bits of an address that the leaf does not translate. */
static uint64_t offset_bits(uint64_t pte, unsigned level)
{
    return RV_BIT(PHYS_PAGE_BITS + (pte & PTE_N ? NAPOT_BITS : LEVEL_BITS * level)) - 1;
}

/* What the leaf allows, apart from A and D. */
static RvRights leaf_rights(const Walk *w, uint64_t pte)
{
    bool user = pte & PTE_U, data = true, exec = true;

    if (w->privilege == RV_U) {
        data = exec = user;
    } else if (user) {
        exec = false;
        data = w->access != MMU_exec && (w->status & RV_STATUS_SUM);
    }
    return (RvRights){
        .read = data && ((pte & PTE_R) || ((w->status & RV_STATUS_MXR) && (pte & PTE_X))),
        .write = data && (pte & PTE_W),
        .exec = exec && (pte & PTE_X),
    };
}

typedef enum Marked { MARKED, RETRY, FAILED } Marked;

/* Sets A, and D for a write, in the leaf at `paddr` (Svadu), or faults (Svade). */
static Marked mark(Walk *w, uint64_t *pte, uint64_t paddr)
{
    uint64_t wanted = *pte | PTE_A | (w->access == MMU_write ? PTE_D : 0);
    _Atomic uint64_t *entry;

    if (wanted == *pte) {
        return MARKED;
    }
    if (!(w->s->menvcfg & RV_ENVCFG_ADUE)) {
        fail(w, page_fault(w->access));
        return FAILED;
    }
    entry = rv_pmp_rights(w->s, RV_S, paddr, PTE_SIZE).write ? entry_at(w, paddr) : NULL;
    if (!entry) {
        fail(w, rv_access_fault(w->access));
        return FAILED;
    }
    if (!atomic_compare_exchange_strong(entry, pte, wanted)) {
        return RETRY;
    }
    phys_written(w->s->config.mem, paddr, PTE_SIZE);
    *pte = wanted;
    return MARKED;
}

/* Physical protection of what was found.  Where that changes within 4 KiB, only the access is said
 * to be allowed. */
static FeWalk protect(const Walk *w, MmuPage page, unsigned size)
{
    uint64_t paddr = page.paddr + (w->vaddr - page.vaddr);
    RvRights rights = rv_pmp_rights(w->s, w->privilege, paddr, size);

    if (paddr >> RV_PA_BITS || !allows(rights, w->access)) {
        return (FeWalk){ .cause = rv_access_fault(w->access) };
    }
    if (!rv_pmp_is_uniform(w->s, paddr & ~(uint64_t)(PHYS_PAGE - 1), PHYS_PAGE)) {
        page.vaddr = w->vaddr;
        page.paddr = paddr;
        page.size = 1;
    }
    page.read &= rights.read;
    page.write &= rights.write;
    page.exec &= rights.exec;
    return (FeWalk){ .ok = true, .page = page };
}

static FeWalk translated(Walk *w, unsigned levels, unsigned size)
{
    uint64_t pte = 0, paddr = 0, low;
    unsigned level = 0;
    RvRights rights;
    Marked marked;

    do {
        w->global = false;
        if (!find_leaf(w, levels, &pte, &paddr, &level)) {
            return (FeWalk){ .cause = w->cause };
        }
        rights = leaf_rights(w, pte);
        if (!allows(rights, w->access)) {
            return (FeWalk){ .cause = page_fault(w->access) };
        }
        marked = mark(w, &pte, paddr);
    } while (marked == RETRY);
    if (marked == FAILED) {
        return (FeWalk){ .cause = w->cause };
    }
    low = offset_bits(pte, level);
    return protect(w,
                   (MmuPage){
                       .vaddr = w->vaddr & ~low,
                       .paddr = PTE_PPN(pte) << PHYS_PAGE_BITS & ~low,
                       .size = low + 1,
                       .read = rights.read,
                       .write = rights.write && (pte & PTE_D),
                       .exec = rights.exec,
                       .global = w->global,
                   },
                   size);
}

/* Addresses are physical.  Nothing can be flushed wrongly, so pages are small. */
static FeWalk bare(const Walk *w, unsigned size)
{
    uint64_t page = w->vaddr & ~(uint64_t)(PHYS_PAGE - 1);

    return protect(w,
                   (MmuPage){ .vaddr = page, .paddr = page, .size = PHYS_PAGE,
                              .read = true, .write = true, .exec = true, .global = true },
                   size);
}

static unsigned levels_of(uint64_t satp)
{
    uint64_t mode = satp >> RV_SATP_MODE_SHIFT;

    return mode == RV_SATP_BARE ? 0 : (unsigned)(mode - RV_SATP_SV39 + 3);
}

/* Of the page tables in use; 0: addresses are physical. */
static unsigned levels_for(const Walk *w)
{
    return w->privilege == RV_M ? 0 : levels_of(w->s->satp);
}

static bool is_canonical(uint64_t vaddr, unsigned levels)
{
    unsigned unused = 64 - (PHYS_PAGE_BITS + LEVEL_BITS * levels);

    return (uint64_t)((int64_t)(vaddr << unused) >> unused) == vaddr;
}

static Walk begin(Vcpu *vcpu, uint64_t vaddr, MmuAccess access)
{
    RvSystem *s = rv_system(vcpu);
    Walk w = { .s = s, .vaddr = vaddr, .status = rv_status(vcpu), .access = access,
               .privilege = (RvPrivilege)s->privilege };

    if (access != MMU_exec && (w.status & RV_STATUS_MPRV)) {
        w.privilege = (RvPrivilege)((w.status & RV_STATUS_MPP) >> RV_STATUS_MPP_SHIFT);
    }
    return w;
}

static FeWalk walk(Walk *w, unsigned size)
{
    unsigned levels = levels_for(w);

    if (levels == 0) {
        return bare(w, size);
    }
    if (!is_canonical(w->vaddr, levels)) {
        return (FeWalk){ .cause = page_fault(w->access) };
    }
    return translated(w, levels, size);
}

static void log_walk(const Walk *w, const FeWalk *found)
{
    static const char *const accesses[] = { [MMU_read] = "read", [MMU_write] = "write", [MMU_exec] = "fetch" };
    const MmuPage *p = &found->page;

    if (!found->ok) {
        log_line(LOG_mmu, "hart:%u, %s %016llx, cause:%llu\n", w->s->config.hart, accesses[w->access],
                 (unsigned long long)w->vaddr, (unsigned long long)found->cause);
        return;
    }
    log_line(LOG_mmu, "hart:%u, %s %016llx, page:%016llx, physical:%016llx, size:%llx, rights:%c%c%c\n",
             w->s->config.hart, accesses[w->access], (unsigned long long)w->vaddr,
             (unsigned long long)p->vaddr, (unsigned long long)p->paddr, (unsigned long long)p->size,
             p->read ? 'r' : '-', p->write ? 'w' : '-', p->exec ? 'x' : '-');
}

FeWalk rv_walk(Vcpu *vcpu, uint64_t vaddr, MmuAccess access, unsigned size)
{
    Walk w = begin(vcpu, vaddr, access);
    FeWalk found = walk(&w, size);

    if (log_enabled(LOG_mmu)) {
        log_walk(&w, &found);
    }
    return found;
}

bool rv_locate(Vcpu *vcpu, uint64_t vaddr, uint64_t *paddr)
{
    Walk w = begin(vcpu, vaddr, MMU_read);
    unsigned levels = levels_for(&w), level = 0;
    uint64_t pte = 0, entry = 0, low;

    if (levels == 0) {
        *paddr = vaddr;
        return true;
    }
    if (!is_canonical(vaddr, levels) || !find_leaf(&w, levels, &pte, &entry, &level)) {
        return false;
    }
    low = offset_bits(pte, level);
    *paddr = (PTE_PPN(pte) << PHYS_PAGE_BITS & ~low) | (vaddr & low);
    return true;
}

/* ---- All mappings, for people ---- */

static void fill_mapping(uint64_t vaddr, uint64_t pte, unsigned level, FeMapping *out)
{
    static const char letters[] = "rwxugad"; /* from PTE_R on */

    out->vaddr = vaddr;
    out->size = RV_BIT(PHYS_PAGE_BITS + LEVEL_BITS * level);
    out->paddr = PTE_PPN(pte) << PHYS_PAGE_BITS;
    for (unsigned i = 0; i < sizeof(letters) - 1; i++) {
        out->attributes[i] = pte & PTE_R << i ? letters[i] : '-';
    }
    out->attributes[sizeof(letters) - 1] = '\0';
}

/* In the table of `level` at paddr, whose first entry maps `base`: the first leaf whose end is above
 * `from`.  Tables lie in RAM, or are taken as empty. */
static bool find_mapping(const RvSystem *s, uint64_t paddr, unsigned level, uint64_t base,
                         uint64_t from, FeMapping *out)
{
    unsigned shift = PHYS_PAGE_BITS + LEVEL_BITS * level;
    uint64_t first = from > base ? (from - base) >> shift : 0;

    for (uint64_t i = first; i < RV_BIT(LEVEL_BITS); i++) {
        uint64_t pte, at = base + (i << shift);

        if (!phys_read(s->config.mem, paddr + i * PTE_SIZE, &pte, sizeof(pte)) ||
            !(pte & PTE_V)) {
            continue;
        }
        if (pte & (PTE_R | PTE_W | PTE_X)) {
            fill_mapping(at, pte, level, out);
            return true;
        }
        if (level > 0 &&
            find_mapping(s, PTE_PPN(pte) << PHYS_PAGE_BITS, level - 1, at, from, out)) {
            return true;
        }
    }
    return false;
}

bool rv_mapping(Vcpu *vcpu, uint64_t from, FeMapping *out)
{
    const RvSystem *s = rv_system(vcpu);
    unsigned levels = levels_of(s->satp), bits = PHYS_PAGE_BITS + LEVEL_BITS * levels;
    uint64_t high = bits >= 64 ? 0 : ~(RV_BIT(bits) - 1), low_end = RV_BIT(bits - 1);
    bool found;

    if (levels == 0) {
        return false;
    }
    /* The upper half of the tables is the sign-extended one. */
    found = find_mapping(s, (s->satp & RV_SATP_PPN) << PHYS_PAGE_BITS, levels - 1, 0,
                         from & (RV_BIT(bits) - 1), out);
    if (found && out->vaddr >= low_end) {
        out->vaddr |= high;
    }
    return found;
}

static bool fetch_half(Vcpu *vcpu, uint64_t pc, uint64_t *half)
{
    FeWalk walk = rv_walk(vcpu, pc, MMU_exec, 2);

    return walk.ok && phys_load(rv_system(vcpu)->config.mem,
                                walk.page.paddr + (pc - walk.page.vaddr), 2, half);
}

bool rv_fetch_at_pc(Vcpu *vcpu, uint32_t *bits)
{
    uint64_t low, high = 0;

    if (!fetch_half(vcpu, vcpu->pc, &low) ||
        ((low & 3) == 3 && !fetch_half(vcpu, vcpu->pc + 2, &high))) {
        return false;
    }
    *bits = (uint32_t)(low | high << 16);
    return true;
}
