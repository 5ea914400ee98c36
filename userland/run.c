/* SPDX-License-Identifier: Apache-2.0 */
/* A guest process from its file to its end: start, the loop of each thread, faults. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "userland/debug.h"
#include "userland/elf.h"
#include "userland/host.h"
#include "userland/mem.h"
#include "userland/proc.h"
#include "userland/run.h"
#include "userland/script.h"
#include "userland/semihost.h"
#include "userland/signals.h"
#include "userland/symbols.h"

Process process = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread Task *current;

Task *task_self(void)
{
    return current;
}

void task_set_self(Task *t)
{
    current = t;
}

int64_t task_block(Task *t, long nr, const uint64_t args[6])
{
    int64_t r;

    tr_block_begin(t->vcpu);
    r = host_call_unless(&t->pending, nr, args);
    tr_block_end(t->vcpu);
    return r;
}

/* The observer's turn, with all vcpus stopped for good. */
static void report_exit(const Task *t)
{
    const UserEvents *events = process.options->events;

    if (events && events->exit) {
        if (t) {
            tr_exclusive_begin(t->vcpu);
        }
        events->exit();
    }
}

void userland_report(void)
{
    const Task *t = task_self();

    if (!process.options || (t && t->in_vfork)) {
        return;
    }
    report_exit(t);
    tr_profile_print();
    if (process.options->stats) {
        tr_stats_print(log_fd());
    }
}

void userland_exit(int status)
{
    Task *t = task_self();

    if (t && !t->exiting) {
        debug_end(t, status, 0);
    }
    userland_report();
    HOST_CALL1(SYS_exit_group, status);
    __builtin_unreachable();
}

static int64_t observed_result(int64_t r)
{
    return r == -TASK_DONE            ? USER_SYSCALL_NO_RESULT
           : r <= -TASK_ERESTARTSYS ? USER_SYSCALL_AGAIN
                                    : r;
}

/* syscall_dispatch() with an observer. */
static int64_t dispatch_observed(Task *t, uint64_t nr, const uint64_t args[6])
{
    const UserEvents *events = process.options->events;
    int64_t r;

    if (events->syscall) {
        events->syscall(t->vcpu, nr, args);
    }
    r = syscall_dispatch(t, nr, args);
    if (events->syscall_done && !t->exiting) {
        events->syscall_done(t->vcpu, nr, observed_result(r));
    }
    return r;
}

static void get_args(const Task *t, uint64_t args[6])
{
    for (unsigned i = 0; i < 6; i++) {
        args[i] = t->vcpu->slot[process.abi->slot_arg[i]];
    }
}

static bool is_restart(int64_t r)
{
    return r == -TASK_ERESTARTSYS || r == -TASK_ERESTARTNOINTR || r == -TASK_ERESTARTNOHAND;
}

static void do_syscall(Task *t)
{
    const UserAbi *abi = process.abi;
    uint64_t *slot = t->vcpu->slot;
    uint64_t args[6], nr;
    int64_t r;

    t->syscall_pc = t->vcpu->pc;
    t->vcpu->pc += abi->syscall_size;
    if (debug_is_attached()) {
        debug_syscall_entry(t, slot[abi->slot_nr]);
    }
    nr = slot[abi->slot_nr];
    get_args(t, args);
    t->syscall_arg0 = args[0];
    r = process.options->events ? dispatch_observed(t, nr, args) : syscall_dispatch(t, nr, args);
    if (r == -EINTR && t->pending && t->debug) {
        r = -TASK_ERESTARTNOHAND; /* perhaps no signal at all, or one without a handler */
    }
    if (is_restart(r)) {
        /* Again, unless a handler that runs first decides otherwise. */
        t->restart = (int)-r;
        t->vcpu->pc = t->syscall_pc;
        slot[abi->slot_arg[0]] = t->syscall_arg0;
    } else if (r != -TASK_DONE) {
        slot[abi->slot_result] = (uint64_t)r;
    }
    if (debug_is_attached()) {
        debug_syscall_return(t, nr, is_restart(r));
    }
}

/* A data access failed: SIGSEGV or SIGBUS, as the host said, in the guest's terms. */
static void data_fault(Task *t, const TrStop *stop)
{
    uint64_t addr = (uint64_t)(uintptr_t)stop->info.si_addr;
    MemArea area;

    /* An address that is none at all: the host does not tell which, and calls it SIGBUS when the
     * base is its stack or frame pointer. */
    if (stop->info.si_code == SI_KERNEL && process.abi->data_address(t, &addr)) {
        sig_fault(t, SIGSEGV, SEGV_MAPERR, addr);
        return;
    }
    if (stop->info.si_signo == SIGSEGV) {
        if (mem_grow_stack(addr)) {
            return;
        }
        if (stop->info.si_code == SEGV_ACCERR && mem_written(addr)) {
            (void)tr_step(t->vcpu, true); /* when it did not get far, it comes again */
            mem_written_done(addr);
            return;
        }
        sig_fault(t, SIGSEGV, mem_area(addr, &area) ? SEGV_ACCERR : SEGV_MAPERR, addr);
        return;
    }
    sig_fault(t, stop->info.si_signo, stop->info.si_code, addr);
}

static void misaligned(Task *t)
{
    uint64_t addr = 0;

    (void)process.abi->data_address(t, &addr); /* an atomic has one */
    sig_fault(t, SIGBUS, BUS_ADRALN, addr);
}

static void fetch_fault(Task *t, uint64_t addr)
{
    int code, sig = mem_fetch_signal(addr, &code);

    if (sig) {
        sig_fault(t, sig, code, addr);
    } /* else another thread has made it executable again */
}

static void do_trap(Task *t, const TrStop *stop)
{
    uint64_t pc = t->vcpu->pc;

    switch (stop->trap) {
    case IR_TRAP_fault:
        data_fault(t, stop);
        break;
    case IR_TRAP_fetch:
        fetch_fault(t, stop->arg);
        break;
    case IR_TRAP_breakpoint:
        if (!semihost_trap(t)) {
            sig_fault(t, SIGTRAP, TRAP_BRKPT, pc);
        }
        break;
    case IR_TRAP_illegal:
        log_line(LOG_unimp, "illegal instruction %#llx at pc %#llx\n",
                 (unsigned long long)stop->arg, (unsigned long long)pc);
        sig_fault(t, SIGILL, ILL_ILLOPC, pc);
        break;
    case IR_TRAP_misaligned_fetch:
        sig_fault(t, SIGBUS, BUS_ADRALN, stop->arg);
        break;
    case IR_TRAP_misaligned:
        misaligned(t);
        break;
    case IR_TRAP_div_zero:
        sig_fault(t, SIGFPE, FPE_INTDIV, pc);
        break;
    case IR_TRAP_debug:
        debug_trap(t, stop);
        break;
    case IR_TRAP_interrupt:
        break;
    case IR_TRAP_none: case IR_TRAP_lookup: case IR_TRAP_syscall: case IR_TRAP_fence_i:
    case IR_TRAP_mode: case IR_TRAP_exclusive: case IR_TRAP_again: case IR_TRAP_hot: case IR_TRAP_watch:
    case IR_TRAP_wait: case IR_TRAP_guard: case IR_TRAP_COUNT:
        CHECK(false, "the translator returned with trap %s", ir_trap_name(stop->trap));
    }
}

void userland_run(Task *t)
{
    const UserEvents *events = process.options->events;

    if (events && events->vcpu_start && !t->in_vfork) {
        events->vcpu_start(t->vcpu);
    }
    sig_release(t);
    while (!t->exiting) {
        unsigned resumes = debug_resumes(t);
        TrStop stop = debug_run(t);

        if (stop.trap == IR_TRAP_syscall) {
            do_syscall(t);
        } else if (stop.trap == IR_TRAP_watch) {
            debug_trap(t, &stop); /* the access is done and will not come again */
        } else if (!t->pending) {
            do_trap(t, &stop);
        }
        /* With a signal waiting, the instruction that trapped is executed again after it. */
        if (t->pending || t->held || t->restore_mask || t->restart) {
            sig_deliver(t);
        }
        debug_stepped(t, resumes);
    }
}

/* ---- Start ---- */

/* The function, or else the file and the address in it. */
static const char *symbol_at(void *opaque, uint64_t pc, uint64_t *offset)
{
    SymbolPlace place;
    const char *slash;

    (void)opaque;
    if (!symbols_at(pc, &place)) {
        return NULL;
    }
    slash = strrchr(place.file, '/');
    *offset = pc - (place.name ? place.start : place.bias);
    return place.name ? place.name : slash ? slash + 1 : place.file;
}

static const UserAbi *abi_of(const Frontend *guest)
{
    static const UserAbi *const all[] = { &user_riscv64 };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i]->elf_machine == guest->elf_machine) {
            return all[i];
        }
    }
    return NULL;
}

static bool has_interp(const char *root, const char *interp)
{
    char path[2 * PATH_MAX];

    snprintf(path, sizeof(path), "%s%s", root, interp);
    return access(path, R_OK) == 0;
}

/* -L, the environment, or the usual places when the interpreter is there. */
static void choose_sysroot(const UserOptions *o, const char *interp)
{
    const char *root = o->sysroot;
    size_t n;

    root = root ? root : getenv("KETCH_LD_PREFIX");
    root = root ? root : getenv("QEMU_LD_PREFIX");
    if (!root && interp[0] && !has_interp("", interp)) {
        for (const char *const *p = process.abi->sysroots; *p && !root; p++) {
            root = has_interp(*p, interp) ? *p : NULL;
        }
    }
    /* Absolute: the guest may change its folder. */
    if (!root || !realpath(root, process.sysroot)) {
        snprintf(process.sysroot, sizeof(process.sysroot), "%s", root ? root : "");
    }
    n = strlen(process.sysroot);
    while (n > 0 && process.sysroot[n - 1] == '/') {
        process.sysroot[--n] = '\0';
    }
}

static int open_status(void)
{
    return errno == ENOENT || errno == ENOTDIR ? 127 : errno == EACCES ? 126 : 1;
}

/* process.argv for the interpreter of a script: INTERP [ARG] PATH ARGS... */
static bool argv_of_script(const char *interp, const char *arg, const char *path)
{
    size_t n = 0, front = arg[0] ? 2 : 1;
    char **argv;

    while (process.argv[n]) {
        n++;
    }
    argv = calloc(n + front + 2, sizeof(char *));
    if (!argv) {
        return false;
    }
    argv[0] = strdup(interp);
    argv[1] = strdup(arg);
    argv[front] = strdup(path);
    if (n > 1) {
        memcpy(argv + front + 1, process.argv + 1, (n - 1) * sizeof(char *));
    }
    free(process.argv);
    process.argv = argv;
    return argv[0] && argv[1] && argv[front];
}

/* The program's file, open, and its name in `path`: of a script that of its interpreter, which
 * gets the script as an argument, as the kernel does it.  Negative: the status to end with. */
static int open_program(const UserOptions *o, char path[PATH_MAX], char *error)
{
    char head[SCRIPT_HEAD + 1], interp[SCRIPT_HEAD], arg[SCRIPT_HEAD], buf[PATH_MAX];
    int fd = o->program_fd;

    snprintf(path, PATH_MAX, "%s", o->program);
    for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
        ssize_t n;

        fd = fd >= 0 ? fd : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            snprintf(error, ELF_ERROR, "%s: %s", path, strerror(errno));
            return -open_status();
        }
        n = pread(fd, head, SCRIPT_HEAD, 0);
        if (n < 0) { /* a folder */
            snprintf(error, ELF_ERROR, "%s: %s", path, strerror(errno));
            close(fd);
            return -126;
        }
        head[n] = '\0';
        if (elf_kind_of(process.abi, (const uint8_t *)head, (size_t)n) != ELF_SCRIPT) {
            return fd;
        }
        close(fd);
        fd = -1;
        if (!script_parse(head, interp, arg)) {
            snprintf(error, ELF_ERROR, "%s: a script that names no interpreter", path);
            return -126;
        }
        if (!argv_of_script(interp, arg, path)) {
            snprintf(error, ELF_ERROR, "%s: out of memory", path);
            return -1;
        }
        choose_sysroot(o, interp);
        snprintf(path, PATH_MAX, "%s", proc_path(interp, buf));
    }
    snprintf(error, ELF_ERROR, "%s: scripts whose interpreters are scripts, more than %d of them",
             o->program, SCRIPT_DEPTH);
    return -126;
}

/* What a user of a script has to know of an interpreter that cannot be loaded. */
static void explain_script(const char *program, const char *path, char *error)
{
    size_t n = strlen(error);

    if (strcmp(program, path) != 0) {
        snprintf(error + n, ELF_ERROR - n, "; it is the interpreter of %s (%s%s)", program,
                 process.sysroot[0] ? "there is none below " : "-L names the folder of the guest's",
                 process.sysroot);
    }
}

static bool load_interp(const char *name, ElfImage *image, char *error)
{
    char buf[PATH_MAX];
    const char *path = proc_path(name, buf);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok;

    if (fd < 0) {
        snprintf(error, ELF_ERROR,
                 "%s: cannot open the ELF interpreter of the program: %s%s", path,
                 strerror(errno), process.sysroot[0] ? "" : " (-L names the folder it is in)");
        return false;
    }
    ok = elf_load(fd, path, false, image, error);
    close(fd);
    return ok;
}

static void set_exe(int fd, const char *program)
{
    char link[32], path[PATH_MAX];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n < 0 ? 0 : n] = '\0';
    process.exe = n > 0 ? strdup(path) : realpath(program, NULL);
    if (!process.exe) {
        process.exe = strdup(program);
    }
    prctl(PR_SET_NAME, strrchr(program, '/') ? strrchr(program, '/') + 1 : program);
}

/* The shell's status for a file that cannot be loaded: 126 when it is there but no program. */
static int load(const UserOptions *o, ElfImage *program, uint64_t *entry, uint64_t *sp,
                char *error)
{
    char path[PATH_MAX];
    int fd = open_program(o, path, error);
    ElfImage interp;
    bool ok;

    if (fd < 0) {
        return -fd;
    }
    set_exe(fd, path);
    ok = elf_load(fd, path, true, program, error);
    close(fd);
    if (!ok) {
        explain_script(o->program, path, error);
        return 126;
    }
    mem_set_brk(program->end);
    if (!elf_map_stack(program, error)) {
        return 126;
    }
    choose_sysroot(o, program->interp);
    if (program->interp[0] && !load_interp(program->interp, &interp, error)) {
        return 127;
    }
    *entry = program->interp[0] ? interp.entry : program->entry;
    *sp = elf_stack(program, program->interp[0] ? &interp : NULL, o->program, error);
    return *sp ? 0 : 126;
}

static bool start_translator(const UserOptions *o, const char **error)
{
    TrConfig config = o->translator;

    config.frontend = o->guest;
    config.mem_base = 0;
    config.fetch = mem_fetch;
    config.symbol = symbol_at;
    return tr_start(&config, error);
}

static bool set_argv(const UserOptions *o)
{
    size_t n = 0;

    while (o->argv[n]) {
        n++;
    }
    process.argv = calloc(n + 2, sizeof(char *));
    if (!process.argv) {
        return false;
    }
    memcpy(process.argv, o->argv, n * sizeof(char *));
    if (o->argv0 || n == 0) {
        process.argv[0] = (char *)(o->argv0 ? o->argv0 : o->program);
    }
    return true;
}

static void note_program(const ElfImage *program)
{
    process.code_start = program->code_start;
    process.code_end = program->code_end;
    process.entry = program->entry;
    process.load_bias = program->bias;
}

int userland_main(const UserOptions *options)
{
    static char error[ELF_ERROR];
    const char *why = "out of memory";
    Task *t = calloc(1, sizeof(*t));
    uint64_t entry, sp;
    ElfImage program;
    int status;

    process.options = options;
    process.abi = abi_of(options->guest);
    if (!t || !process.abi || !set_argv(options)) {
        log_warn("cannot start: %s", process.abi ? why : "no Linux for this guest");
        return 1;
    }
    mem_init(options->reserve ? options->reserve : process.abi->space);
    status = load(options, &program, &entry, &sp, error);
    if (status != 0) {
        log_warn("%s", error);
        return status;
    }
    note_program(&program);
    exec_take_over(options->after_exec ? options->after_exec : "");
    t->tid = (pid_t)HOST_CALL0(SYS_gettid);
    t->vcpu = start_translator(options, &why) ? tr_vcpu_new(t) : NULL;
    if (!t->vcpu) {
        log_warn("cannot start: %s", why);
        return 1;
    }
    task_set_self(t);
    process.tasks = t;
    process.n_tasks = 1;
    sig_init(t);
    t->vcpu->pc = entry;
    t->vcpu->slot[process.abi->slot_sp] = sp;
    if (!debug_init(options)) {
        return 1;
    }
    debug_start(t);
    userland_run(t);
    task_end(t);
    return 0;
}
