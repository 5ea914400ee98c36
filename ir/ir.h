/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ir/ir.h - the SSA language between guest and host.
 *
 * An IrFunc is a control-flow graph of blocks with parameters.  Instructions live in one
 * growable array and are named by their index, an IrRef; 0 names none.  A block's instructions
 * are a doubly linked list through that array, so passes insert and remove in constant time and
 * references stay valid.  All memory is the arena's.
 *
 * Guest registers.  `setreg` changes a guest register *at that point*: at every op that may trap
 * and at every exit the guest state is what the setregs before it say.  A backend may delay the
 * actual store (see docs/ir.md, "Delayed stores").  A block with one predecessor inherits what is
 * delayed there.  At the start of a block with several predecessors all registers are in memory
 * (or pinned), except those that a `setreg` right after the block's parameters names: such an
 * entry marker lets a register cross the edge as a value without being stored.  Markers form the
 * head of the block with the parameters: up to the first op that is none of param, setreg, const,
 * fcanon, fbox and those of ir_is_calc() (ir_is_entry()).  A marker that sets a constant may also stand for a
 * register that nobody looks at before it is set again.
 *
 * Example (text form, which ir_parse() reads back):
 *
 *     func riscv64 0x10400
 *     block 0 0x10400 {
 *       insn 0x10400 4
 *       %1:i64 = getreg a0
 *       %2:i64 = const 8
 *       %3:i64 = add %1, %2
 *       setreg a0, %3
 *       insn 0x10404 4
 *       %4:i64 = load.s4 %3, 16
 *       setreg a1, %4
 *       exit 0x10408
 *     }
 *
 * Threading: an IrFunc belongs to one thread.
 */
#ifndef KETCH_IR_IR_H
#define KETCH_IR_IR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/check.h"

typedef struct IrGuest IrGuest;

/* Types: TYPE(name, text, bits) */
#define IR_TYPES(TYPE)   \
    TYPE(VOID, void, 0)  \
    TYPE(I1, i1, 1)      \
    TYPE(I8, i8, 8)      \
    TYPE(I16, i16, 16)   \
    TYPE(I32, i32, 32)   \
    TYPE(I64, i64, 64)   \
    TYPE(F16, f16, 16)   \
    TYPE(F32, f32, 32)   \
    TYPE(F64, f64, 64)

typedef enum IrType {
#define TYPE(name, text, bits) IR_##name,
    IR_TYPES(TYPE)
#undef TYPE
    IR_TYPE_COUNT,
    /* Only in the rows of ops.def: */
    IR_T,
    IR_U,
    IR_ANY,
} IrType;

typedef enum IrOp {
    IR_OP_none,
#define OP(name, result, sig, effects, eval, summary) IR_OP_##name,
#include "ir/ops.def"
    IR_OP_COUNT
} IrOp;

typedef enum IrEffect {
    IR_PURE = 1 << 0,    /* result depends on operands only; may be removed, moved, merged */
    IR_COMM = 1 << 1,    /* operands may be swapped */
    IR_FP = 1 << 2,      /* reads the rounding mode (aux == IR_RM_DYN) and accumulates flags: kept
                            even when unused, ordered against FPENV only */
    IR_FPENV = 1 << 3,   /* reads or writes flags or rounding mode */
    IR_STATE_R = 1 << 4, /* reads guest registers or vcpu state */
    IR_STATE_W = 1 << 5, /* writes them */
    IR_MEM_R = 1 << 6,   /* reads guest memory */
    IR_MEM_W = 1 << 7,   /* writes guest memory */
    IR_TRAPS = 1 << 8,   /* may leave the unit here; the guest state must be exact */
    IR_TERM = 1 << 9,    /* ends its block */
    IR_CALL = 1 << 10,   /* effects come from the helper's row */
    IR_MARK = 1 << 11,   /* position marker, no code of its own */
    IR_PARAM = 1 << 12,  /* block parameter */
    IR_WORDS = 1 << 13,  /* helpers: reads and writes the slots from IrGuest.first_word on */
} IrEffect;

/* Rounding modes (the numbers are RISC-V's; RISC-V unprivileged spec, "Floating-Point Control
 * and Status Register") */
typedef enum IrRm { IR_RM_RNE, IR_RM_RTZ, IR_RM_RDN, IR_RM_RUP, IR_RM_RMM, IR_RM_DYN = 7 } IrRm;

typedef enum IrFpFlag {
    IR_FP_NX = 1,
    IR_FP_UF = 2,
    IR_FP_OF = 4,
    IR_FP_DZ = 8,
    IR_FP_NV = 16,
} IrFpFlag;

/* aux of load and store: log2 of the size in bytes, and for integer loads IR_MEM_SIGN */
enum { IR_MEM_SIZE = 3, IR_MEM_SIGN = 4 };

/* aux of amo */
typedef enum IrRmw {
    IR_RMW_swap, IR_RMW_add, IR_RMW_and, IR_RMW_or, IR_RMW_xor,
    IR_RMW_min, IR_RMW_max, IR_RMW_minu, IR_RMW_maxu, IR_RMW_COUNT
} IrRmw;

/* aux of fence: the orders kept; only store-load costs anything on a TSO host */
enum { IR_FENCE_LL = 1, IR_FENCE_LS = 2, IR_FENCE_SL = 4, IR_FENCE_SS = 8 };

/* aux of param: a float that is never a signalling NaN, as the result of an FP op; an I64 that is
 * the sign extension of its low 32 bits */
enum { IR_PARAM_QUIET = 1, IR_PARAM_SEXT = 2 };

/* aux of exit and exit_ind */
enum {
    IR_EXIT_POLL = 1, /* test Vcpu.exit_req first (backward jumps, indirect jumps) */
    IR_EXIT_CALL = 2, /* a call: arg[0] (exit) or arg[1] (exit_ind) is a const, the return pc */
    IR_EXIT_RET = 4,  /* a return */
    IR_EXIT_FAR = 8,  /* exit: what is at the pc may change, so it is looked up each time */
};

/* Why translated code was left: TRAP(name, meaning) */
#define IR_TRAPS_LIST(TRAP)                                                         \
    TRAP(none, "no trap: a direct exit that is not linked, exit_site says which")   \
    TRAP(lookup, "an indirect exit whose target is not in the jump cache")          \
    TRAP(interrupt, "Vcpu.exit_req was set")                                        \
    TRAP(syscall, "system call instruction; pc is the instruction's")               \
    TRAP(breakpoint, "breakpoint instruction")                                      \
    TRAP(illegal, "illegal instruction; arg is its bits")                           \
    TRAP(fetch, "the pc is not executable memory; arg is the address")              \
    TRAP(misaligned_fetch, "the pc is not aligned; arg is the address")             \
    TRAP(fault, "data access; arg is the address, siginfo has more")                \
    TRAP(again, "a region's data access; the next instructions must run one by one") \
    TRAP(misaligned, "atomic access that is not aligned; its operands say where")   \
    TRAP(div_zero, "division by zero, for ISAs that trap it")                       \
    TRAP(fence_i, "instruction fence: later fetches see earlier stores; pc is next") \
    TRAP(mode, "translation mode changed; pc is next")                              \
    TRAP(exclusive, "the next instructions must run alone (LR/SC); pc is the first") \
    TRAP(hot, "a unit's counter ran out: consider a better tier")                   \
    TRAP(debug, "a debugger's breakpoint; pc is the instruction's")                 \
    TRAP(watch, "the access would touch a debugger's watchpoint; arg is its index") \
    TRAP(wait, "wait for an interrupt; pc is next")                                 \
    TRAP(guard, "a region on several pages: do they still come from where they did?")

typedef enum IrTrap {
#define TRAP(name, meaning) IR_TRAP_##name,
    IR_TRAPS_LIST(TRAP)
#undef TRAP
    IR_TRAP_COUNT
} IrTrap;

const char *ir_trap_name(IrTrap trap);

typedef uint32_t IrRef;
typedef uint32_t IrBlockId;

typedef struct IrInsn {
    uint8_t op;   /* IrOp */
    uint8_t type; /* IrType of the result; for stores the type of the value */
    uint8_t aux;  /* meaning by op, see ops.def */
    uint8_t mark; /* scratch for passes; 0 between passes */
    IrRef prev, next;
    IrRef arg[3]; /* 0 where the op has no such operand */
    int64_t imm;
} IrInsn;

typedef struct IrEdge {
    IrBlockId block;
    uint32_t first_arg; /* into IrFunc.edge_args: one argument for each parameter */
    uint32_t n_args;
} IrEdge;

typedef struct IrBlock {
    IrRef first, last; /* 0 while empty; last is the terminator once sealed */
    uint64_t pc;       /* guest address it starts at */
    uint32_t n_params;
    uint32_t n_preds;
    uint32_t depth;    /* loop nesting, 0 outside loops; set by the region former or ir_loops() */
} IrBlock;

/* Arrays are [0, count); insn[0] is unused.  Block 0 is the entry and has no predecessors.
 * Numbers are in no particular order; a backend lays blocks out by them when dominators come first,
 * else in an order of its own. */
typedef struct IrFunc {
    Arena *arena;
    const IrGuest *guest;
    uint64_t pc;   /* guest address of the unit */
    uint32_t mode; /* translation mode, see Vcpu.mode */
    bool watched;  /* every access to guest memory stays one of its own */
    IrInsn *insn;
    uint32_t n_insns, cap_insns;
    IrBlock *block;
    uint32_t n_blocks, cap_blocks;
    IrEdge *edge;
    uint32_t n_edges, cap_edges;
    IrRef *edge_args;
    uint32_t n_edge_args, cap_edge_args;
} IrFunc;

typedef struct IrOpInfo {
    const char *name;
    const char *summary;
    uint8_t result;  /* IrType, with IR_T and IR_ANY */
    uint8_t n_args;
    uint8_t arg[3];  /* IrType, with IR_T, IR_U and IR_ANY */
    uint32_t effects;
} IrOpInfo;

extern const IrOpInfo ir_op_info[IR_OP_COUNT];

typedef struct IrTypeInfo {
    const char *name;
    uint8_t bits;
    bool is_float;
} IrTypeInfo;

extern const IrTypeInfo ir_type_info[IR_TYPE_COUNT];

static inline unsigned ir_bits(unsigned type)
{
    return ir_type_info[type].bits;
}

static inline IrInsn *ir_insn(const IrFunc *f, IrRef ref)
{
    DCHECK(ref && ref < f->n_insns);
    return &f->insn[ref];
}

/* Effects of this very insn: the row's, or for `call` the helper's. */
uint32_t ir_effects(const IrFunc *f, const IrInsn *i);

/* An op of one operand, or of two when the second is a constant, that a backend may leave undone until
 * somebody looks at the guest register that it is for. */
static inline bool ir_is_calc(unsigned op)
{
    switch (op) {
    case IR_OP_add: case IR_OP_and: case IR_OP_or: case IR_OP_xor:
    case IR_OP_shl: case IR_OP_shr: case IR_OP_sar: case IR_OP_rotl: case IR_OP_rotr:
    case IR_OP_not: case IR_OP_neg: case IR_OP_zext: case IR_OP_sext: case IR_OP_trunc:
        return true;
    default:
        return false;
    }
}

/* `ref` may stand among the parameters and entry markers of a block. */
static inline bool ir_is_entry(const IrFunc *f, IrRef ref)
{
    uint8_t op = ir_insn(f, ref)->op;

    return op == IR_OP_param || op == IR_OP_setreg || op == IR_OP_const || op == IR_OP_fcanon ||
           op == IR_OP_fbox || ir_is_calc(op);
}

/* Walks the insns of block `id` of `f` in order; the current one may be removed. */
#define IR_FOR_EACH(f, id, ref)                                                             \
    for (IrRef ref = (f)->block[id].first, ref##_next; ref; ref = ref##_next)               \
        if ((ref##_next = (f)->insn[ref].next), true)

/* ---- Making functions: ir/build.c ---- */

/*
 * What makes an insn, a block or an edge may move the array of all of them: no pointer into it lives
 * on, nor may its result be assigned to an element (`f->insn[a].arg[0] = ir_append(...)`).
 * For tests: each does move it, and spoils what was there.
 */
extern bool ir_moves;

/* An empty function in `arena`. */
IrFunc *ir_func_new(Arena *arena, const IrGuest *guest, uint64_t pc);
IrBlockId ir_block_new(IrFunc *f, uint64_t pc);
static inline IrEdge *ir_edge(const IrFunc *f, const IrInsn *term, unsigned which)
{
    return &f->edge[(uint64_t)term->imm + which];
}

/* An edge to `to` without arguments: the imm of a br, or of a brif whose second edge follows. */
uint32_t ir_edge_new(IrFunc *f, IrBlockId to);
void ir_edge_set_args(IrFunc *f, IrEdge *edge, const IrRef *args, uint32_t n);

/* Raw insertion: at the end of `block`, or before `at`.  Returns the new insn's name. */
IrRef ir_append(IrFunc *f, IrBlockId block, IrInsn insn);
IrRef ir_insert_before(IrFunc *f, IrBlockId block, IrRef at, IrInsn insn);
void ir_remove(IrFunc *f, IrBlockId block, IrRef ref);

/* Takes `ref` out of block `from` and puts it before `at`, which is in block `to`. */
void ir_move_before(IrFunc *f, IrBlockId from, IrRef ref, IrBlockId to, IrRef at);

/* A float value that is never a signalling NaN: canonical or not makes no difference to FP ops. */
bool ir_is_quiet(const IrFunc *f, IrRef ref);

/*
 * The builder: appends to `block`, folds constants and simple identities on the way, merges equal
 * pure ops, and within a block forwards setreg to getreg and merges equal getregs, so that
 * straight code needs no pass for it.  A call whose helper writes state, and ir_build_at(), forget
 * what is known.  An FP op takes the raw value behind an fcanon of another FP op's result: the
 * canonical NaN is made only where bits become visible.
 *
 * Constants: imm is sign-extended from the width of an integer type (I1: 0 or 1), zero-extended
 * for floats; in a commutative op the constant is operand 1.
 */
enum { IR_BUILD_RECENT = 64 };

typedef struct IrBuild {
    IrFunc *f;
    IrBlockId block;
    IrRef before;                   /* insert before this insn; 0: at the end of the block */
    IrRef known[256];               /* slot -> its value now; 0 when not known */
    IrRef recent[IR_BUILD_RECENT];  /* pure ops by hash, for merging */
    uint64_t now_pc;                /* of the last insn marker */
} IrBuild;

void ir_build_at(IrBuild *b, IrFunc *f, IrBlockId block);

/* Goes on in `block`, whose only predecessor is where the builder is: keeps what is known. */
void ir_build_follow(IrBuild *b, IrBlockId block);

IrRef ir_const(IrBuild *b, IrType type, uint64_t value);
IrRef ir_get(IrBuild *b, unsigned slot);
void ir_set(IrBuild *b, unsigned slot, IrRef value);
IrRef ir_op1(IrBuild *b, IrOp op, IrType type, IrRef a);          /* type: of the result */
IrRef ir_op2(IrBuild *b, IrOp op, IrType type, IrRef a, IrRef c);
IrRef ir_op3(IrBuild *b, IrOp op, IrType type, IrRef a, IrRef c, IrRef d);
IrRef ir_fp1(IrBuild *b, IrOp op, IrType type, IrRm rm, IrRef a);
IrRef ir_fp2(IrBuild *b, IrOp op, IrType type, IrRm rm, IrRef a, IrRef c);
IrRef ir_fp3(IrBuild *b, IrOp op, IrType type, IrRm rm, IrRef a, IrRef c, IrRef d);
IrRef ir_load(IrBuild *b, IrType type, unsigned mem, IrRef addr, int64_t disp); /* folds addr = x + const */
void ir_store(IrBuild *b, unsigned mem, IrRef addr, int64_t disp, IrRef value);
IrRef ir_amo(IrBuild *b, IrRmw op, IrType type, IrRef addr, IrRef value);
IrRef ir_cas(IrBuild *b, IrType type, IrRef addr, IrRef expected, IrRef desired);
void ir_fence(IrBuild *b, unsigned order);
IrRef ir_ldstate(IrBuild *b, IrType type, unsigned offset);
void ir_ststate(IrBuild *b, unsigned offset, IrRef value);
void ir_addstate(IrBuild *b, unsigned offset, IrRef value);
void ir_addhost(IrBuild *b, IrRef address, IrRef value);
IrRef ir_call(IrBuild *b, unsigned helper, IrRef a, IrRef c, IrRef d); /* unused args 0 */
void ir_mark(IrBuild *b, uint64_t pc, unsigned length);
void ir_safepoint(IrBuild *b, uint64_t pc);
void ir_trap_if(IrBuild *b, IrRef cond, IrTrap trap, uint64_t arg);
void ir_br(IrBuild *b, IrBlockId to);                               /* edges without arguments */
void ir_brif(IrBuild *b, IrRef cond, IrBlockId yes, IrBlockId no);
void ir_exit(IrBuild *b, uint64_t pc, unsigned flags, uint64_t return_pc); /* return_pc: with CALL */
void ir_exit_ind(IrBuild *b, IrRef target, unsigned flags, IrRef back); /* with CALL: a constant, else 0 */
void ir_exit_trap(IrBuild *b, IrTrap trap, uint64_t pc);

/* ---- Looking at functions ---- */

/* False, and *error says where and what (in the function's arena), when `f` breaks a rule. */
MUST_USE bool ir_verify(const IrFunc *f, const char **error);

/* The text form, in `arena`. */
char *ir_print(const IrFunc *f, Arena *arena);

/* One insn of it, without the line's end and indentation. */
char *ir_print_insn(const IrFunc *f, IrRef ref, Arena *arena);

/* Reads the text form; NULL, and *error with "line N: ...", when it is not well-formed. */
IrFunc *ir_parse(const char *text, const IrGuest *guest, Arena *arena, const char **error);

#endif
