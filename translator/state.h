/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator/state.h - what the files of this folder share; nobody else includes it.
 *
 * Locks, in the order in which they are taken:
 *   exclusive   (exclusive.c) whoever holds it runs alone; every vcpu is out of translated code
 *   tr.lock     (unit.c, cache.c) the unit table, the code cache, the backend's compile and link
 *   vcpus lock  (exclusive.c) the list of vcpus and their `running` flags
 * Nobody waits for the exclusive section while holding a later one.
 *
 * A unit's memory and code stay until eviction, which happens in an exclusive section: a vcpu whose
 * `running` is set may use every unit that it finds without a lock.
 */
#ifndef KETCH_TRANSLATOR_STATE_H
#define KETCH_TRANSLATOR_STATE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <time.h>

#include "backends/backend.h"
#include "backends/common/codebuf.h"
#include "base/arena.h"
#include "base/log.h"
#include "softmmu/codepages.h"
#include "translator/instrument.h"
#include "translator/translator.h"

typedef struct TrUnit TrUnit;
typedef struct TrVcpu TrVcpu;

/* ---- Units ---- */

/* There are many of them and they are small: units and links name each other by where they are in
 * tr.units, in steps of 16 bytes.  0 names none. */
typedef uint32_t TrName;

/*
 * Whole machines: where the instruction at a pc is.  The low half is the number of its physical page
 * plus 1, the high half the same of the next page, when the instruction may reach into that one and
 * something can be fetched there.  0: user mode.
 */
typedef uint64_t TrPage;

/* A direct exit and where it is linked to; in the list of the links to `to`. */
typedef struct TrLink {
    TrName from;       /* unit */
    TrName to;         /* unit; 0: not linked */
    TrName prev, next; /* links */
} TrLink;

enum { TR_GUARD_PAGES = 8, TR_GUARD_VCPUS = 8 };

/* Whole machines: the pages of a region besides that of its start.  It may be entered by a vcpu whose
 * Vcpu.fetch_stamp is what stamp[] has for it. */
typedef struct TrGuard {
    uint64_t stamp[TR_GUARD_VCPUS];
    unsigned n;
    struct {
        uint64_t number; /* of the virtual page */
        uint32_t half;   /* as in TrPage */
    } page[TR_GUARD_PAGES];
} TrGuard;

/* Guest bytes that a unit was made from. */
typedef struct TrSpan {
    uint64_t pc;
    uint32_t size;
    uint8_t *bytes; /* copy, when the guest could write there; else NULL */
} TrSpan;

/* A fault at guest `pc` in a unit: the word has grown by `amount` too much. */
typedef struct TrUndo {
    uint64_t pc;
    int64_t at; /* byte offset in the vcpu, or the address */
    bool host;
    uint64_t amount;
} TrUndo;

enum {
    TR_MODE_STEP = 1 << 30, /* in TrUnit.mode: one instruction, for exclusive stepping */
    TR_MODE_BARE = 1 << 29, /* with it: as if no debugger had set anything */
};

struct TrUnit {
    uint64_t pc;
    int32_t *counter;  /* entries left until it runs out; generated code decrements it */
    uint32_t mode;     /* Vcpu.mode, with TR_MODE_STEP */
    TrName incoming;   /* first link to here */
    uint64_t page;     /* whole machines: what is at pc, see TrPage; else 0 */
    BeCode code;
    BeCode *oracle;   /* --check: the same for the interpreter, not optimised */
    struct ProfileUnit *profile; /* --profile; else NULL */
    TrLink *links;    /* one for each direct exit of the code */
    TrUndo *undo;     /* of counts.c */
    TrGuard *guard;   /* whole machines; NULL: none */
    uint32_t n_undo;
    uint16_t n_spans;
    uint16_t n_insns; /* of the guest */
    bool dead;        /* invalidated: nothing leads there */
    bool replaced;    /* by a region: found by host address and guest page only */
    bool region;
    bool fused;       /* an access may stand for several instructions (Frontend.sequence) */
    bool asked_threads; /* must go when the guest gets its second thread */
    bool writable;      /* has a span with a copy of its bytes */
    uint8_t samples;    /* times that the counter has run out */
    TrSpan spans[];
};

/* Where a translation could not be made: what the vcpu stops with. */
typedef struct TrFail {
    IrTrap trap;
    uint64_t arg;
} TrFail;

/* ---- Statistics ---- */

typedef struct TrStats {
#define STAT(name, help) uint64_t name;
#define VCPU_STAT(name, help)
#include "translator/stats.def"
} TrStats;

typedef struct TrVcpuStats {
#define STAT(name, help)
#define VCPU_STAT(name, help) uint64_t name;
#include "translator/stats.def"
} TrVcpuStats;

/* ---- Vcpus ---- */

/* Whose addresses jumps with one Vcpu.jump_tag are. */
typedef struct TrTag {
    uint64_t context;
    uint32_t mode;
} TrTag;

enum { TR_RECENT_TAGS = 16 };

struct TrVcpu {
    Vcpu vcpu; /* first: generated code and the frontends see only this */
    TrVcpu *prev, *next;

    /* May be in translated code or use units.  Set and cleared by its thread, read by whoever
     * wants to run alone (sequentially consistent: each side writes its own flag, then reads the
     * other's). */
    _Atomic uint32_t running;
    _Atomic uint32_t interrupt; /* tr_run() shall return; set before Vcpu.exit_req */

    volatile sig_atomic_t entered; /* inside backend->enter(): a host fault is the guest's */
    volatile sig_atomic_t alone;   /* stepping in an exclusive section */
    const TrAction *volatile action; /* whose call is running */
    uint32_t borrowed_csr;         /* the guest's MXCSR, when a call has just lost it; else 0 */
    uint64_t accessed;             /* in a call at a memory access: what was loaded or stored */
    TrTag *tags;                   /* whole machines, see system_tag() */
    bool (*access)(Vcpu *vcpu, VcpuAccess *access); /* with instrumentation or --check: the MMU's */
    const TrUnit *faulted;         /* instrumentation: whose access has just faulted; NULL: none */
    unsigned n_tags;
    uint8_t recent_tag[TR_RECENT_TAGS]; /* numbers of tags by a hash, or 0 */
    bool cached;                   /* jump_cache may hold host addresses */
    uint64_t generation;           /* of the code cache when translated code was entered */
    siginfo_t info;                /* of the last host fault */
    bool has_info;
    sigjmp_buf raise;
    TrVcpuStats stats;
    TrFail fail;
    volatile sig_atomic_t translating; /* for the profile */
    bool profiled, has_timer;
    timer_t timer;
};

/* The vcpu that this thread runs; NULL when none. */
extern _Thread_local TrVcpu *tr_self;

/* ---- The translator ---- */

typedef struct TrTable TrTable;

typedef struct Translator {
    TrConfig config;
    const TrSystem *system; /* a copy of config's; NULL: user mode */
    CodePages *code_pages;  /* of a machine */
    const Frontend *frontend;
    const IrGuest *guest; /* the frontend's, with the helpers of instrumentation */
    const Backend *backend;
    const Backend *oracle; /* --check: be_interp */
    CodeBuf *code;         /* NULL with be_interp */
    size_t stubs_size;     /* of the backend's own code at its start */
    IrHelperFn **helpers;  /* of the guest, for Vcpu.helpers */
    bool no_chain;         /* every unit is left to the run loop */
    _Atomic bool threads;

    pthread_mutex_t lock; /* everything below */
    Arena *ir;            /* of the unit being translated */
    Arena *units;         /* units and what belongs to them; emptied at eviction */
    size_t units_empty;   /* mark of `units` */
    size_t side_used;     /* bytes of BeCode.side */
    TrStats stats;

    /* Changes at eviction, in an exclusive section: exit sites of before mean nothing. */
    uint64_t generation;
} Translator;

extern Translator tr;

/* ---- cache.c: finding units ---- */

bool cache_start(const char **error);

/* The unit for `pc` in `mode`, or NULL.  The caller holds tr.lock or is `running`. */
TrUnit *cache_find(uint64_t pc, uint32_t mode, TrPage page);

/* cache_find() will be asked for `pc`: the table is seldom in the host's caches.  Same condition. */
void cache_expect(uint64_t pc);

/* The unit whose code contains an address of the code cache, or NULL; async-signal-safe.  Same
 * condition. */
TrUnit *cache_find_host(const void *host);

/* A new unit with its spans copied; NULL when the cache is full.  Caller: tr.lock. */
TrUnit *cache_unit_new(uint64_t pc, uint32_t mode, TrPage page, const TrSpan *spans,
                       unsigned n_spans);

/* Makes a compiled unit findable. */
void cache_insert_locked(TrUnit *unit);

/* `to` takes the place of `from`, which has the same pc and mode: links move over. */
void cache_replace_locked(TrUnit *from, TrUnit *to);

/* Points exit number `exit` of `from` at `to`. */
void cache_link_locked(TrUnit *from, unsigned exit, TrUnit *to);

/* Whether a link to the unit is counted may have changed, with its samples. */
void cache_relink_locked(const TrUnit *unit);

/* Which units to drop. */
typedef struct TrFilter {
    bool (*wanted)(const TrUnit *unit, void *opaque);
    void *opaque;
    bool writable; /* only units with a copy of their bytes */
} TrFilter;

/* Drops them, returns how many.  Caller: exclusive section and tr.lock. */
unsigned cache_drop_locked(const TrFilter *filter);
bool cache_any_locked(const TrFilter *filter);

/* The same for the units with bytes in `range`; no filter: all of these. */
unsigned cache_drop_range_locked(const TrRange *range, const TrFilter *filter);
bool cache_has_range_locked(const TrRange *range, const TrFilter *filter);

/* The same for units with bytes in a page, of which the filter sees those that are not dropped.  *left:
 * some are still there. */
unsigned cache_drop_page_locked(uint64_t page, const TrFilter *filter, bool *left);

/* Calls fn for every unit that has code, dropped ones included.  Caller: tr.lock. */
void cache_for_each_locked(void (*fn)(const TrUnit *unit));

/* Bytes of memory that units take: code, side data, tables. */
size_t cache_memory(void);

/* Empties everything.  Caller: exclusive section and tr.lock. */
void cache_evict_locked(void);

/* ---- unit.c: making units ---- */

bool unit_start(const char **error);

/* Translates at `pc`.  NULL: *fail says why; its trap is IR_TRAP_none when the cache is full. */
TrUnit *unit_translate_locked(uint64_t pc, uint32_t mode, TrPage page, TrFail *fail);

/* A unit without code from what source.h holds; NULL when the cache is full. */
TrUnit *unit_new_locked(uint64_t pc, uint32_t mode, TrPage page);

/* Runs the passes and compiles `f` as the code of `unit`. */
BeStatus unit_compile_locked(IrFunc *f, TrUnit *unit);

/* The IR of a unit once more, to the log. */
void unit_show_ir(const TrUnit *unit);

/* This thread's processor time in nanoseconds, for the statistics; 0 without TrConfig.timed. */
uint64_t unit_clock(void);

/* ---- region.c ---- */

/* What TrUnit.counter starts with. */
int32_t region_interval(void);

/* Most work that the passes may do on one: policy.h. */
uint64_t region_work(void);

/* How often the unit has been entered; UINT32_MAX: often, and what can be made of it is there. */
uint32_t region_entries(const TrUnit *unit);

/* The counter of the unit at the vcpu's pc has run out. */
void region_hot(TrVcpu *v);

/* The IR of a region once more, for a report. */
IrFunc *region_ir(const TrUnit *unit);

/* ---- instrument.c: only when tr.config.instrument ---- */

/* Rows and functions for the helpers of calls go behind the frontend's; how many there are. */
bool instrument_start(IrHelper *rows, IrHelperFn **fns);
unsigned instrument_helpers(void);

/* Vcpu.refill; `what` is a TrRefill. */
uint64_t instrument_refill(Vcpu *vcpu, uint64_t what, uint64_t word);

/* The frontend's guest with these helpers. */
const IrGuest *instrument_guest(void);

/* The block that starts at `pc`, of at most `max` instructions, shown to the client; NULL when
 * there is none.  Looks at guest code through source.h. */
TrBlock *instrument_block_locked(uint64_t pc, unsigned max);

/* What was seen of an instruction when its block was looked for; NULL when that was not the last one. */
const FeShape *instrument_shape(const TrInsn *insn);

/* Blocks end after the instruction at `pc`, whatever its shape says. */
void instrument_stop_locked(uint64_t pc);

/* Appends the IR of what is to be done there. */
void instrument_start_of_block(const TrBlock *block);
void instrument_before_insn(const TrInsn *insn);

/* The same for the memory accesses among the IR from `first` on. */
void instrument_accesses(const TrInsn *insn, IrRef first);

/* The word at `offset` of a vcpu is a slot. */
bool instrument_slot(int64_t offset, unsigned *slot);

/* A floating-point exception inside a call: *csr is what it goes on with. */
void instrument_fp_trap(TrVcpu *v, uint32_t *csr);

/* Room for blocks is short: evict. */
bool instrument_is_full_locked(void);

/* A new function is begun. */
void instrument_begin(void);

/* Drops all blocks.  Caller: exclusive section and tr.lock. */
void instrument_forget(void);

/* ---- counts.c ---- */

/* Merges additions of instrumentation in `f`, of which `unit` is made; fills unit->undo.  Words that are
 * slots become getreg and setreg. */
void counts_merge_locked(IrFunc *f, TrUnit *unit);

/* The unit was left by a fault: takes back what was added too early.  Async-signal-safe. */
void counts_undo(const TrUnit *unit, Vcpu *vcpu);

/* ---- exclusive.c ---- */

/* The vcpu may use units from here on; waits while someone runs alone. */
void exclusive_enter(TrVcpu *v);
void exclusive_leave(TrVcpu *v);

void exclusive_begin(void);
void exclusive_end(void);

/* Somebody else waits for a section. */
bool exclusive_wanted(void);

/* A vcpu in the list of all, all zero but for its number; NULL when out of memory. */
TrVcpu *exclusive_new(void);
void exclusive_free(TrVcpu *v);

/* Calls fn for every vcpu.  Caller: exclusive section. */
void exclusive_for_each(void (*fn)(TrVcpu *v));

/* ---- run.c ---- */

/* Forgets all host addresses that the vcpu has cached. */
void run_forget(TrVcpu *v);

/* Where the instruction at the vcpu's pc is; false and v->fail when it cannot be fetched. */
MUST_USE bool run_page(TrVcpu *v, TrPage *page);

/* Vcpu.switched */
void run_switched(Vcpu *vcpu);

/* Vcpu.find */
const void *run_find(Vcpu *vcpu, uint64_t pc);

/* One entry into translated code, with the bookkeeping of faults. */
IrTrap run_enter(TrVcpu *v, TrUnit *unit);

/* ---- change.c ---- */

/* For TrFilter: bytes in the TrRange `opaque` that the guest could write and that are not what they
 * were. */
bool change_is_changed(const TrUnit *unit, void *opaque);

/* The guest's instruction fence. */
void change_fence(void);

/* ---- system.c: whole machines ---- */

/* Where the instruction at `pc` is.  False: v->fail says why it cannot be fetched. */
MUST_USE bool system_page(TrVcpu *v, uint64_t pc, TrPage *page);

/* The pages are going to have translated code.  Neither `running` nor with tr.lock. */
void system_guard(TrPage page);

/* Guest-virtual memory as the vcpu sees it; not its own thread's doing, but it stands still.  False:
 * not all of it is RAM or ROM. */
bool system_read(Vcpu *vcpu, uint64_t vaddr, void *to, size_t size);
bool system_write(Vcpu *vcpu, uint64_t vaddr, const void *from, size_t size);

/* Bytes of a physical page from `offset` on, to its end at most: as TrConfig.fetch. */
size_t system_copy(uint32_t half, uint64_t offset, uint8_t *buf, size_t want, bool *writable);

/* Where code at `pc` is in this process; NULL: nowhere. */
const uint8_t *system_host(TrPage page, uint64_t pc);

/* The physical page behind page number `number`, when it has code; 0: not. */
uint32_t system_code_page(TrVcpu *v, uint64_t number);

/* The page of `pc`, which a direct exit of `unit` leads to; 0: it is none of the unit's. */
TrPage system_page_in(const TrUnit *unit, uint64_t pc);

/* The vcpu stands at the entry of a region that it may not enter yet. */
void system_check_guard(TrVcpu *v);

/* fence.i: drops what was written and differs. */
void system_code_changed(void);

/* Vcpu.jump_tag for its context and mode. */
void system_tag(TrVcpu *v);

/* A new vcpu gets its MMU.  False: no memory or no addresses for it. */
MUST_USE bool system_attach(TrVcpu *v);
void system_detach(TrVcpu *v);

/* ---- debug.c ---- */

/* A debugger's breakpoint is at `pc`; one in [pc, pc + size).  Caller: tr.lock. */
bool debug_breaks_locked(uint64_t pc, uint64_t size);

/* Before each access of `f` that may touch a watchpoint: leave with IR_TRAP_watch. */
void debug_instrument_locked(IrFunc *f);

/* Around the instruction that a vcpu was left at with IR_TRAP_watch, in an exclusive section.
 * True: to be reported; then exit_arg is as TrStop.arg says. */
typedef struct DebugAccess {
    TrWatch watch;
    uint8_t before[TR_WATCH_SIZE];
} DebugAccess;

void debug_before(TrVcpu *v, DebugAccess *access);
bool debug_after(TrVcpu *v, const DebugAccess *access);

/* ---- stats.c ---- */

/* Adds the vcpu's counters to the process's.  Caller: the list of vcpus is locked. */
void stats_fold(TrVcpu *v);

/* ---- check.c ---- */

MUST_USE bool check_start(void);

/* run_enter() in both tiers, compared; does not return on a difference. */
IrTrap check_enter(TrVcpu *v, TrUnit *unit);

/* Vcpu.access of a machine with --check. */
bool check_access(Vcpu *vcpu, VcpuAccess *access);

/* Makes unit->oracle from `f`, which it changes. */
void check_compile_locked(IrFunc *f, TrUnit *unit);

/* ---- perf.c ---- */

bool perf_start(const char **error);

/* A unit has its code.  Caller: tr.lock. */
void perf_unit(const TrUnit *unit);

/* In the child, with all locks. */
void perf_fork_child(void);

/* ---- gdbjit.c ---- */

/* A unit has its code; all units are gone.  Caller: tr.lock. */
void gdbjit_unit(const TrUnit *unit);
void gdbjit_evict_locked(void);

/* ---- profile.c ---- */

bool profile_start(const char **error);

/* Samples the calling thread, which runs `v`, from now on; until the vcpu goes. */
void profile_thread(TrVcpu *v);
void profile_thread_end(TrVcpu *v);

/* Around the compilation of a unit, after its passes. */
void profile_before(IrFunc *f, TrUnit *unit, BeOptions *options);
void profile_after(const IrFunc *f, TrUnit *unit);

/* The code cache is about to be emptied. */
void profile_evict_locked(void);

/* In the child, with all locks. */
void profile_fork_child(TrVcpu *self);

/* Translated code was left for the run loop. */
void profile_trap(IrTrap trap);

/* ---- fault.c ---- */

/* The host pc in a signal frame. */
uint64_t fault_pc(const void *ucontext);

/* ---- dump.c ---- */

bool dump_wanted(LogCategory category, uint64_t pc);
void dump_code(LogCategory category, const TrUnit *unit);
void dump_guest(const TrUnit *unit);
void dump_ir(LogCategory category, const IrFunc *f);
void dump_host(const TrUnit *unit);

/* What is being compiled, for check_set_context(): its guest code and its IR as it is. */
typedef struct DumpWork {
    const IrFunc *f;
    const TrUnit *unit;
} DumpWork;

void dump_work(void *work);
void dump_enter(const TrVcpu *v);
/* "0x10400 main+0x10" */
const char *dump_symbol(uint64_t pc, char *text, size_t size);
/* "main+0x10 [region]": what other programs call the unit */
const char *dump_unit_name(const TrUnit *unit, char *text, size_t size);

#endif
