/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch vm`: makes a machine from its options and runs it. */
#include "ui/vm/vm.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "plugins/plugins.h"
#include "ui/cli/version.h"
#include "ui/monitor/snapshot.h"
#include "ui/vm/commands.h"
#include "ui/vm/daemon.h"
#include "ui/vm/gdb.h"
#include "ui/vm/keys.h"
#include "ui/vm/plugins.h"

enum { EXIT_NO_ISOLATION = 78 };

/* ---- What the machine and its devices ask for ---- */

static Netdev *find_netdev(Vm *vm, const char *id, GError **error)
{
    for (unsigned i = 0; i < vm->netdevs->len; i++) {
        if (!strcmp(netdev_id(vm->netdevs->pdata[i]), id)) {
            return vm->netdevs->pdata[i];
        }
    }
    g_set_error(error, VM_ERROR, 0, "there is no -netdev with id=%s", id);
    return NULL;
}

static void *find_link(void *opaque, DevPropKind kind, const char *id, GError **error)
{
    Vm *vm = opaque;
    void *object = NULL;

    switch (kind) {
    case DEV_PROP_chardev:
        object = vm_chardev(vm, id);
        if (!object) {
            g_set_error(error, VM_ERROR, 0, "there is no -chardev with id=%s", id);
        }
        return object;
    case DEV_PROP_drive:
        return vm_take_drive(vm, id, error);
    case DEV_PROP_netdev:
        return find_netdev(vm, id, error);
    case DEV_PROP_bool:
    case DEV_PROP_u32:
    case DEV_PROP_u64:
    case DEV_PROP_string:
        break;
    }
    g_set_error(error, VM_ERROR, 0, "there is no '%s'", id);
    return NULL;
}

static void request(void *opaque, DevRequest what, int status)
{
    Vm *vm = opaque;

    if (what == DEV_REQUEST_poweroff) {
        machine_request(vm->machine, (MachineEvent){ MACHINE_shutdown, status, "guest-shutdown" });
    } else {
        machine_request(vm->machine, (MachineEvent){ MACHINE_restart, 0, "guest-reset" });
    }
}

static void quit(void *opaque)
{
    machine_request(((Vm *)opaque)->machine, (MachineEvent){ MACHINE_shutdown, 0, "host-ui" });
}

static void commit(void *opaque)
{
    Vm *vm = opaque;

    for (unsigned i = 0; i < vm->drives->len; i++) {
        MonitorDrive *d = &g_array_index(vm->drives, MonitorDrive, i);
        int r = block_flush(d->block);

        if (r) {
            log_warn("drive '%s': %s", d->id, g_strerror(-r));
        }
    }
}

static uint64_t time_of(void *opaque)
{
    return board_time(((Vm *)opaque)->board);
}

static void set_timer(void *opaque, uint32_t hart, uint64_t when)
{
    board_set_timer(((Vm *)opaque)->board, hart, when);
}

static Irq hart_irq(void *opaque, unsigned hart, unsigned line)
{
    return machine_irq(((Vm *)opaque)->machine, hart, line);
}

static void hart_timer(void *opaque, unsigned hart)
{
    machine_timer(((Vm *)opaque)->machine, hart);
}

/* ---- Signals: an orderly end ---- */

static void on_signal(void *opaque, short ready)
{
    Vm *vm = opaque;
    struct signalfd_siginfo info;

    (void)ready;
    if (read(vm->signals, &info, sizeof(info)) == sizeof(info)) {
        machine_request(vm->machine, (MachineEvent){ MACHINE_shutdown, 128 + (int)info.ssi_signo, "host-signal" });
    }
}

/* Before any thread, so that all of them leave these to the loop's. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGQUIT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- Making it ---- */

static bool start_translator(Vm *vm, GError **error)
{
    const VmOptions *o = vm->options;
    static TrSystem system;
    TrConfig config = { .frontend = &fe_riscv64_machine, .system = &system, .tier = o->tier,
                        .cache_size = o->cache_size, .hot_threshold = o->threshold,
                        .one_vcpu = o->harts == 1, .one_insn = o->one_insn, .check = o->check, .no_chain = o->no_chain, .perf = o->perf,
                        .gdb_jit = o->gdb_jit, .profile = o->profile, .timed = o->stats,
                        .dfilter = (const TrRange *)(const void *)o->dfilter->data,
                        .n_dfilter = o->dfilter->len, .symbol = vm_symbol,
                        .instrument = vm->instrument };
    MachineConfig machine = { .n_harts = o->harts, .time = time_of, .set_timer = set_timer,
                              .opaque = vm, .cpu = o->cpu, .reset_pc = vm->board->type->reset_pc,
                              .events = vm_plugin_events,
                              .breakpoint = vm->semihost.host ? vm_semihost_call : NULL };
    const char *why = NULL;

    system = (TrSystem){ &fe_riscv64_system, vm->env.mem, o->mmu };
    if (!tr_start(&config, &why) || !(vm->machine = machine_new(&machine, &why))) {
        g_set_error(error, VM_ERROR, 0, "%s", why);
        return false;
    }
    return true;
}

static bool build(Vm *vm, GError **error)
{
    BoardWiring wiring = { .hart_irq = hart_irq, .hart_timer = hart_timer, .opaque = vm };

    fe_riscv64_system.describe(machine_hart(vm->machine, 0), &vm->cpu);
    wiring.isa = vm->cpu.isa;
    wiring.mmu = vm->cpu.mmu;
    wiring.zicbom_block = vm->cpu.zicbom_block;
    wiring.zicboz_block = vm->cpu.zicboz_block;
    return board_build(vm->board, &wiring, error) && vm_devices(vm, error);
}

static bool load(Vm *vm, GError **error)
{
    const VmOptions *o = vm->options;
    BoardImages images = { o->bios, o->kernel, o->initrd, o->append, o->dtb, NULL, 0 };
    BoardExtra *extra;
    bool ok = vm_loaders(o, &extra, &images.n_extra, error);
    images.extra = extra;
    ok = ok && board_load(vm->board, &images, error);
    g_free(extra);
    return ok;
}

/* A core dump of Ketch need not have the guest's memory. */
static void leave_out_ram(Vm *vm)
{
    const PhysRegion *r = vm->board && vm->options->leave_out_ram ? phys_find(vm->env.mem, vm->board->type->ram_base)
                                                                  : NULL;

    if (r) {
        madvise(r->host, r->size, MADV_DONTDUMP);
    }
}

static bool make_board(Vm *vm, GError **error)
{
    BoardConfig config = { .ram_size = vm->options->memory, .n_harts = vm->options->harts,
                           .env = &vm->env, .serial = { vm->serial },
                           .flash = { vm->flash[0], vm->flash[1] }, .aclint = vm->options->aclint,
                           .rtc_offset = vm->options->rtc_offset,
                           .rtc_stands = vm->options->rtc_stands };

    config.ram_file = vm_ram_file(vm, &config.ram_shared);
    vm->board = board_new(board_type(vm->options->board), &config, error);
    leave_out_ram(vm);
    return vm->board && start_translator(vm, error) && build(vm, error) && load(vm, error);
}

static void add_peers(Vm *vm)
{
    for (unsigned i = 0; i < vm->chardevs->len; i++) {
        Chardev *c = vm->chardevs->pdata[i];
        MonitorPeer peer = { chardev_id(c), "chardev", chardev_label(c), NULL, c };

        g_array_append_val(vm->peers, peer);
    }
    for (unsigned i = 0; i < vm->netdevs->len; i++) {
        Netdev *nd = vm->netdevs->pdata[i];
        MonitorPeer peer = { netdev_id(nd), netdev_kind(nd), netdev_kind(nd), nd, NULL };

        g_array_append_val(vm->net_peers, peer);
    }
}

static void add_roms(Vm *vm)
{
    for (unsigned i = 0; i < vm->board->blobs->len; i++) {
        const BoardBlob *blob = vm->board->blobs->pdata[i];
        MonitorRom rom = { blob->name, blob->addr, g_bytes_get_size(blob->bytes) };

        g_array_append_val(vm->roms, rom);
    }
}

/* What is not declared isolating counts as not. */
static void add_reason(void *opaque, Dev *dev, unsigned depth)
{
    MonitorReason reason = { "device", dev->type->name, "the device is not declared isolating" };

    (void)depth;
    if (dev->type->isolation != DEV_ISOLATION_yes) {
        g_array_append_val(((Vm *)opaque)->reasons, reason);
    }
}

static void make_monitor(Vm *vm)
{
    const VmOptions *o = vm->options;
    MonitorReason reason = { "accel", "tcg", "translation does not isolate the guest" };
    MonitorReason calls = { "semihosting", "semihosting", "the guest can open files and run commands" };
    MonitorVm m = { .name = o->name, .uuid = *o->uuid ? o->uuid : NULL, .board = o->board,
                    .policy = "none", .ram_size = o->memory,
                    .machine = vm->machine, .root = vm->board->root, .mem = vm->env.mem,
                    .clock = vm->env.clock, .frontend = &fe_riscv64_machine,
                    .system = &fe_riscv64_system, .started = false,
                    .device_tree = vm->board->device_tree,
                    .options = vm_option_names(), .cpu_models = fe_riscv64_machine.cpu->models };

    add_peers(vm);
    add_roms(vm);
    g_array_append_val(vm->reasons, reason);
    if (vm->semihost.host) {
        g_array_append_val(vm->reasons, calls);
    }
    dev_for_each(vm->board->root, add_reason, vm);
    m.reasons = (MonitorReason *)(void *)vm->reasons->data;
    m.n_reasons = vm->reasons->len;
    m.drives = (MonitorDrive *)(void *)vm->drives->data;
    m.n_drives = vm->drives->len;
    m.chardevs = (MonitorPeer *)(void *)vm->peers->data;
    m.n_chardevs = vm->peers->len;
    m.netdevs = (MonitorPeer *)(void *)vm->net_peers->data;
    m.n_netdevs = vm->net_peers->len;
    m.roms = (MonitorRom *)(void *)vm->roms->data;
    m.n_roms = vm->roms->len;
    vm->controlled = m;
    vm->monitor = monitor_new(&m);
}

static void free_chardev(void *c)
{
    chardev_free(c);
}

static void free_netdev(void *nd)
{
    netdev_free(nd);
}

static bool make_netdevs(Vm *vm, GError **error)
{
    const GPtrArray *texts = vm->nets;
    bool ok = true;

    for (unsigned i = 0; i < texts->len && ok; i++) {
        Netdev *nd = NULL;
        char *id, *rest;

        ok = vm_split_id("-netdev", texts->pdata[i], &rest, &id, error);
        if (ok) {
            nd = netdev_new(id, rest, error);
            ok = nd != NULL;
            g_free(id);
            g_free(rest);
        }
        if (ok) {
            g_ptr_array_add(vm->netdevs, nd);
        }
    }
    return ok;
}

/* The first line of the log. */
static void warn(Vm *vm)
{
    if (!vm->warned) {
        log_warn("no isolation (accepted by --non-security): the guest runs under translation, "
                 "which a hostile one can break out of");
    }
    vm->warned = true;
}

/* They may log what they like as soon as they are loaded. */
static bool load_plugins(Vm *vm, GError **error)
{
    if (plugins_wanted() && !vm->options->dump_tree) {
        warn(vm);
    }
    return vm_plugins_load(vm, &vm->instrument, error);
}

static bool vm_make(Vm *vm, const VmOptions *o, const sigset_t *signals, GError **error)
{
    *vm = (Vm){ .options = o,
                .chardevs = g_ptr_array_new_with_free_func(free_chardev),
                .servers = g_ptr_array_new(),
                .consoles = g_ptr_array_new(),
                .drives = g_array_new(FALSE, FALSE, sizeof(MonitorDrive)),
                .netdevs = g_ptr_array_new_with_free_func(free_netdev),
                .net_peers = g_array_new(FALSE, FALSE, sizeof(MonitorPeer)),
                .peers = g_array_new(FALSE, FALSE, sizeof(MonitorPeer)),
                .roms = g_array_new(FALSE, FALSE, sizeof(MonitorRom)),
                .reasons = g_array_new(FALSE, FALSE, sizeof(MonitorReason)),
                .signals = signalfd(-1, signals, SFD_CLOEXEC) };
    vm->env = (DevEnv){ .clock = clock_new(), .link = find_link, .request = request,
                        .opaque = vm };
    vm->host = (ChardevHost){ quit, commit, vm, o->escape };
    vm->loop = io_new();
    if (!vm->env.clock || !vm->loop) {
        g_set_error(error, VM_ERROR, 0, "no thread could be made: %s", g_strerror(errno));
        return false;
    }
    io_hold(vm->loop, true); /* what arrives is for the machine that prepare() leaves */
    if ((o->pidfile && !vm_pidfile(o->pidfile, error)) || !vm_objects(vm, error) || !load_plugins(vm, error) || !vm_drives(vm, error) ||
        !make_netdevs(vm, error) || !vm_chardevs(vm, error) || !vm_semihost(vm, error) || !make_board(vm, error)) {
        return false;
    }
    make_monitor(vm);
    vm->signal_watch = io_add(vm->loop, vm->signals, POLLIN, on_signal, vm);
    return vm_monitors(vm, error) && (!o->gdb || vm_gdb_set(o->gdb, error));
}

/* The debugger of harts, harts, then who calls devices, then the devices, then what they stand on. */
static void vm_free(Vm *vm)
{
    vm_gdb_end(0);
    if (vm->machine) {
        machine_pause(vm->machine);
    }
    clock_pause(vm->env.clock);
    io_remove(vm->signal_watch);
    vm_monitors_end(vm);
    vm_semihost_end(vm);
    if (vm->board) {
        board_remove_devices(vm->board);
    }
    g_ptr_array_free(vm->chardevs, TRUE);
    g_ptr_array_free(vm->netdevs, TRUE);
    if (vm->machine) {
        machine_free(vm->machine);
    }
    board_free(vm->board);
    vm_drives_close(vm);
    io_free(vm->loop);
    clock_free(vm->env.clock);
    g_ptr_array_free(vm->servers, TRUE);
    g_ptr_array_free(vm->consoles, TRUE);
    g_array_free(vm->drives, TRUE);
    g_clear_pointer(&vm->files, g_array_unref);
    vm_objects_free(vm);
    g_array_free(vm->peers, TRUE);
    g_array_free(vm->net_peers, TRUE);
    g_array_free(vm->roms, TRUE);
    g_array_free(vm->reasons, TRUE);
}

/* ---- Running it ---- */

static void tell(Vm *vm, MonitorEvent what, const MachineEvent *event)
{
    bool guest = g_str_has_prefix(event->reason, "guest-");
    char *data = g_strdup_printf("{\"guest\":%s,\"reason\":\"%s\"}", guest ? "true" : "false", event->reason);

    monitor_event(vm->monitor, what, data);
    g_free(data);
}

typedef struct Restart {
    Vm *vm;
    const MachineEvent *event;
} Restart;

static void reset(void *restart)
{
    const Restart *r = restart;

    tell(r->vm, MONITOR_EVENT_reset, r->event);
    board_reset(r->vm->board);
    machine_reset(r->vm->machine);
}

static void restart(Vm *vm, const MachineEvent *event)
{
    monitor_reset(vm->monitor, reset, &(Restart){ vm, event });
}

static bool fail(GError *error)
{
    fprintf(stderr, "ketch vm: %s\n", error->message);
    g_error_free(error);
    return false;
}

/* As after power-on, or as -loadvm has it. */
static bool prepare(Vm *vm)
{
    GError *error = NULL;

    board_reset(vm->board);
    machine_reset(vm->machine);
    if (vm->options->loadvm && !snapshot_load(&vm->controlled, vm->options->loadvm, &error)) {
        return fail(error);
    }
    io_hold(vm->loop, false);
    return true;
}

/* A debugger comes last: it stops what runs, and nothing else lets that go then. */
static bool start(Vm *vm)
{
    GError *error = NULL;

    if (!prepare(vm)) {
        return false;
    }
    if (!vm->options->stopped) {
        monitor_cont(vm->monitor);
    }
    return vm_gdb_start(&vm->controlled, vm->monitor, &error) || fail(error);
}

static bool is_end(const Vm *vm, const MachineEvent *event)
{
    return event->kind == MACHINE_shutdown || (event->kind == MACHINE_restart && vm->options->no_reboot);
}

/* -no-shutdown: what the guest has switched off stands still. */
static bool stays(const Vm *vm, const MachineEvent *event)
{
    return vm->options->no_shutdown && g_str_has_prefix(event->reason, "guest-");
}

static int run(Vm *vm)
{
    MachineEvent event;

    if (!start(vm)) {
        return 1;
    }
    vm_daemon_ready();
    for (;;) {
        machine_wait(vm->machine, &event);
        if (is_end(vm, &event)) {
            int status = event.kind == MACHINE_shutdown ? event.value : 0;

            tell(vm, MONITOR_EVENT_shutdown, &event);
            if (!stays(vm, &event)) {
                vm_gdb_end(status);
                return status;
            }
            monitor_switched_off(vm->monitor);
        } else if (event.kind == MACHINE_restart) {
            restart(vm, &event);
        } else if (event.kind == MACHINE_debug) {
            vm_gdb_stopped();
        }
    }
}

/* Into what there is, be it a device or a link: it is not replaced. */
static bool write_tree(Vm *vm, GError **error)
{
    size_t size;
    const char *data = g_bytes_get_data(vm->board->device_tree, &size);

    FILE *file = fopen(vm->options->dump_tree, "wbe");
    bool good = file && fwrite(data, 1, size, file) == size;

    if ((file && fclose(file) != 0) || !good) {
        g_set_error(error, VM_ERROR, 0,
                    "the device tree cannot be written to %s: %s", vm->options->dump_tree,
                    g_strerror(errno));
        return false;
    }
    return true;
}

/* What is said at the end. */
static void report(Vm *vm)
{
    machine_pause(vm->machine);
    if (vm->instrument) {
        plugins_exit();
    }
    tr_profile_print();
    if (vm->options->stats) {
        tr_stats_print(log_fd());
    }
}

static int run_vm(const VmOptions *o)
{
    GError *error = NULL;
    sigset_t signals;
    int status = 1;
    Vm vm;

    block_signals(&signals);
    if (o->process) {
        prctl(PR_SET_NAME, o->process);
    }
    if (!vm_make(&vm, o, &signals, &error) || (o->dump_tree && !write_tree(&vm, &error))) {
        fprintf(stderr, "ketch vm: %s\n", error->message);
        g_error_free(error);
    } else if (o->dump_tree) {
        status = 0;
    } else {
        warn(&vm);
        status = run(&vm);
        report(&vm);
    }
    vm_free(&vm);
    vm_pidfile_remove();
    vm_daemon_failed(status);
    if (vm.instrument) {
        _exit(status); /* destructors of plugins have been run, see plugins_exit() */
    }
    return status;
}

/* ---- What only prints something ---- */

static void show_devices(const VmOptions *o)
{
    char *name = o->device_help ? g_strndup(o->device_help, strcspn(o->device_help, ",")) : NULL;

    for (const DevType *const *t = dev_types; *t; t++) {
        if ((*t)->bus && (!name || !strcmp((*t)->name, name))) {
            dev_type_help(*t);
        }
    }
    g_free(name);
}

static void show_machines(void)
{
    for (const BoardType *const *t = board_types; *t; t++) {
        printf("%-8s %s\n", (*t)->name, (*t)->summary);
    }
    puts("none     for programs that only ask a monitor what there is: a board on which nothing runs");
}

static bool show_something(const VmOptions *o)
{
    switch (o->action) {
    case VM_HELP:
        puts("usage: ketch vm --non-security [OPTIONS]\n\nRuns a riscv64 machine.");
        vm_options_help();
        puts("\nExit status: 0 when the guest powers off, or what it says; 1 for a wrong option; 78 when\n"
             "the machine would not be isolated and that was not accepted; 128+N when signal N ended it.");
        return true;
    case VM_VERSION:
        puts(KETCH_VERSION_TEXT);
        return true;
    case VM_LOG_HELP:
        log_help();
        return true;
    case VM_MACHINE_HELP:
        show_machines();
        return true;
    case VM_CPU_HELP:
        fe_riscv64_machine.cpu->help();
        return true;
    case VM_DEVICE_HELP:
        show_devices(o);
        return true;
    case VM_NETDEV_HELP:
        netdev_help();
        return true;
    case VM_CHARDEV_HELP:
        chardev_help();
        return true;
    case VM_OBJECT_HELP:
        vm_objects_help();
        return true;
    case VM_PRINT:
        puts(o->print);
        return true;
    case VM_RUN:
        break;
    }
    return false;
}

int command_vm(int argc, char **argv)
{
    GError *error = NULL;
    VmOptions o;
    int status = 1;

    if (!vm_options_parse(&o, argc, argv, &error)) {
        fprintf(stderr, "ketch vm: %s\n", error->message);
        g_error_free(error);
    } else if (show_something(&o)) {
        status = 0;
    } else if (!o.accept_no_isolation && !o.dump_tree) {
        fputs("ketch vm: translation (tcg) does not isolate this machine from a hostile guest; "
              "--non-security accepts that\n", stderr);
        status = EXIT_NO_ISOLATION;
    } else if (o.log_file && !log_open(o.log_file, false)) {
        fprintf(stderr, "ketch vm: cannot write the log %s: %s\n", o.log_file, g_strerror(errno));
    } else if (o.daemonize && !o.dump_tree && !vm_daemonize(&error)) {
        fail(error);
    } else {
        status = run_vm(&o);
    }
    vm_options_fini(&o);
    return status;
}
