/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/translator.h - runs guest code on vcpus: units, code cache, tiers, chaining.
 *
 * Owns:       every unit and the code cache, shared by all vcpus of the process.
 * Invariant:  code that tr_invalidate() covers is not executed by any vcpu after it returns.
 * Threading:  one host thread per vcpu calls tr_run(); the rest as each function says.
 */
#ifndef KETCH_TRANSLATOR_TRANSLATOR_H
#define KETCH_TRANSLATOR_TRANSLATOR_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontends/frontend.h"
#include "frontends/system.h"
#include "ir/vcpu.h"

typedef enum TrTier { TR_TIER_interp, TR_TIER_jit } TrTier;

/* TrConfig.hot_threshold unless the user says otherwise. */
enum { TR_HOT_THRESHOLD = 150000 };

/* TrConfig.perf: files with the names of units for perf(1) */
enum {
    TR_PERF_map = 1,     /* /tmp/perf-PID.map */
    TR_PERF_jitdump = 2, /* jit-PID.dump, with the code */
};

typedef struct TrRange {
    uint64_t lo, hi; /* inclusive */
} TrRange;

typedef struct TrInstrument TrInstrument; /* translator/instrument.h */

/* A whole machine in place of a process. */
typedef struct TrSystem {
    const FeSystem *fe;
    PhysMem *mem; /* from which code is fetched; TrConfig.fetch and mem_base are not used */
    MmuScheme scheme;
} TrSystem;

typedef struct TrConfig {
    const Frontend *frontend;
    const TrSystem *system; /* NULL: user mode */
    TrTier tier;
    size_t cache_size;      /* bytes of host code (of side memory in the interpreter); 0: 64 MiB, of a
                               machine 256 MiB */
    uint64_t mem_base;      /* host address of guest address 0 */
    bool one_vcpu;          /* there will be no second one, and nobody else changes what the guest changes
                               atomically */
    bool one_insn;          /* units of one instruction (-one-insn-per-tb) */
    bool check;             /* every unit also in the interpreter, compared (--check) */
    bool no_chain;          /* -d nochain */
    const TrRange *dfilter; /* units that -d shows; NULL: all */
    unsigned n_dfilter;
    unsigned perf;          /* TR_PERF_... */
    bool gdb_jit;           /* names for a gdb that is attached to Ketch itself */
    const char *profile;    /* --profile: file of the report, "" for the log; NULL: none */
    bool timed;             /* the time in translation is measured, for tr_stats_print() */
    uint32_t hot_threshold; /* entries before a unit is considered for a region; 0: never */
    uint32_t region_work;   /* most work that a region may take (policy.h); 0: REGION_WORK */
    const TrInstrument *instrument; /* what to add to the guest's code; NULL: nothing */

    /* Copies up to `want` bytes of executable guest memory from `pc` to `buf`; returns how many
     * could be read (0: pc is not executable).  *writable: the guest may change them, here or
     * through another mapping of the same memory. */
    size_t (*fetch)(void *opaque, uint64_t pc, uint8_t *buf, size_t want, bool *writable);
    /* Name of the symbol (or file) at pc for dumps and how far pc is after its start; NULL when
     * unknown.  May be NULL itself. */
    const char *(*symbol)(void *opaque, uint64_t pc, uint64_t *offset);
    void *opaque;
} TrConfig;

/* Once per process, before the first vcpu.  False, and *error, a sentence, when it cannot. */
MUST_USE bool tr_start(const TrConfig *config, const char **error);

/* A vcpu with the frontend's reset state; NULL when out of memory. */
Vcpu *tr_vcpu_new(void *user);
void tr_vcpu_free(Vcpu *vcpu);

/* Why tr_run() came back: trap, with the vcpu's pc at the instruction that caused it (for syscall
 * and breakpoint too; for interrupt the next one). */
typedef struct TrStop {
    IrTrap trap;    /* syscall, breakpoint, illegal, fetch, misaligned*, fault, interrupt; for a
                       debugger debug, watch */
    uint64_t arg;   /* by trap, see IR_TRAPS_LIST */
    siginfo_t info; /* fault: the host's, with si_addr a guest address */
} TrStop;

/* Runs the vcpu until it stops.  fence_i, mode, exclusive, hot and lookups are handled inside. */
TrStop tr_run(Vcpu *vcpu);

/* One instruction, while no other vcpu runs.  IR_TRAP_interrupt: it is done.  `bare`: breakpoints
 * and watchpoints do not count. */
TrStop tr_step(Vcpu *vcpu, bool bare);

/* Makes tr_run() of that vcpu return with IR_TRAP_interrupt soon.  Any thread, also from a
 * signal handler. */
void tr_interrupt(Vcpu *vcpu);

/* Drops every unit with bytes in [start, start + size).  A vcpu thread outside tr_run() or any
 * other; waits until no vcpu runs translated code.  Call it after the memory has changed, and
 * without a lock that TrConfig.fetch takes. */
void tr_invalidate(uint64_t start, uint64_t size);

/* The guest says that it changed code in [start, start + size) (riscv_flush_icache): drops the
 * units there whose bytes are no longer what they were.  Otherwise like tr_invalidate(). */
void tr_code_changed(uint64_t start, uint64_t size);

/* The guest has executed an instruction fence at least once. */
bool tr_guest_fences(void);

/* For a host SIGSEGV/SIGBUS/SIGFPE/SIGILL: when the host was in translated code (or in the
 * interpreter) of this thread's vcpu, arranges for tr_run() to return with IR_TRAP_fault and
 * returns true. False: not ours. */
bool tr_host_fault(int sig, siginfo_t *info, void *ucontext);

/* For a host signal TR_PROFILE_SIGNAL: when it is a tick of the profile, notes where the thread is
 * and returns true.  False: not ours. */
enum { TR_PROFILE_SIGNAL = SIGILL };
bool tr_profile_signal(const siginfo_t *info, const void *ucontext);

/* Prints the profile, if there is one, and ends it.  Threads may still run. */
void tr_profile_print(void);

/* A thread that may block for long (a system call) brackets it, so that others need not wait for
 * it; nothing guest-visible that the translator owns may be touched between. */
void tr_block_begin(Vcpu *vcpu);
void tr_block_end(Vcpu *vcpu);

/* Runs alone: no other vcpu is in translated code between the two. */
void tr_exclusive_begin(Vcpu *vcpu);
void tr_exclusive_end(Vcpu *vcpu);

/* ---- For debuggers: nothing of it costs anything while nothing is set ---- */

enum { TR_WATCHES = 8, TR_WATCH_SIZE = 64 };

typedef enum TrWatchKind { TR_WATCH_write = 1, TR_WATCH_read = 2, TR_WATCH_access = 3 } TrWatchKind;

typedef struct TrWatch {
    uint64_t addr;
    uint32_t size; /* 1 to TR_WATCH_SIZE bytes */
    TrWatchKind kind;
} TrWatch;

/* Which breakpoints there are: at one of them tr_run() returns with IR_TRAP_debug before the
 * instruction.  False: out of memory, nothing changed.  Threads as for tr_invalidate(). */
MUST_USE bool tr_set_breakpoints(const uint64_t *pc, size_t n);

/* Which watchpoints there are, at most TR_WATCHES.  tr_run() returns with IR_TRAP_watch after an
 * instruction that reads or writes one; for TR_WATCH_write, only when the bytes have changed.  arg
 * is TrWatch.addr.  What system calls do to memory is not seen. */
void tr_set_watches(const TrWatch *watch, unsigned n);

/* ---- */

/* Around fork(2): prepare takes every lock; in the child only the calling vcpu remains, the others
 * are freed. */
void tr_fork_prepare(Vcpu *vcpu, bool shared_files);
void tr_fork_parent(Vcpu *vcpu);
void tr_fork_child(Vcpu *vcpu);

/* A vfork child has used this vcpu, from its parent's memory, and is gone, perhaps killed in the
 * middle of translated code: the parent's thread goes on with it. */
void tr_vfork_done(Vcpu *vcpu);

/* The guest has (had) a second thread, or shares memory with another process. */
void tr_guest_has_threads(void);

/* Counters of --stats as text, one "name value" per line. */
void tr_stats_print(int fd);

#endif
