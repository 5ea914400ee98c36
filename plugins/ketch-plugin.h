/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/ketch-plugin.h - what Ketch offers to plugins beyond QEMU's interface.
 *
 * A plugin that includes this file as well as qemu-plugin.h loads in Ketch only.  The same rules hold:
 * handles are valid during the callback that they were given to, strings live as long as the process
 * unless a function says otherwise, and every function may be called from any thread.
 */
#ifndef KETCH_PLUGIN_H
#define KETCH_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "plugins/qemu-plugin.h"

/* How an instruction goes on. */
typedef enum KetchInsnKind {
    KETCH_INSN_PLAIN,    /* with the next one */
    KETCH_INSN_BRANCH,   /* conditionally elsewhere */
    KETCH_INSN_JUMP,     /* elsewhere */
    KETCH_INSN_CALL,     /* elsewhere, expected to come back */
    KETCH_INSN_INDIRECT, /* to a computed address */
    KETCH_INSN_ICALL,    /* to a computed address, expected to come back */
    KETCH_INSN_RETURN,   /* back to a caller */
    KETCH_INSN_STOP,     /* a system call, a fence of instructions, an illegal instruction */
} KetchInsnKind;

/* The kind of an instruction, in a translation callback. */
KetchInsnKind ketch_plugin_insn_kind(const struct qemu_plugin_insn *insn);

/* A file that the guest has mapped, or that a machine was started with, and a function of it. */
typedef struct KetchPlace {
    const char *file;   /* host path, or "[vdso]" and the like */
    uint64_t bias;      /* address in memory = address in the ELF file + bias */
    const char *symbol; /* the function around the address, or NULL */
    uint64_t start;     /* of the function, in memory */
    uint64_t size;      /* of the function, in bytes; 0: unknown */
} KetchPlace;

/* What is mapped at a guest address now; false when no file is, and `place` is left alone. */
bool ketch_plugin_place(uint64_t vaddr, KetchPlace *place);

/* The name of a system call of the guest, or NULL for a number that has none. */
const char *ketch_plugin_syscall_name(int64_t number);

/* ---- Filters ---- */

/*
 * Which code is of interest, as text: terms with ':' between them.
 *
 *   range=FROM-TO     addresses, TO is outside
 *   symbol=PATTERN    functions, with * and ?
 *   module=PATTERN    files, by the last part of their path
 *
 * `!` before a term excludes what it matches.  An address passes when a term matches it (or all terms
 * exclude) and none excludes it.  Meant for translation callbacks: code that does not pass is simply
 * not instrumented, and costs nothing.
 */
typedef struct KetchFilter KetchFilter;

/* NULL when a term is wrong; *error then says so, to be freed with g_free(). */
KetchFilter *ketch_plugin_filter_new(const char *text, char **error);
void ketch_plugin_filter_free(KetchFilter *filter);
bool ketch_plugin_filter_match(const KetchFilter *filter, uint64_t vaddr);

/* ---- Stacks ---- */

/*
 * The calls that the current vcpu is in, from the inside out: its pc, then return addresses, at most
 * `max`; how many.  In a callback that reads registers (QEMU_PLUGIN_CB_R_REGS).  By the call frame
 * information of the guest's files, through signal handlers; it ends early where there is none.
 */
size_t ketch_plugin_backtrace(uint64_t *pc, size_t max);

/* ---- Instrumentation in IR ---- */

/*
 * What the plugin adds is compiled together with the guest's code.  A function of the plugin is called
 * when code is translated, as often as that happens (a hot loop is translated again), and appends
 * operations at that point: values from constants, guest registers and per-vcpu words; any pure
 * operation of docs/ir-ops.md on them; words to store, records to append, calls under a condition.
 */
typedef struct KetchIr KetchIr;
typedef struct KetchOp KetchOp;

/* A value of 1, 8, 16, 32 or 64 bits, in the IR that it was made for. */
typedef struct KetchValue {
    uint32_t ref;
} KetchValue;

/* An atomic instruction makes two: a load, and a store of what it leaves. */
typedef struct KetchAccess {
    bool is_store;
    unsigned size_shift; /* log2 of its bytes */
    uint64_t pc;         /* of the instruction */
    KetchValue address;  /* 64 bits */
    KetchValue value;    /* 64 bits: what is stored or was loaded, zero-extended; low half of more */
} KetchAccess;

typedef void (*KetchIrFn)(KetchIr *ir, void *userdata);
typedef void (*KetchAccessIrFn)(KetchIr *ir, const KetchAccess *access, void *userdata);

/* At the start of a block, before an instruction, after each access of an instruction that is made.
 * From translation callbacks. */
void ketch_plugin_tb_ir(struct qemu_plugin_tb *tb, KetchIrFn fn, void *userdata);
void ketch_plugin_insn_ir(struct qemu_plugin_insn *insn, KetchIrFn fn, void *userdata);
void ketch_plugin_mem_ir(struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw,
                         KetchAccessIrFn fn, void *userdata);

/* The operation of that name with a value and without effects ("add", "ltu", "sel"), for
 * ketch_ir_op(); NULL when there is none. */
const KetchOp *ketch_plugin_op(const char *name);

KetchValue ketch_ir_const(KetchIr *ir, unsigned bits, uint64_t value);

/* Applies an operation to as many operands as it has; `bits` are those of the result, or for a
 * comparison of the operands. */
KetchValue ketch_ir_op(KetchIr *ir, const KetchOp *op, unsigned bits, const KetchValue *operands);

/* A guest register by name, 64 bits, at blocks and instructions.  False, and `*value` is left alone, at
 * accesses and for a register that is not one word of its own (pc, fcsr). */
bool ketch_ir_register(KetchIr *ir, const char *name, KetchValue *value);

/* A word of the current vcpu. */
KetchValue ketch_ir_load_word(KetchIr *ir, qemu_plugin_u64 word);
void ketch_ir_store_word(KetchIr *ir, qemu_plugin_u64 word, KetchValue value);
void ketch_ir_add_word(KetchIr *ir, qemu_plugin_u64 word, KetchValue value);

/* Calls cb(vcpu_index, userdata) when a value of 1 bit is true.  At blocks and instructions; false at
 * accesses. */
bool ketch_ir_call_if(KetchIr *ir, KetchValue condition, qemu_plugin_vcpu_udata_cb_t cb,
                      enum qemu_plugin_cb_flags flags, void *userdata);

/* ---- Streams ---- */

/*
 * A file of records that translated code appends to without calling anyone.  Each vcpu has a buffer; a
 * thread codes full ones, compresses (zstd) and writes them; plugins/stream_file.h has the format.  A
 * record is a value - an address, or 0 to 2^62 - 1 - and what is known when code is translated: the pc of
 * the instruction and a number of the plugin's own.  It costs one store; none, when the value is a
 * constant more than another one of its block.
 */
typedef struct KetchStream KetchStream;

/*
 * `%p` in the path is the process id; a forked child writes a file of its own, or none without it.
 * `kind` says what the records are.  NULL when the file cannot be made; *error then says why, to be
 * freed with g_free().
 */
KetchStream *ketch_plugin_stream_new(const char *path, const char *kind, char **error);

/* In the translation callback of each block whose instrumentation appends: at most one record for each of
 * its accesses. */
void ketch_plugin_tb_stream(struct qemu_plugin_tb *tb, KetchStream *stream);

void ketch_ir_append(KetchIr *ir, KetchStream *stream, uint64_t pc, uint32_t what, KetchValue value);

/* In the atexit callback: writes what is left and waits for it.  False when not everything could be
 * written; *error then says why. */
bool ketch_plugin_stream_close(KetchStream *stream, char **error);

#endif
