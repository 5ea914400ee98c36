/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/x86_64/gen.h - one compilation: what its parts (select, alloc, edge, lower) share.
 *
 * How it works.  select.c walks the blocks backwards once: it decides which insns are folded
 * into their users, and gives every value the list of its uses.  Then blocks are walked forwards
 * in order; each insn's lowering asks alloc.c for registers and emits code at once.  Nothing is
 * revisited, but for jump displacements.
 *
 * Values.  A value may be in a register, in a frame word ("spill"), in the memory of a guest
 * slot ("home"), or be a constant, which is made again when needed.
 *
 * Guest slots.  setreg emits nothing: slot_val[] says which value a slot has; while the slot is
 * dirty its memory is stale.  A dirty slot is stored when its value must leave its register, at
 * exits, and before calls that look at the state.  X64_CANON, X64_BOX and X64_SEXT on a slot say
 * that memory gets fcanon / fbox / sext of the value, X64_CALC that it gets slot_top[], which is a
 * chain of ops on it: those ops are not computed before that.
 *
 * Threading: an X64Gen belongs to one compilation.
 */
#ifndef KETCH_BACKENDS_X86_64_GEN_H
#define KETCH_BACKENDS_X86_64_GEN_H

#include "backends/backend.h"
#include "backends/x86_64/emit.h"
#include "ir/guest.h"
#include "ir/ir.h"
#include "ir/vcpu.h"

enum {
    X64_FRAME = 4096,             /* bytes of spill frame that enter() reserves */
    X64_SPILLS = X64_FRAME / 8,
    X64_CALC_SPILL = X64_SPILLS - 2, /* frame words that no value gets: this and the last two */
    X64_SLOT_NONE = 0xff,
    X64_PINS = IR_PIN_GPRS + IR_PIN_FPRS + 1,
    X64_STATE = X64_R13,          /* points at vcpu->slot[16] */
    X64_SCRATCH = X64_XMM15,      /* never allocated: moves, cycles; within a lowering, see alloc.c */
    X64_FOUND = 4,
    X64_INSN_ROOM = 4096,         /* no IR insn makes more code than this */
};

#define X64_NEVER UINT32_MAX
#define X64_LOOP_FAR 0x100000u /* added to the distance of uses after the loop */

#define X64_GPRS 0xdfefu       /* allocatable: all but rsp and r13 */
#define X64_XMMS 0x7fff0000u
#define X64_CALLER_SAVED (0x0fc7u | X64_XMMS) /* rax rcx rdx rsi rdi r8-r11, all xmm */
#define X64_UNPINNED 0x0c27u   /* rax rcx rdx rbp r10 r11: never a pin, but for rbp and pin_more */

#define X64_BIT(r) (UINT32_C(1) << (r))

/* X64Val.mode */
enum {
    X64_M_EMIT,  /* computed where it stands */
    X64_M_FOLD,  /* part of its user */
    X64_M_DEAD,  /* nobody needs it */
    X64_M_PAIR,  /* the remainder that a division gives with its quotient: see X64Gen.pair */
};

/* Slot flags */
enum {
    X64_DIRTY = 1,
    X64_CANON = 2, /* memory gets the canonical NaN for any NaN */
    X64_BOX = 4,   /* the value is an F32 or F16; memory gets it boxed */
    X64_SEXT = 8,  /* memory gets the low 32 bits of the value, sign-extended */
    X64_CALC = 16, /* memory gets what a chain of ops makes of the value, see calc.c */
    /* Memory gets something else than the value, ... */
    X64_LAZY = X64_CANON | X64_BOX | X64_SEXT | X64_CALC,
    X64_NO_HOME = X64_CANON | X64_SEXT | X64_CALC, /* from which that cannot be got back */
};

typedef struct X64Val {
    IrRef rep;        /* the value that has its bits (itself, or what a free trunc/zext is of) */
    uint32_t next;    /* position of the next use, as of now */
    uint32_t uses;    /* index of the first X64Use not passed yet; 0: none */
    uint32_t fwd_epoch;
    uint16_t n_uses;  /* by emitted insns, saturating; before selection */
    uint16_t n_sets;  /* of them by setreg in the same block */
    uint16_t block;   /* where it is defined */
    uint16_t global;  /* number among the values used outside their block; 0: not one */
    uint16_t spill;   /* frame word + 1; 0: none */
    uint8_t reg;
    uint8_t home;     /* guest slot */
    uint8_t n_pend;   /* slots that have it */
    uint8_t n_dirty;  /* of them dirty */
    uint8_t mode;
    uint8_t hint;     /* register that it should be in */
    uint8_t fwd_slot; /* slot that it is set to before anything can look at the state */
    uint8_t zbits;    /* bits above are known to be zero in its register */
    uint8_t type;
    uint8_t is_const;
} X64Val;

typedef struct X64Use {
    uint32_t pos;
    uint32_t next;
} X64Use;

/* The page of [base + disp], in a whole machine: its addend (softmmu/tables.h) is in a register that
 * nobody owns. */
typedef struct X64Found {
    IrRef base; /* 0: none */
    int32_t disp;
    X64Reg addend;
    X64Reg offset; /* of the address, from the start of the page to which the addend belongs; in a region that
                      may be a page nearby.  X64_NONE: not known, and the page is the address's */
    uint8_t size;  /* the address is a multiple of 1 << size */
    bool write;    /* it may be written */
} X64Found;

/* What the allocator knows at a point of the code. */
typedef struct X64State {
    IrRef reg_val[X64_REGS];
    uint64_t known[2];          /* slots with a value here */
    IrRef slot_val[VCPU_SLOTS]; /* 0: the truth is in memory */
    uint8_t slot_flag[VCPU_SLOTS];
    IrRef slot_top[VCPU_SLOTS]; /* with X64_CALC: the end of the chain */
    X64Found found[X64_FOUND];  /* pages of guest memory that accesses before have found */
    unsigned next_found;
    X64Reg recents;             /* + 1: the register with Vcpu.mmu_recent, which nobody owns; 0: none */
    uint32_t found_regs;        /* registers of these two: free ones, whose contents are lost when they are taken */
    uint32_t n_spills;          /* frame words looked at */
    IrRef spill_val[X64_SPILLS];
} X64State;

static inline void x64_state_slot(X64State *s, unsigned slot, IrRef val, unsigned flags)
{
    s->slot_val[slot] = val;
    s->slot_flag[slot] = (uint8_t)flags;
    if (val) {
        s->known[slot / 64] |= UINT64_C(1) << slot % 64;
    } else {
        s->known[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    }
}

/* Where a merge block expects a value. */
typedef struct X64Entry {
    IrRef val;     /* what the block calls it */
    uint32_t from; /* parameter number + 1, or 0: the value of that name at the predecessor */
    uint8_t slot;  /* unnamed pinned slot that it stands for, or X64_SLOT_NONE */
    uint8_t reg;   /* X64_NONE: not in a register */
    uint8_t home;  /* in the memory of this slot, */
    uint8_t flags; /* as these of X64_LAZY make it */
    uint16_t spill; /* frame word + 1 */
} X64Entry;

typedef struct X64Block {
    uint32_t start;   /* position of its first insn */
    uint32_t end;     /* of its terminator */
    uint32_t n_preds;
    const IrEdge *pred; /* an edge that leads here */
    IrBlockId other;    /* where its branch goes else; 0: it is no branch */
    bool taken;         /* it is the branch's first edge */
    uint32_t merge;     /* number among the blocks with several predecessors; 0: not one */
    uint32_t order;   /* its place in X64Gen.order */
    uint32_t depth;
    uint32_t floats;  /* most floats alive at once that live within the block only */
    uint32_t code;    /* host offset + 1; 0: not emitted yet */
    X64State *state;  /* one predecessor: what it left; NULL: still current */
    X64Entry *entry;  /* merge block: fixed locations, once reached */
    uint32_t n_entry;
    bool header;      /* of a loop: a predecessor comes after it */
    bool done;        /* its code is part of its predecessor's branch */
} X64Block;

/* A direct exit of the unit: byte offsets in its code. */
typedef struct X64Exit {
    uint32_t site; /* of its jump */
    uint32_t stub : 31; /* of its unlinked path */
    uint32_t onward : 1; /* neither back nor a call */
} X64Exit;

/* A jump whose target is not emitted yet. */
typedef struct X64Fixup {
    uint32_t at;
    IrBlockId block;
} X64Fixup;

/* a / b, and the a - a / b * b of the same block that needs no insns of its own */
typedef struct X64Pair {
    IrRef quotient, remainder;
} X64Pair;

typedef struct X64Gen X64Gen;
typedef struct X64Cold X64Cold;
typedef struct X64Leave X64Leave; /* edge.c */

/* A rarely taken path, emitted after the hot code: patches the jump at `at`, then fn(). */
typedef void X64ColdFn(X64Gen *g, const X64Cold *c);

struct X64Cold {
    X64ColdFn *fn;
    uint32_t at;   /* displacement of the jump that leads here; 0: none */
    uint32_t also; /* of another one */
    uint32_t back; /* host offset where x64_cold_return() goes on */
    uint8_t type;
    uint8_t reg[3];
    uint32_t index; /* these two: as fn likes */
    uint64_t value;
    X64Leave *leave;
    const struct X64Slow *slow; /* access.c */
};

struct X64Gen {
    X64Emit e;
    uint8_t *limit;       /* hot code stops before this: the cold paths need what is behind */
    uint8_t *end;         /* all code stops before this */
    const uint8_t *code;  /* where e.start will execute */
    const IrFunc *f;
    Arena *arena;
    const BeOptions *options;
    bool big;             /* some capacity is exceeded: BE_BIG */

    X64Val *val;          /* by IrRef; then the pins: see x64_pin_ref() */
    uint32_t n_vals;
    X64Use *use;
    uint32_t n_uses;
    uint32_t epoch;       /* select.c: counts the ops that look at the state */
    bool selecting;
    IrRef user;           /* select.c: the insn being looked at */
    X64Pair pair[16];
    uint32_t n_pairs;
    uint32_t floats;      /* select.c: floats of its block only that are alive there */

    X64Block *block;
    IrBlockId *order;
    uint32_t n_order;
    bool chain;           /* a superblock: order[] is one path, and each branch out of it an exit;
                             for values it is one block, number 0 */
    uint32_t n_globals;
    uint32_t n_merges;
    IrRef *global;        /* number -> value */
    uint64_t written[2];  /* slots that may not have at all points what they had at the start */
    uint32_t *dist_in;    /* [block][global]: to the next use from its start */
    uint32_t *dist_out;

    IrBlockId now;        /* block being emitted */
    uint32_t at;          /* position of the insn being emitted */
    uint32_t pos;         /* uses up to here are done: at - 1, or at after x64_end_uses() */
    uint16_t kept_spill;  /* frame word + 1 that the insn reads, or that its stack map names */
    uint32_t block_end;
    uint64_t guest_pc;
    uint8_t fwd;          /* slot that the current insn's result is set to, see X64Val.fwd_slot */
    bool faulting;        /* the current insn's stack map comes after x64_end_uses() */
    uint8_t held;         /* slot whose old value that map still has to name */
    uint64_t held_loc;
    uint8_t rounding;     /* MXCSR has this static mode, an IrRm + 1; 0: the guest's dynamic one */
    uint32_t free;        /* allocatable registers that hold nothing */
    uint32_t locked;      /* operands of the current insn */
    uint32_t temps;       /* to be freed at its end */
    IrRef used[16];       /* values that it used */
    unsigned n_used;
    uint32_t flags_at;    /* host offset after an insn whose flags are those of a test of... */
    X64Reg flags_reg;     /* ... this register; for ZF and SF only when it was no logic */
    bool flags_logic, flags_w;
    uint8_t flags_cc;     /* or: by this condition of theirs the register is 1; X64_NONE: no */
    uint64_t changed[2];  /* slots whose location may differ from the last stack map's */
    uint64_t dirty[2];    /* slots that are dirty */

    X64Fixup *fixup;
    uint32_t n_fixups, cap_fixups;
    X64Cold *cold;
    uint32_t n_cold, cap_cold;
    X64Exit *exit;
    uint32_t n_exits, cap_exits;
    uint32_t counter_size; /* of the code that counts an entry */
    uint32_t deopt;       /* host offset + 1 of the common part of deopts; 0: none yet */
    uint32_t side_at;     /* host offset of the pointer to the side data */
    uint32_t slow, slow_side_at; /* the same two of accesses by Vcpu.access() */

    uint8_t readers[X64_REGS + VCPU_SLOTS + X64_SPILLS + 1]; /* edge.c: moves out of each place */

    /* stackmap.c */
    uint8_t *map;
    uint32_t n_map, cap_map;
    uint32_t map_host;    /* of the last record */
    uint64_t map_guest;
    uint64_t map_loc[VCPU_SLOTS];

    X64State s; /* last: spill_val is not cleared */
};

/* Pins: what the frontend's table says, by slot and by register. */
typedef struct X64Pins {
    uint8_t reg_of[VCPU_SLOTS + 1]; /* X64_NONE: not pinned */
    uint8_t slot_of[X64_REGS];      /* X64_SLOT_NONE */
    uint8_t slot[X64_PINS];         /* X64_SLOT_NONE for missing ones */
    uint8_t reg[X64_PINS];
    uint32_t regs;                  /* all of them as a set */
    uint64_t slots[2];
    uint64_t loc[VCPU_SLOTS];       /* where a unit starts: x64_loc() of every slot */
    X64Val val[X64_PINS];           /* and the pins' values, but for rep */
    uint32_t unpinned;              /* gprs that pin nothing */
} X64Pins;

extern X64Pins x64_pins;

/* Offset of a field of Vcpu from the state register */
#define X64_VCPU(field) ((int32_t)offsetof(Vcpu, field) - VCPU_BIAS)

static inline X64Mem x64_state(int32_t disp)
{
    return x64_mem(X64_STATE, disp);
}

static inline X64Mem x64_slot_mem(unsigned slot)
{
    return x64_state((int32_t)slot * 8 - VCPU_BIAS);
}

static inline X64Mem x64_spill_mem(unsigned spill)
{
    return x64_mem(X64_RSP, (int32_t)(spill - 1) * 8);
}

/* What a pinned slot has at the start of the unit (block 0) or of a merge. */
static inline IrRef x64_pin_ref(const X64Gen *g, IrBlockId block, unsigned pin)
{
    return g->f->n_insns + g->block[block].merge * X64_PINS + pin;
}

static inline bool x64_is_float(unsigned type)
{
    return type >= IR_F16;
}

static inline IrRef x64_rep(const X64Gen *g, IrRef ref)
{
    return g->val[ref].rep;
}

static inline const IrInsn *x64_insn(const X64Gen *g, IrRef ref)
{
    return &g->f->insn[ref];
}

static inline uint32_t x64_here(const X64Gen *g)
{
    return (uint32_t)(g->e.p - g->e.start);
}

/* The type of operand k as the insn sees it */
static inline unsigned x64_arg_type(const X64Gen *g, const IrInsn *i, unsigned k)
{
    return g->f->insn[i->arg[k]].type;
}

/* The block that values defined in `b` belong to */
static inline IrBlockId x64_home(const X64Gen *g, IrBlockId b)
{
    return g->chain ? 0 : b;
}

/* How many successors block `b` has; *edge: the first. */
static inline unsigned x64_successors(const IrFunc *f, IrBlockId b, const IrEdge **edge)
{
    const IrInsn *last = &f->insn[f->block[b].last];

    if (last->op != IR_OP_br && last->op != IR_OP_brif) {
        return 0;
    }
    *edge = &f->edge[last->imm];
    return last->op == IR_OP_br ? 1 : 2;
}

/* Is the operand a constant?  *v: its value, cut to its type. */
bool x64_const(const X64Gen *g, IrRef ref, uint64_t *v);
/* ... whose sign extension from the operand's type fits 32 bits? */
bool x64_imm32_of(const X64Gen *g, IrRef ref, int32_t *v);

/* ---- order.c ---- */

/* Fills in order, and of each block all that does not depend on its insns. */
void x64_find_order(X64Gen *g);

/* ---- select.c ---- */

/* False: too big. */
bool x64_select(X64Gen *g);
/* Once, when x64_pins says which there are. */
void x64_pins_prepare(void);

/* ---- match.c ---- */

/* An address a + disp, with the adds and shifts that are folded into it. */
typedef struct X64Addr {
    IrRef base, index; /* 0: none */
    uint8_t scale;
    bool index32;      /* index is zero-extended from 32 bits by a mov of its own */
    int64_t disp;
} X64Addr;

X64Addr x64_match_addr(X64Gen *g, IrRef addr, int64_t disp);
/* The sum `i` itself as an address. */
X64Addr x64_match_lea(X64Gen *g, const IrInsn *i);
/* `ref` without the negations that its user does itself. */
IrRef x64_match_neg(X64Gen *g, IrRef ref, bool *negate);
/* The remainder that division `ref` gives too, or 0. */
IrRef x64_remainder_of(const X64Gen *g, IrRef ref);
/* Is difference `ref` the remainder of a division? */
bool x64_match_remainder(X64Gen *g, IrRef ref);
/* Is this fma one insn of the host? */
bool x64_fma_inline(const IrInsn *i);
/* Is the value never a signalling NaN? */
bool x64_quiet(const X64Gen *g, IrRef ref);
/* The I1 value that `ref` is, or is the negation of (*negate flips then); *folded: it is a
 * comparison that its user emits. */
IrRef x64_match_cond(X64Gen *g, IrRef ref, bool *negate, bool *folded);
/* What comparison `i` compares: itself, or for `x & y == 0` that and, which a test insn does. */
const IrInsn *x64_match_test(X64Gen *g, const IrInsn *i);
/* The value that a setreg of `ref` makes pending, with the flags of X64_LAZY in *flags. */
IrRef x64_match_set(const X64Gen *g, IrRef ref, uint8_t *flags);
/* Is `ref` computed as part of its only user, the insn being looked at? */
bool x64_fold(X64Gen *g, IrRef ref);

/* ---- alloc.c ---- */

/*
 * What takes a register, and x64_end_uses(), may have to empty another one, which changes the
 * scratch register, and for a float the host's flags: a lowering uses either only after it has all
 * its registers.  With x64_poison (host.h) they always change.
 */

/* Position of the next use of `v` after the current insn. */
uint32_t x64_next_after(const X64Gen *g, IrRef v);
/* Nobody needs `v` after the current insn. */
bool x64_dies(const X64Gen *g, IrRef v);

/* The value in a register of its class; stays there until the end of the insn. */
X64Reg x64_use(X64Gen *g, IrRef ref);
/* The same in register `r` exactly, as a copy that may be overwritten when `clobber`. */
void x64_use_in(X64Gen *g, IrRef ref, X64Reg r, bool clobber);
/* Memory that holds the value, when it is in no register and does not deserve one; else false.
 * Counts as a use. */
bool x64_use_mem(X64Gen *g, IrRef ref, X64Mem *m);
void x64_note_use(X64Gen *g, IrRef v);
/* Uses are done: frees operands that die.  Their registers may be taken by x64_def. */
void x64_end_uses(X64Gen *g);

/* A register for the result.  `avoid`: registers that it must not be. */
X64Reg x64_def(X64Gen *g, IrRef ref, uint32_t avoid);
/* The result begins as a copy of operand register `a`: takes it over when its value died. */
X64Reg x64_def_over(X64Gen *g, IrRef ref, X64Reg a, uint32_t avoid);
/* Any register, that of operand `a` when its value died. */
X64Reg x64_def_like(X64Gen *g, IrRef ref, X64Reg a);
/* The result is in `r`, which is free or a temporary. */
void x64_def_in(X64Gen *g, IrRef ref, X64Reg r);
/* The register that x64_def() would like best, when it may be had now; else X64_NONE. */
X64Reg x64_hint(const X64Gen *g, IrRef ref);

X64Reg x64_temp(X64Gen *g, uint32_t class_mask);
/* Empties register `r` and keeps it for this insn. */
void x64_take(X64Gen *g, X64Reg r);
void x64_end_insn(X64Gen *g);

void x64_bind(X64Gen *g, IrRef v, X64Reg r);
void x64_evict(X64Gen *g, X64Reg r);
void x64_drop_if_dead(X64Gen *g, IrRef v);
void x64_refresh(X64Gen *g, IrRef v);
void x64_set_slot(X64Gen *g, unsigned slot, IrRef v, uint8_t flags, IrRef top);
/* The slot's value is to be overwritten before anything looks at it. */
void x64_release_slot(X64Gen *g, unsigned slot);
/* The slot's value is what memory has. */
void x64_forget_slot(X64Gen *g, unsigned slot);
/* Slot memory becomes its value, the slot clean. */
void x64_store_slot(X64Gen *g, unsigned slot);
/* All dirty slots; `forget`: memory will change, values with no other place are loaded first. */
void x64_store_all(X64Gen *g, bool forget);
/* Registers that C code may change become free. */
void x64_save_caller_saved(X64Gen *g);
void x64_spill(X64Gen *g, IrRef v);
/* The value into `r`, from wherever it is.  Keeps the flags. */
void x64_fetch(X64Gen *g, IrRef v, X64Reg r);
/* A constant into `r`.  Keeps the flags. */
void x64_remat(X64Gen *g, IrRef v, X64Reg r);
/* Slot memory becomes what `flags` make of the value in `r`. */
void x64_emit_lazy_store(X64Gen *g, unsigned slot, X64Reg r, unsigned flags);
/* Emits the store of a dirty slot and changes nothing else.  Flags change with X64_CANON. */
void x64_emit_slot_store(X64Gen *g, unsigned slot);
/* Memory becomes the constant.  Keeps the flags. */
void x64_store_const(X64Gen *g, X64Mem m, uint64_t v);
/* What X64_LAZY flags ask for, to a value in a register. */
void x64_fix_reg(X64Gen *g, X64Reg r, unsigned type, unsigned flags, IrRef top);
/* Registers, slots and frame words as `s` has them. */
void x64_state_set(X64Gen *g, const X64State *s);
X64State *x64_state_save(X64Gen *g);

/* ---- edge.c ---- */

void x64_begin_block(X64Gen *g, IrBlockId b);
/* Code that takes the current state to what the target of `edge` expects.  With `dry`: is any
 * needed?  The state is not changed. */
bool x64_edge(X64Gen *g, const IrEdge *edge, bool dry);
/* Slots in memory, pinned ones in their registers; `target` (or 0) in rax. */
void x64_leave_unit(X64Gen *g, IrRef target);
/* Would that emit nothing? */
bool x64_leaves_freely(const X64Gen *g);
/* What x64_leave_unit(g, 0) would do now, for x64_leave_later() at any place of the code; NULL:
 * nothing. */
X64Leave *x64_leave_plan(const X64Gen *g);
void x64_leave_later(X64Gen *g, X64Leave *plan);
void x64_jump_block(X64Gen *g, IrBlockId b);
void x64_jcc_block(X64Gen *g, unsigned cc, IrBlockId b);

/* ---- calc.c ---- */

enum { X64_CALC_BYTES = 43 };

/* The value at the lower end of the chain of X64_CALC that ends with `top`; `top` when there is no
 * chain. */
IrRef x64_calc_leaf(const X64Gen *g, IrRef top);
/* What the chain makes of the leaf's value, in `r`.  Changes the flags. */
void x64_calc_emit(X64Gen *g, IrRef top, X64Reg r);
/* The chain as bytes, X64_CALC_BYTES at most, to be evaluated at a fault. */
uint8_t *x64_calc_put(const X64Gen *g, IrRef top, uint8_t *p);
const uint8_t *x64_calc_skip(const uint8_t *p);
uint64_t x64_calc_eval(const uint8_t *p, uint64_t leaf);

/* ---- stackmap.c ---- */

/* Location of a slot's value: 0 for memory, else a kind, slot flags, a number, and the end of the
 * chain of X64_CALC. */
enum { X64_LOC_REG = 1, X64_LOC_SPILL, X64_LOC_HOME, X64_LOC_CONST };
uint64_t x64_loc(X64Gen *g, unsigned slot);

/* Of a slot whose value is in register `r`. */
uint64_t x64_loc_reg(X64Reg r);
/* Records the state now for host offset `host`: where the insn that may fault starts, or any
 * number of a byte that starts none. */
void x64_map_at(X64Gen *g, uint32_t host, uint64_t guest_pc);
/* The side data of a unit; its stack maps come after the exits. */
typedef struct X64Side {
    const uint8_t *code; /* where the unit executes */
    uint64_t pc;         /* guest pc of the unit */
    uint32_t n_map;      /* bytes */
    uint32_t n_exits;
    X64Exit exit[];
} X64Side;

X64Side *x64_side_new(const X64Gen *g, uint32_t *size);
/* Guest state at `host`, an offset in the unit; false when no record is there. */
bool x64_map_restore(const X64Side *side, uint32_t host, const BeHostRegs *regs, Vcpu *vcpu);

/* ---- rounding.c ---- */

/* From here on MXCSR rounds by `rm`, an IrRm but RMM.  Flags of the host change. */
void x64_rounding(X64Gen *g, unsigned rm);
/* Does the insn need the guest's dynamic mode, or may what comes after it? */
bool x64_wants_dynamic(const IrInsn *i);
/* MXCSR's field for a static mode but RMM */
uint32_t x64_rc_field(unsigned rm);

/* ---- access.c ---- */

/*
 * An access to guest memory at x64_access_begin()'s operand.  In user mode that is the host's address
 * already.  In a whole machine code comes before it: when the page is not in the tables, or the
 * address not aligned, Vcpu.access() makes the access instead.
 */
typedef struct X64Access {
    X64Mem mem;    /* the operand: of the guest, then of the host */
    X64Mem guest;
    uint8_t kind;  /* VcpuAccessKind */
    uint8_t size;  /* log2 */
    X64Reg addend;  /* these are registers: host address - guest address; */
    X64Reg offset;  /* of the address in the page, or X64_NONE; */
    X64Reg recents; /* Vcpu.mmu_recent, with a guess; */
    X64Reg addr;    /* for the address, on the slow path; */
    X64Reg v, t;    /* others of its own */
    IrRef base;     /* the value in guest.base, when that and the displacement are all; or 0 */
    X64Found *found; /* the page of an access before it, which should be this one's */
    int32_t distance; /* from that one; else 0 */
    bool write;     /* that one may be written, and so must be what takes its place */
    bool again;     /* when it is not there, the tables are asked */
    bool guess;     /* the page is looked for in MmuRecents first, */
    bool pointed;   /* to which `recents` points already */
    uint8_t *jump[2]; /* to the slow path */
    uint32_t host; /* offset of the access, */
    uint32_t back; /* and of what is done when the page has been found */
    int32_t place; /* in MmuRecents */
} X64Access;

/* With the operands in use: takes registers.  `base`: see X64Access. */
X64Access x64_access_begin(X64Gen *g, X64Mem mem, IrRef base, VcpuAccessKind kind, unsigned size);

/* All registers are had: after this, a->mem is the host's.  Makes the stack map. */
void x64_access_find(X64Gen *g, X64Access *a);

/* The code of the access, which `what` describes, is complete. */
enum { X64_SLOW_SIGN = 1, X64_SLOW_WIDE = 2 };
void x64_access_end(X64Gen *g, const X64Access *a, X64Reg reg, unsigned flags, const int32_t *imm);

/* What accesses have found is not known any more: all of it, or what is in one of these registers. */
void x64_forget_found(X64Gen *g, uint32_t regs);

/* ---- lowering ---- */

typedef void X64LowerFn(X64Gen *g, const IrInsn *i, IrRef ref, uint32_t arg);

typedef struct X64Rule {
    X64LowerFn *fn;
    uint32_t arg;
} X64Rule;

extern const X64Rule x64_rules[IR_OP_COUNT];

/* movzx from 8 or 16 bits, mov from 32 */
void x64_emit_zext(X64Gen *g, X64Reg d, X64Reg a, unsigned bits);
X64Op x64_sext_op(unsigned type);

#define RULE_FN(fn) void fn(X64Gen *g, const IrInsn *i, IrRef ref, uint32_t arg)

/* `jump`: displacement of a jump that was just emitted; the cold path returns to after it. */
X64Cold *x64_cold(X64Gen *g, X64ColdFn *fn, uint8_t *jump);
void x64_cold_return(X64Gen *g, const X64Cold *c);
void x64_emit_cold(X64Gen *g);

/* A condition in the host's flags: `cc`, and for floating point equality the parity flag too. */
typedef struct X64Cond {
    uint8_t cc;
    enum { X64_PLAIN, X64_AND_NP, X64_OR_P } parity;
} X64Cond;

X64Cond x64_invert(X64Cond c);

/* A comparison whose operands are in place but which is not emitted yet. */
typedef struct X64Cmp {
    X64Cond cond;
    X64Op op;     /* of the register or memory form */
    bool w;       /* 64 bits */
    uint8_t a;
    uint8_t b;    /* X64_NONE: memory or immediate */
    bool has_imm, has_mem;
    int32_t imm;
    X64Mem mem;
} X64Cmp;

/* Operands of the comparison that I1 value `ref` is folded from, or of a test of it. */
X64Cmp x64_cmp_of(X64Gen *g, IrRef ref);
/* The same for comparison insn `i` itself. */
X64Cmp x64_cmp_insn(X64Gen *g, const IrInsn *i);
/* Emits it, unless the flags say it already; sets c->cond to the condition to use. */
void x64_emit_cmp(X64Gen *g, X64Cmp *c);

#endif
