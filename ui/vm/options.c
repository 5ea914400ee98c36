/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/vm/options.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/size.h"
#include "devices/boards/board.h"
#include "plugins/plugins.h"
#include "translator/settings.h"
#include "ui/vm/json.h"
#include "ui/vm/keys.h"

typedef bool OptionFn(VmOptions *o, const char *arg, GError **error);

static bool wrong(GError **error, const char *what, const char *arg)
{
    g_set_error(error, VM_ERROR, 0, "%s: '%s'", what, arg);
    return false;
}

static bool is_help(const char *arg)
{
    return !strcmp(arg, "help") || !strcmp(arg, "?");
}

/* ---- The machine ---- */

static bool unknown_board(const char *name, GError **error)
{
    GString *known = g_string_new(NULL);

    for (const BoardType *const *t = board_types; *t; t++) {
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", (*t)->name);
    }
    g_set_error(error, VM_ERROR, 0, "there is no board '%s'; there are: %s", name, known->str);
    g_string_free(known, TRUE);
    return false;
}

/* Which properties of QEMU's board are as they are here. */
static bool take_fixed_properties(Keys *k, GError **error)
{
    return keys_take_only(k, "acpi", "off", error) &&
           keys_take_only(k, "aia", "none", error) && keys_take_only(k, "usb", "off", error) &&
           keys_take_only(k, "graphics", "off", error);
}

/* "kvm:tcg", in the order of preference: one of them is there. */
static bool take_accelerators(Keys *k, GError **error)
{
    const char *names = keys_take(k, "accel");
    char **each = g_strsplit(names ? names : "tcg", ":", -1);
    bool ok = g_strv_contains((const char *const *)each, "tcg");

    g_strfreev(each);
    return ok || wrong(error, "accel is tcg, not", names);
}

static bool option_machine(VmOptions *o, const char *arg, GError **error)
{
    Keys k = keys_split(arg, "type");
    const char *type = keys_take(&k, "type"), *tree = keys_take(&k, "dumpdtb");
    const char *memory = keys_take(&k, "memory-backend");
    bool dump = !o->leave_out_ram, ok = take_accelerators(&k, error) && take_fixed_properties(&k, error);

    if (ok && type && is_help(type)) {
        o->action = VM_MACHINE_HELP;
    } else if (ok && type && !strcmp(type, "none")) {
        o->bios = "none";
        o->stopped = true;
    } else if (ok && type && !board_type(type)) {
        ok = unknown_board(type, error);
    } else if (ok && type) {
        o->board = board_type(type)->name;
    }
    if (ok && tree) {
        o->dump_tree = g_intern_string(tree);
    }
    o->memory_backend = memory ? g_intern_string(memory) : o->memory_backend;
    for (unsigned i = 0; i < BOARD_FLASHES; i++) {
        static const char *const names[BOARD_FLASHES] = { "pflash0", "pflash1" };
        const char *drive = keys_take(&k, names[i]);

        o->pflash[i] = drive ? g_intern_string(drive) : o->pflash[i];
    }
    ok = ok && keys_take_bool(&k, "aclint", &o->aclint, error) && keys_take_bool(&k, "dump-guest-core", &dump, error);
    o->leave_out_ram = !dump;
    return keys_end(&k, "-M", ok ? error : NULL) && ok;
}

static bool option_cpu(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    if (is_help(arg)) {
        o->action = VM_CPU_HELP;
    }
    o->cpu = arg;
    return true;
}

static bool option_memory(VmOptions *o, const char *arg, GError **error)
{
    enum { MEMORY_STEP = 8192 };
    Keys k = keys_split(arg, "size");
    const char *size = keys_take(&k, "size");
    bool ok = size && *size && size_parse(size, &o->memory);

    if (!ok) {
        wrong(error, "-m needs a size", arg);
    } else if (g_ascii_isdigit(size[strlen(size) - 1])) {
        o->memory <<= 20;
    }
    o->memory = (o->memory + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;
    return keys_end(&k, "-m", ok ? error : NULL) && ok;
}

/* "cpus=4" or "cores=2,threads=2": what is not given is one, or what is left. */
static bool option_smp(VmOptions *o, const char *arg, GError **error)
{
    static const char *const parts[] = { "sockets", "dies", "clusters", "cores", "threads" };
    Keys k = keys_split(arg, "cpus");
    const char *cpus = keys_take(&k, "cpus"), *most = keys_take(&k, "maxcpus");
    uint64_t n = 1, product = 1, max;
    bool ok = true, topology = false;

    for (size_t i = 0; i < G_N_ELEMENTS(parts) && ok; i++) {
        const char *text = keys_take(&k, parts[i]);

        ok = !text || (size_parse(text, &n) && n >= 1 && n <= 8);
        topology = topology || text;
        product *= text ? n : 1;
    }
    n = product;
    ok = ok && (cpus || topology) && (!cpus || size_parse(cpus, &n)) && n >= 1 && n <= 8 && n % product == 0;
    max = n;
    if (!ok) {
        wrong(error, "-smp needs a number of processors from 1 to 8, and a topology that has so many", arg);
    } else if (most && (!size_parse(most, &max) || max != n)) {
        ok = wrong(error, "-smp: processors cannot be plugged in later, so maxcpus is their number, not", most);
    }
    o->harts = (unsigned)n;
    return keys_end(&k, "-smp", ok ? error : NULL) && ok;
}

/* ---- Semihosting ---- */

/* All of arg=TEXT, in their order. */
static void take_arguments(Keys *k, GPtrArray *args)
{
    keys_take(k, "arg");
    for (unsigned i = 0; k->part[i]; i++) {
        if (g_str_has_prefix(k->part[i], "arg=")) {
            g_ptr_array_add(args, g_strdup(k->part[i] + strlen("arg=")));
        }
    }
}

static bool option_semihosting_config(VmOptions *o, const char *arg, GError **error)
{
    VmSemihostOptions *s = &o->semihosting;
    Keys k = keys_split(arg, "enable");
    const char *where = keys_take(&k, "target"), *chardev = keys_take(&k, "chardev");
    bool ok = true;

    s->on = true;
    if (where && strcmp(where, "native") && strcmp(where, "auto")) {
        ok = wrong(error, "-semihosting-config: Ketch serves the calls (target=native or auto), not", where);
    }
    if (chardev) {
        g_free((char *)(uintptr_t)s->chardev);
        s->chardev = g_strdup(chardev);
    }
    take_arguments(&k, s->args);
    ok = ok && keys_take_bool(&k, "enable", &s->on, error) && keys_take_bool(&k, "userspace", &s->user, error);
    return keys_end(&k, "-semihosting-config", ok ? error : NULL) && ok;
}

static bool option_name(VmOptions *o, const char *arg, GError **error)
{
    Keys k = keys_split(arg, "guest");
    const char *name = keys_take(&k, "guest"), *process = keys_take(&k, "process");
    bool ok = keys_take_only(&k, "debug-threads", "on", error);

    o->name = name ? g_intern_string(name) : o->name;
    o->process = process ? g_intern_string(process) : o->process;
    return keys_end(&k, "-name", ok ? error : NULL) && ok;
}

static bool option_uuid(VmOptions *o, const char *arg, GError **error)
{
    if (!g_uuid_string_is_valid(arg)) {
        return wrong(error, "-uuid needs a UUID like 01234567-89ab-cdef-0123-456789abcdef, not", arg);
    }
    for (size_t i = 0; i < sizeof(o->uuid); i++) {
        o->uuid[i] = g_ascii_tolower(arg[i]);
    }
    return true;
}

/* Seconds that the clock is ahead of the host's. */
static bool parse_rtc_base(const char *base, int64_t *offset)
{
    GDateTime *now = g_date_time_new_now_local(), *then;

    *offset = 0;
    if (!strcmp(base, "localtime")) {
        *offset = g_date_time_get_utc_offset(now) / G_TIME_SPAN_SECOND;
    } else if (strcmp(base, "utc")) {
        GTimeZone *utc = g_time_zone_new_utc();
        char *whole = strchr(base, 'T') ? g_strdup(base) : g_strconcat(base, "T00:00:00", NULL);

        then = g_date_time_new_from_iso8601(whole, utc);
        g_free(whole);
        g_time_zone_unref(utc);
        *offset = then ? g_date_time_to_unix(then) - g_date_time_to_unix(now) : INT64_MIN;
        g_clear_pointer(&then, g_date_time_unref);
    }
    g_date_time_unref(now);
    return *offset != INT64_MIN;
}

static bool option_rtc(VmOptions *o, const char *arg, GError **error)
{
    Keys k = keys_split(arg, NULL);
    const char *base = keys_take(&k, "base"), *clock = keys_take(&k, "clock");
    bool ok = keys_take_only(&k, "driftfix", "none", error);

    if (ok && base && !parse_rtc_base(base, &o->rtc_offset)) {
        ok = wrong(error, "-rtc: base is utc, localtime or a time like 2026-01-31T12:00:00, not", base);
    }
    if (ok && clock && strcmp(clock, "host") && strcmp(clock, "vm")) {
        ok = wrong(error, "-rtc: clock is host or vm, not", clock);
    }
    o->rtc_stands = clock && ok ? !strcmp(clock, "vm") : o->rtc_stands;
    return keys_end(&k, "-rtc", ok ? error : NULL) && ok;
}

/* ---- Options that are kept as they are ---- */

#define KEEP(name, member)                                                     \
    static bool option_##name(VmOptions *o, const char *arg, GError **error)   \
    {                                                                          \
        (void)error;                                                           \
        o->member = arg;                                                       \
        return true;                                                           \
    }
KEEP(kernel, kernel)
KEEP(initrd, initrd)
KEEP(append, append)
KEEP(dtb, dtb)
KEEP(log_file, log_file)
KEEP(gdb, gdb)
KEEP(loadvm, loadvm)
KEEP(pidfile, pidfile)

static bool option_gdb_default(VmOptions *o, const char *arg, GError **error)
{
    (void)arg, (void)error;
    o->gdb = "tcp::1234";
    return true;
}

static bool option_bios(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    o->bios = strcmp(arg, "default") ? arg : NULL;
    return true;
}

#define LIST(name, member)                                                     \
    static bool option_##name(VmOptions *o, const char *arg, GError **error)   \
    {                                                                          \
        (void)error;                                                           \
        g_ptr_array_add(o->member, (void *)(uintptr_t)arg);                    \
        return true;                                                           \
    }
LIST(drive, drives)
LIST(nic, nics)
LIST(net, nets)
LIST(fsdev, fsdevs)
LIST(virtfs, virtfs)
LIST(fw_cfg, fw_cfgs)

#define FLAG(name, member)                                                     \
    static bool option_##name(VmOptions *o, const char *arg, GError **error)   \
    {                                                                          \
        (void)arg;                                                             \
        (void)error;                                                           \
        o->member = true;                                                      \
        return true;                                                           \
    }
FLAG(semihosting, semihosting.on)
FLAG(nographic, nographic)
FLAG(non_security, accept_no_isolation)
FLAG(no_reboot, no_reboot)
FLAG(no_shutdown, no_shutdown)
FLAG(snapshot, snapshot)
FLAG(daemonize, daemonize)
FLAG(nodefaults, nodefaults)
FLAG(stopped, stopped)
FLAG(stats, stats)
FLAG(one_insn, one_insn)
FLAG(gdb_jit, gdb_jit)
FLAG(check, check)

#define ACTION(name, value)                                                    \
    static bool option_##name(VmOptions *o, const char *arg, GError **error)   \
    {                                                                          \
        (void)arg;                                                             \
        (void)error;                                                           \
        o->action = value;                                                     \
        return true;                                                           \
    }
ACTION(version, VM_VERSION)
ACTION(help, VM_HELP)

/* ---- Devices ---- */

static bool option_serial(VmOptions *o, const char *arg, GError **error)
{
    if (o->serial) {
        return wrong(error, "the board has one serial port; there is a second -serial", arg);
    }
    o->serial = arg;
    return true;
}

/* Short forms of -drive, for images whose format is clear. */
static bool add_drive(VmOptions *o, const char *before, const char *path, const char *after)
{
    char **parts = g_strsplit(path, ",", -1);
    char *escaped = g_strjoinv(",,", parts), *text = g_strconcat(before, escaped, after, NULL);

    g_ptr_array_add(o->drives, (void *)(uintptr_t)g_intern_string(text));
    g_strfreev(parts);
    g_free(escaped);
    g_free(text);
    return true;
}

static bool option_cdrom(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    return add_drive(o, "file=", arg, ",format=raw,media=cdrom");
}

static bool option_pflash(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    return add_drive(o, "if=pflash,file=", arg, ",format=raw");
}

static bool add_monitor(VmOptions *o, MonitorKind kind, const char *place)
{
    VmMonitor m = { kind, g_intern_string(place) };

    if (strcmp(place, "none")) {
        g_array_append_val(o->monitors, m);
    }
    return true;
}

static bool option_add_fd(VmOptions *o, const char *arg, GError **error)
{
    Keys k = keys_split(arg, NULL);
    const char *set = keys_take(&k, "set"), *fd = keys_take(&k, "fd");
    uint64_t number = 0, descriptor = 0;
    bool ok = set && size_parse(set, &number) && number <= UINT32_MAX && fd && size_parse(fd, &descriptor) &&
              descriptor <= INT_MAX && fcntl((int)descriptor, F_GETFD) >= 0;
    VmFdset entry = { (unsigned)number, (int)descriptor };

    (void)keys_take(&k, "opaque");
    if (ok) {
        g_array_append_val(o->fdsets, entry);
    } else {
        wrong(error, "-add-fd needs set=NUMBER and fd= a descriptor that was passed on", arg);
    }
    return keys_end(&k, "-add-fd", ok ? error : NULL) && ok;
}

static bool option_monitor(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    return add_monitor(o, MONITOR_hmp, arg);
}

static bool option_qmp(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    return add_monitor(o, MONITOR_qmp, arg);
}

static bool option_qmp_pretty(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    return add_monitor(o, MONITOR_qmp_pretty, arg);
}

static bool option_mon(VmOptions *o, const char *arg, GError **error)
{
    Keys k = keys_split(arg, "chardev");
    const char *chardev = keys_take(&k, "chardev"), *mode = keys_take(&k, "mode");
    bool pretty = false, ok = keys_take_bool(&k, "pretty", &pretty, error);
    MonitorKind qmp = pretty ? MONITOR_qmp_pretty : MONITOR_qmp;
    char *place = g_strconcat("chardev:", chardev ? chardev : "", NULL);

    (void)keys_take(&k, "id");
    if (ok && (!chardev || !*chardev)) {
        ok = wrong(error, "-mon needs the id of a -chardev", arg);
    } else if (ok && mode && strcmp(mode, "readline") && strcmp(mode, "control")) {
        ok = wrong(error, "-mon: mode is readline or control, not", mode);
    }
    ok = ok && add_monitor(o, mode && !strcmp(mode, "control") ? qmp : MONITOR_hmp, place);
    g_free(place);
    return keys_end(&k, "-mon", ok ? error : NULL) && ok;
}

/* The argument, which may be JSON; NULL and error. */
static const char *plain(const char *option, const char *arg, const char *first, GError **error)
{
    const char *text = json_plain(arg, first, error);

    if (!text) {
        g_prefix_error(error, "%s %s: ", option, arg);
    }
    return text;
}

static bool option_audiodev(VmOptions *o, const char *arg, GError **error)
{
    const char *text = plain("-audiodev", arg, "driver", error);

    (void)o;
    return text && (!strcmp(text, "none") || g_str_has_prefix(text, "none,") ||
                    wrong(error, "-audiodev: there is no sound yet, so that driver is none, not", text));
}

static bool option_blockdev(VmOptions *o, const char *arg, GError **error)
{
    const char *text = plain("-blockdev", arg, "driver", error);

    g_ptr_array_add(o->blockdevs, (void *)(uintptr_t)text);
    return text;
}

static bool option_device(VmOptions *o, const char *arg, GError **error)
{
    const char *help;

    arg = plain("-device", arg, "driver", error);
    help = arg ? g_strrstr(arg, ",help") : NULL;
    if (!arg) {
        return false;
    }
    if (is_help(arg)) {
        o->action = VM_DEVICE_HELP;
    } else if (help && !help[strlen(",help")]) {
        o->action = VM_DEVICE_HELP;
        o->device_help = arg;
    } else {
        g_ptr_array_add(o->devices, (void *)(uintptr_t)arg);
    }
    return true;
}

/* "help", or one more of the list; NULL: there was an error. */
static bool list_or_help(VmOptions *o, GPtrArray *list, const char *arg, VmAction help)
{
    if (!arg) {
        return false;
    }
    if (is_help(arg)) {
        o->action = help;
    } else {
        g_ptr_array_add(list, (void *)(uintptr_t)arg);
    }
    return true;
}

static bool option_netdev(VmOptions *o, const char *arg, GError **error)
{
    return list_or_help(o, o->netdevs, plain("-netdev", arg, "type", error), VM_NETDEV_HELP);
}

static bool option_chardev(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    return list_or_help(o, o->chardevs, arg, VM_CHARDEV_HELP);
}

static bool option_object(VmOptions *o, const char *arg, GError **error)
{
    return list_or_help(o, o->objects, plain("-object", arg, "qom-type", error), VM_OBJECT_HELP);
}

/* True: it asks for the one value that there is. */
static bool print_if_help(VmOptions *o, const char *arg, const char *text)
{
    if (is_help(arg)) {
        o->action = VM_PRINT;
        o->print = text;
    }
    return is_help(arg);
}

static bool option_echr(VmOptions *o, const char *arg, GError **error)
{
    uint64_t key;

    if (!size_parse(arg, &key) || key < 1 || key > 126) {
        return wrong(error, "-echr needs the number of a key, from 1 to 126, not", arg);
    }
    o->escape = (uint8_t)key;
    return true;
}

static bool option_display(VmOptions *o, const char *arg, GError **error)
{
    return print_if_help(o, arg, "none") || !strcmp(arg, "none") || wrong(error, "-display is none, not", arg);
}

/* ---- How it runs ---- */

static bool option_accel(VmOptions *o, const char *arg, GError **error)
{
    Keys k = keys_split(print_if_help(o, arg, "tcg") ? "tcg" : arg, "accel");
    const char *name = keys_take(&k, "accel"), *size;
    bool ok = keys_take_only(&k, "thread", "multi", error) &&
              keys_take_bool(&k, "one-insn-per-tb", &o->one_insn, error);
    uint64_t megabytes;

    o->accel = g_strcmp0(o->accel, "tcg") ? g_intern_string(name) : o->accel;
    size = keys_take(&k, "tb-size");
    if (ok && size) {
        ok = (size_parse(size, &megabytes) && megabytes >= 1 && megabytes <= 65536) ||
             wrong(error, "-accel: tb-size is a number of megabytes, not", size);
        o->cache_size = ok ? megabytes << 20 : o->cache_size;
    }
    return keys_end(&k, "-accel", ok ? error : NULL) && ok;
}

/* There are no files that could be read besides those of the command line. */
static bool option_no_user_config(VmOptions *o, const char *arg, GError **error)
{
    (void)o, (void)arg, (void)error;
    return true;
}

/* ---- Options of QEMU that say what is so here anyway ---- */

typedef struct Fixed {
    const char *name, *only;
} Fixed;

/* Each of these keys may be given with its one value. */
static bool take_all_fixed(const char *option, const char *arg, const char *first, const Fixed *fixed, size_t n,
                           GError **error)
{
    Keys k = keys_split(arg, first);
    bool ok = true;

    for (size_t i = 0; i < n && ok; i++) {
        ok = keys_take_only(&k, fixed[i].name, fixed[i].only, error);
    }
    if (!ok) {
        g_prefix_error(error, "%s: ", option);
    }
    return keys_end(&k, option, ok ? error : NULL) && ok;
}

#define FIXED(name, option, first, ...)                                                     \
    static bool option_##name(VmOptions *o, const char *arg, GError **error)                \
    {                                                                                       \
        static const Fixed fixed[] = { __VA_ARGS__ };                                       \
                                                                                            \
        (void)o;                                                                            \
        return take_all_fixed(option, arg, first, fixed, G_N_ELEMENTS(fixed), error);       \
    }
FIXED(vga, "-vga", "kind", { "kind", "none" })
FIXED(parallel, "-parallel", "kind", { "kind", "none" })
FIXED(global, "-global", NULL, { "virtio-mmio.force-legacy", "false" })
FIXED(boot, "-boot", NULL, { "strict", "on" }, { "menu", "off" })
FIXED(overcommit, "-overcommit", NULL, { "mem-lock", "off" }, { "cpu-pm", "off" })
FIXED(msg, "-msg", "timestamp", { "timestamp", "off" }, { "guest-name", "off" })
FIXED(sandbox, "-sandbox", "enable", { "enable", "off" })

static bool take_choice(Keys *k, const char *name, const char *off, const char *on, bool *value, GError **error)
{
    const char *text = keys_take(k, name);

    if (text && strcmp(text, off) && strcmp(text, on)) {
        g_set_error(error, VM_ERROR, 0, "-action: %s is %s or %s, not '%s'", name, off, on, text);
        return false;
    }
    *value = text ? !strcmp(text, on) : *value;
    return true;
}

static bool option_action(VmOptions *o, const char *arg, GError **error)
{
    Keys k = keys_split(arg, NULL);
    bool ok = take_choice(&k, "reboot", "reset", "shutdown", &o->no_reboot, error) &&
              take_choice(&k, "shutdown", "poweroff", "pause", &o->no_shutdown, error);

    return keys_end(&k, "-action", ok ? error : NULL) && ok;
}

static bool option_mmu(VmOptions *o, const char *arg, GError **error)
{
    static const char *const names[] = {
#define SCHEME(name, meaning) #name,
        MMU_SCHEMES(SCHEME)
#undef SCHEME
    };

    for (unsigned i = 0; i < MMU_SCHEME_COUNT; i++) {
        if (!strcmp(arg, names[i])) {
            o->mmu = (MmuScheme)i;
            return true;
        }
    }
    return wrong(error, "--mmu is flat or tlb, not", arg);
}

static bool option_tier(VmOptions *o, const char *arg, GError **error)
{
    const char *wanted = tr_parse_tier(arg, &o->tier);

    return !wanted || wrong(error, wanted, arg);
}

static bool option_threshold(VmOptions *o, const char *arg, GError **error)
{
    const char *wanted = tr_parse_threshold(arg, &o->threshold);

    return !wanted || wrong(error, wanted, arg);
}

static bool option_cache(VmOptions *o, const char *arg, GError **error)
{
    const char *wanted = tr_parse_cache_size(arg, &o->cache_size);

    return !wanted || wrong(error, wanted, arg);
}

static bool option_isolation(VmOptions *o, const char *arg, GError **error)
{
    if (strcmp(arg, "require") && strcmp(arg, "none")) {
        return wrong(error, "--isolation is require or none, not", arg);
    }
    o->accept_no_isolation = !strcmp(arg, "none");
    return true;
}

/* ---- Looking at it ---- */

static bool log_item(VmOptions *o, const char *item, GError **error)
{
    if (is_help(item)) {
        o->action = VM_LOG_HELP;
        return true;
    }
    return !*item || tr_parse_log(item, &o->no_chain) ||
           wrong(error, "-d: unknown log item (`-d help` lists them)", item);
}

static bool dfilter_item(VmOptions *o, const char *item, GError **error)
{
    TrRange range;
    const char *wanted = tr_parse_range(item, &range);

    if (wanted) {
        return wrong(error, wanted, item);
    }
    g_array_append_val(o->dfilter, range);
    return true;
}

/* Each of a list with commas. */
static bool each_item(VmOptions *o, const char *arg, OptionFn *fn, GError **error)
{
    char **items = g_strsplit(arg, ",", -1);
    bool ok = true;

    for (char **p = items; *p && ok; p++) {
        ok = fn(o, *p, error);
    }
    g_strfreev(items);
    return ok;
}

static bool option_log(VmOptions *o, const char *arg, GError **error)
{
    return each_item(o, arg, log_item, error);
}

static bool option_dfilter(VmOptions *o, const char *arg, GError **error)
{
    return each_item(o, arg, dfilter_item, error);
}

static bool option_plugin(VmOptions *o, const char *arg, GError **error)
{
    (void)o;
    return plugins_add(arg, error);
}

static bool option_perf(VmOptions *o, const char *arg, GError **error)
{
    const char *wanted = tr_parse_perf(arg, &o->perf);

    return !wanted || wrong(error, wanted, arg);
}

static bool option_perfmap(VmOptions *o, const char *arg, GError **error)
{
    (void)arg;
    return option_perf(o, "map", error);
}

static bool option_jitdump(VmOptions *o, const char *arg, GError **error)
{
    (void)arg;
    return option_perf(o, "jitdump", error);
}

static bool option_profile(VmOptions *o, const char *arg, GError **error)
{
    (void)error;
    o->profile = arg ? arg : "";
    return true;
}

/* ---- The table ---- */

typedef struct OptionInfo {
    const char *spelling; /* NULL: a section, named by help */
    OptionFn *fn;
    const char *argument;
    const char *help;
    const char *refused; /* why; NULL: it is not */
} OptionInfo;

static const OptionInfo options[] = {
#define SECTION(title) { NULL, NULL, NULL, title, NULL },
#define OPTION(handler, spelling, argument, help) { spelling, option_##handler, argument, help, NULL },
#define REFUSE(spelling, why) { spelling, NULL, NULL, NULL, why },
#include "ui/vm/options.def"
};

const char *const *vm_option_names(void)
{
    static const char *names[G_N_ELEMENTS(options) + 1];
    size_t n = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (options[i].fn) {
            names[n++] = options[i].spelling + strspn(options[i].spelling, "-");
        }
    }
    names[n] = NULL;
    return names;
}

/* QEMU takes all of its options with one dash or two. */
static const OptionInfo *find_option(const char *text, const char **inline_arg)
{
    const char *name = text + (text[0] == '-' && text[1] == '-');

    *inline_arg = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const char *spelling = options[i].spelling;
        size_t length;

        if (!spelling) {
            continue;
        }
        spelling += spelling[1] == '-';
        length = strlen(spelling);
        if (strncmp(name, spelling, length)) {
            continue;
        }
        if (!name[length]) {
            return &options[i];
        }
        if (text[1] == '-' && name[length] == '=' && (options[i].argument || options[i].refused)) {
            *inline_arg = name + length + 1;
            return &options[i];
        }
    }
    return NULL;
}

static bool unknown_option(const char *text, GError **error)
{
    Nearest n = nearest_begin(text);
    char hint[NEAREST_HINT];

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (options[i].fn) {
            nearest_offer(&n, options[i].spelling);
        }
    }
    nearest_hint(&n, hint);
    g_set_error(error, VM_ERROR, 0, "unknown option '%s'%s (--help lists them)", text, hint);
    return false;
}

bool vm_options_parse(VmOptions *o, int argc, char **argv, GError **error)
{
    *o = (VmOptions){ .board = "virt", .memory = 128 << 20, .harts = 1, .tier = TR_TIER_jit,
                      .mmu = MMU_SCHEME_flat, .threshold = TR_HOT_THRESHOLD,
                      .drives = g_ptr_array_new(), .devices = g_ptr_array_new(),
                      .chardevs = g_ptr_array_new(), .netdevs = g_ptr_array_new(),
                      .fw_cfgs = g_ptr_array_new(), .blockdevs = g_ptr_array_new(),
                      .nics = g_ptr_array_new(), .nets = g_ptr_array_new(), .fsdevs = g_ptr_array_new(), .virtfs = g_ptr_array_new(),
                      .objects = g_ptr_array_new(),
                      .semihosting.args = g_ptr_array_new_with_free_func(g_free),
                      .monitors = g_array_new(FALSE, FALSE, sizeof(VmMonitor)),
                      .fdsets = g_array_new(FALSE, FALSE, sizeof(VmFdset)),
                      .dfilter = g_array_new(FALSE, FALSE, sizeof(TrRange)) };
    for (int i = 1; i < argc; i++) {
        const char *arg, *text = argv[i];
        const OptionInfo *info = find_option(text, &arg);

        if (text[0] != '-') {
            return wrong(error, "only options are expected here; -drive or -kernel names a file", text);
        }
        if (!info) {
            return unknown_option(text, error);
        }
        if (info->refused) {
            g_set_error(error, VM_ERROR, 0, "option '%s': %s", text, info->refused);
            return false;
        }
        if (info->argument && info->argument[0] != '[' && !arg) {
            if (++i == argc) {
                g_set_error(error, VM_ERROR, 0, "option '%s' needs %s", text, info->argument);
                return false;
            }
            arg = argv[i];
        }
        if (!info->fn(o, arg, error)) {
            return false;
        }
    }
    return !o->accel || !strcmp(o->accel, "tcg") || wrong(error, "-accel is tcg, not", o->accel);
}

void vm_options_fini(VmOptions *o)
{
    g_ptr_array_free(o->drives, TRUE);
    g_ptr_array_free(o->devices, TRUE);
    g_ptr_array_free(o->chardevs, TRUE);
    g_ptr_array_free(o->netdevs, TRUE);
    g_ptr_array_free(o->fw_cfgs, TRUE);
    g_ptr_array_free(o->blockdevs, TRUE);
    g_ptr_array_free(o->nics, TRUE);
    g_ptr_array_free(o->nets, TRUE);
    g_ptr_array_free(o->fsdevs, TRUE);
    g_ptr_array_free(o->virtfs, TRUE);
    g_ptr_array_free(o->objects, TRUE);
    g_array_free(o->dfilter, TRUE);
    g_ptr_array_free(o->semihosting.args, TRUE);
    g_free((char *)(uintptr_t)o->semihosting.chardev);
    g_array_free(o->monitors, TRUE);
    g_array_free(o->fdsets, TRUE);
}

void vm_options_help(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const OptionInfo *info = &options[i];
        char left[40];

        if (!info->spelling) {
            printf("\n%s:\n", info->help);
        } else if (info->help) {
            bool optional = info->argument && info->argument[0] == '[';

            snprintf(left, sizeof(left), "%s%s%s", info->spelling,
                     optional ? "[=" : info->argument ? " " : "",
                     info->argument ? info->argument + optional : "");
            printf("  %-20s %s\n", left, info->help);
        }
    }
}
