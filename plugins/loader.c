/* SPDX-License-Identifier: Apache-2.0 */
/* From -plugin to a plugin that is installed, or to a sentence that says why not. */
#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "plugins/plugin.h"
#include "plugins/plugins.h"

#define PLUGIN_ERROR g_quark_from_static_string("ketch-plugin")

enum { INSTALL_SECONDS = 10 };

static GPtrArray *plugins;
const PluginTarget *plugin_target;

Plugin *plugin_number(unsigned index)
{
    return plugins && index < plugins->len ? plugins->pdata[index] : NULL;
}

Plugin *plugin_of(qemu_plugin_id_t id)
{
    return plugin_number((unsigned)id - 1);
}

/* ---- The option ---- */

static Plugin *find(const char *path)
{
    for (unsigned i = 0; plugin_number(i); i++) {
        if (!strcmp(plugin_number(i)->path, path)) {
            return plugin_number(i);
        }
    }
    return NULL;
}

static Plugin *plugin_new(const char *path)
{
    Plugin *p = g_new0(Plugin, 1);

    if (!plugins) {
        plugins = g_ptr_array_new();
    }
    p->path = g_strdup(path);
    p->argv = g_ptr_array_new();
    g_ptr_array_add(plugins, p);
    p->id = plugins->len;
    return p;
}

/* Cut at single commas; a doubled one is a comma. */
static GPtrArray *split(const char *spec)
{
    GPtrArray *items = g_ptr_array_new_with_free_func(g_free);
    GString *item = g_string_new("");

    for (const char *s = spec; *s; s++) {
        if (*s == ',' && s[1] != ',') {
            g_ptr_array_add(items, g_string_free(item, FALSE));
            item = g_string_new("");
        } else {
            g_string_append_c(item, *s);
            s += *s == ',';
        }
    }
    g_ptr_array_add(items, g_string_free(item, FALSE));
    return items;
}

/* QEMU's older spelling of arguments: arg=name=value, arg=name. */
static char *argument(const char *item)
{
    if (g_str_has_prefix(item, "arg=") && strcmp(item, "arg=on") && strcmp(item, "arg=off")) {
        item += strlen("arg=");
    }
    return strchr(item, '=') ? g_strdup(item) : g_strdup_printf("%s=on", item);
}

bool plugins_add(const char *spec, GError **error)
{
    GPtrArray *items = split(spec);
    const char *file = items->pdata[0];
    Plugin *p;

    if (g_str_has_prefix(file, "file=")) {
        file += strlen("file=");
    }
    if (!*file) {
        g_set_error(error, PLUGIN_ERROR, 0, "-plugin needs a file: '%s'", spec);
        g_ptr_array_unref(items);
        return false;
    }
    p = find(file);
    p = p ? p : plugin_new(file);
    for (unsigned i = 1; i < items->len; i++) {
        g_ptr_array_add(p->argv, argument(items->pdata[i]));
    }
    g_ptr_array_unref(items);
    return true;
}

/* ---- Guarding what runs in the plugin ---- */

static const int watched[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM };

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    plugins_blame(sig, info);
    signal(sig, SIG_DFL);
    raise(sig);
}

typedef struct Guard {
    struct sigaction before[G_N_ELEMENTS(watched)];
    sigset_t mask;
    timer_t timer;
    bool has_timer;
} Guard;

/* Threads that the plugin starts have no part in other signals, which are the guest's. */
static void guard_begin(Guard *g)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    struct itimerspec in = { .it_value.tv_sec = INSTALL_SECONDS };
    sigset_t others;

    sigfillset(&others);
    for (unsigned i = 0; i < G_N_ELEMENTS(watched); i++) {
        sigaction(watched[i], &action, &g->before[i]);
        sigdelset(&others, watched[i]);
    }
    pthread_sigmask(SIG_BLOCK, &others, &g->mask);
    g->has_timer = timer_create(CLOCK_MONOTONIC, &event, &g->timer) == 0 &&
                   timer_settime(g->timer, 0, &in, NULL) == 0;
}

static void guard_end(Guard *g)
{
    if (g->has_timer) {
        timer_delete(g->timer);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(watched); i++) {
        sigaction(watched[i], &g->before[i], NULL);
    }
    pthread_sigmask(SIG_SETMASK, &g->mask, NULL);
}

/* ---- Loading ---- */

/* A program without an interpreter has no dynamic linker that could load anything. */
static bool is_static(void)
{
    const ElfW(Phdr) *p = (const ElfW(Phdr) *)getauxval(AT_PHDR);

    for (unsigned long n = getauxval(AT_PHNUM); p && n > 0; n--, p++) {
        if (p->p_type == PT_INTERP) {
            return false;
        }
    }
    return true;
}

static bool wrong(const Plugin *p, GError **error, const char *why)
{
    g_set_error(error, PLUGIN_ERROR, 0, "plugin %s: %s", p->path, why);
    return false;
}

static bool check_version(Plugin *p, const int *version, GError **error)
{
    if (!version) {
        return wrong(p, error, "it does not export qemu_plugin_version");
    }
    p->version = *version;
    if (p->version < PLUGIN_OLDEST || p->version > PLUGIN_NEWEST) {
        g_set_error(error, PLUGIN_ERROR, 0,
                    "plugin %s: it was built for version %d of the plugin interface; Ketch has "
                    "versions %d to %d", p->path, p->version, PLUGIN_OLDEST, PLUGIN_NEWEST);
        return false;
    }
    return true;
}

/* The machine that an ELF file is for; EM_NONE when it is none. */
static unsigned machine_of(const char *file)
{
    ElfW(Ehdr) header = { 0 };
    FILE *f = fopen(file, "rbe");
    bool is_elf = f && fread(&header, sizeof(header), 1, f) == 1 &&
                  !memcmp(header.e_ident, ELFMAG, SELFMAG);

    if (f) {
        fclose(f);
    }
    return is_elf ? header.e_machine : EM_NONE;
}

/* What dlerror() says, without the file name that it may begin with; of another machine's files it says
 * that they are not there. */
static bool linker_error(const Plugin *p, const char *file, GError **error)
{
    const char *why = dlerror();
    unsigned machine = machine_of(file);

    if (machine != EM_NONE && machine != machine_of("/proc/self/exe")) {
        return wrong(p, error, "it was built for another machine than this one");
    }
    if (g_str_has_prefix(why, file) && g_str_has_prefix(why + strlen(file), ": ")) {
        why += strlen(file) + 2;
    }
    return wrong(p, error, why);
}

typedef int InstallFn(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

static bool install(Plugin *p, const char *file, GError **error)
{
    qemu_info_t info = { .target_name = plugin_target->guest->name,
                         .version = { PLUGIN_OLDEST, PLUGIN_NEWEST },
                         .system_emulation = plugin_target->n_vcpus > 0,
                         .system = { (int)plugin_target->n_vcpus, (int)plugin_target->n_vcpus } };
    void *handle;
    InstallFn *fn;
    int status;

    plugin_running = (PluginRunning){ p, PLUGIN_EV_load };
    handle = p->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        return linker_error(p, file, error);
    }
    fn = (InstallFn *)dlsym(handle, "qemu_plugin_install");
    if (!fn) {
        return wrong(p, error, "it does not export qemu_plugin_install()");
    }
    if (!check_version(p, dlsym(handle, "qemu_plugin_version"), error)) {
        return false;
    }
    plugin_running.event = PLUGIN_EV_install;
    status = fn(p->id, &info, (int)p->argv->len, (char **)p->argv->pdata);
    if (status) {
        g_set_error(error, PLUGIN_ERROR, 0, "plugin %s: qemu_plugin_install() returned %d", p->path,
                    status);
    }
    return status == 0;
}

/* The folder of the plugins that come with Ketch; the caller frees it.  NULL: where Ketch itself is cannot
 * be seen. */
static char *bundled_folder(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *bin, *folder;

    if (n < 0) {
        return NULL;
    }
    self[n] = '\0';
    bin = g_path_get_dirname(self);
    folder = g_build_filename(bin, "..", "lib", "ketch", "plugins", NULL);
    g_free(bin);
    return folder;
}

/* A name without a slash that is no file here is a plugin that comes with Ketch. */
static bool find_file(const Plugin *p, char file[PATH_MAX])
{
    char *folder, *bundled;
    bool found;

    if (realpath(p->path, file)) {
        return true;
    }
    folder = strchr(p->path, '/') ? NULL : bundled_folder();
    if (!folder) {
        return false;
    }
    bundled = g_strdup_printf("%s/%s.so", folder, p->path);
    found = realpath(bundled, file) != NULL;
    g_free(bundled);
    g_free(folder);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the plugins that come with Ketch, sorted; the caller releases the array. */
static GPtrArray *bundled_names(void)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    char *folder = bundled_folder();
    GDir *dir = folder ? g_dir_open(folder, 0, NULL) : NULL;
    const char *entry;

    while (dir && (entry = g_dir_read_name(dir))) {
        if (g_str_has_suffix(entry, ".so")) {
            g_ptr_array_add(names, g_strndup(entry, strlen(entry) - strlen(".so")));
        }
    }
    if (dir) {
        g_dir_close(dir);
    }
    g_free(folder);
    g_ptr_array_sort(names, by_name);
    return names;
}

static bool not_found(const Plugin *p, int errnum, GError **error)
{
    GPtrArray *names = strchr(p->path, '/') ? NULL : bundled_names();

    if (!names || !names->len) {
        wrong(p, error, g_strerror(errnum));
    } else {
        char *list;

        g_ptr_array_add(names, NULL);
        list = g_strjoinv(", ", (char **)names->pdata);
        g_set_error(error, PLUGIN_ERROR, 0, "plugin %s: no file here and no plugin of Ketch's has this "
                                            "name; those are: %s", p->path, list);
        g_free(list);
    }
    if (names) {
        g_ptr_array_unref(names);
    }
    return false;
}

static bool load(Plugin *p, GError **error)
{
    char file[PATH_MAX];
    Guard guard;
    bool ok;

    if (!find_file(p, file)) {
        return not_found(p, errno, error);
    }
    guard_begin(&guard);
    ok = install(p, file, error);
    plugin_running = (PluginRunning){ 0 };
    guard_end(&guard);
    return ok;
}

bool plugins_wanted(void)
{
    return plugins != NULL;
}

bool plugins_load(const PluginTarget *target, const TrInstrument **instrument, GError **error)
{
    *instrument = NULL;
    plugin_target = target;
    if (!plugins) {
        return true;
    }
    if (is_static()) {
        g_set_error(error, PLUGIN_ERROR, 0, "this ketch is linked statically and cannot load "
                                            "plugins: use one that is linked dynamically");
        return false;
    }
    tr_vcpu_memory_start(target->guest->guest, &plugin_instrument);
    for (unsigned i = 0; plugin_number(i); i++) {
        if (!load(plugin_number(i), error)) {
            return false;
        }
    }
    *instrument = &plugin_instrument;
    return true;
}
