/* SPDX-License-Identifier: Apache-2.0 */
/* Physical memory protection (RISC-V privileged spec, "Physical Memory Protection CSRs").  The
 * grain is 4 bytes: every address mode is there. */
#include "frontends/riscv/priv/state.h"

enum { CFG_R = 1, CFG_W = 2, CFG_X = 4, CFG_A_SHIFT = 3, CFG_L = 0x80 };
enum { A_OFF, A_TOR, A_NA4, A_NAPOT };

static unsigned cfg_of(const RvSystem *s, unsigned entry)
{
    return (unsigned)(s->pmpcfg[entry / 8] >> entry % 8 * 8) & 0xff;
}

/* False: the entry matches nothing. */
static bool range_of(const RvSystem *s, unsigned entry, RvPmpRange *range)
{
    uint64_t addr = s->pmpaddr[entry], below = entry ? s->pmpaddr[entry - 1] : 0, ones;
    unsigned cfg = cfg_of(s, entry);

    range->cfg = (uint8_t)cfg;
    switch (cfg >> CFG_A_SHIFT & 3) {
    case A_TOR:
        range->lo = below << 2;
        range->hi = (addr << 2) - 1;
        return below < addr;
    case A_NA4:
        range->lo = addr << 2;
        range->hi = range->lo + 3;
        return true;
    case A_NAPOT:
        ones = addr & ~(addr + 1); /* the trailing ones */
        range->lo = (addr & ~ones) << 2;
        range->hi = range->lo + ((ones << 3) | 7);
        return true;
    default:
        return false;
    }
}

void rv_pmp_update(RvSystem *s)
{
    s->n_pmp_ranges = 0;
    for (unsigned i = 0; i < RV_PMP_ENTRIES; i++) {
        if (range_of(s, i, &s->pmp_range[s->n_pmp_ranges])) {
            s->n_pmp_ranges++;
        }
    }
}

static RvRights all_or_nothing(bool all)
{
    return (RvRights){ all, all, all };
}

/* No entry at all: what is there for S and U depends on whether there are entries. */
static bool any_on(const RvSystem *s)
{
    return s->options.pmp;
}

RvRights rv_pmp_rights(const RvSystem *s, RvPrivilege privilege, uint64_t paddr, uint64_t size)
{
    uint64_t last = paddr + size - 1;

    if (!any_on(s)) {
        return all_or_nothing(true);
    }
    for (unsigned i = 0; i < s->n_pmp_ranges; i++) {
        const RvPmpRange *r = &s->pmp_range[i];

        if (last < r->lo || paddr > r->hi) {
            continue;
        }
        if (paddr < r->lo || last > r->hi) {
            return all_or_nothing(false);
        }
        if (privilege == RV_M && !(r->cfg & CFG_L)) {
            return all_or_nothing(true);
        }
        return (RvRights){ r->cfg & CFG_R, r->cfg & CFG_W, r->cfg & CFG_X };
    }
    return all_or_nothing(privilege == RV_M);
}

bool rv_pmp_is_uniform(const RvSystem *s, uint64_t paddr, uint64_t size)
{
    uint64_t last = paddr + size - 1;

    for (unsigned i = 0; i < s->n_pmp_ranges; i++) {
        const RvPmpRange *r = &s->pmp_range[i];
        bool apart = last < r->lo || paddr > r->hi;

        if (!apart && (paddr < r->lo || last > r->hi)) {
            return false;
        }
        if (!apart) {
            return true; /* a whole match: later entries do not count */
        }
    }
    return true;
}
