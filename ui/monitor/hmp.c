/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor for people: a line of words, the command's text as the answer. */
#include <string.h>

#include "base/log.h"
#include "ui/monitor/snapshot.h"
#include "ui/monitor/state.h"

typedef struct HmpCommand {
    const char *names;
    HmpFn *fn;
    const char *args, *help;
} HmpCommand;

static const HmpCommand commands[] = {
#define HMP(names, fn, args, help) { names, fn, args, help },
#include "ui/monitor/hmp.def"
};

static const HmpCommand subjects[] = {
#define INFO(name, fn, help) { name, fn, "", help },
#include "ui/monitor/info.def"
};

void hmp_prompt(MonitorSession *s)
{
    s->send(s->opaque, "(ketch) ", 8);
}

static bool is_named(const HmpCommand *c, const char *name)
{
    char **names = g_strsplit(c->names, "|", -1);
    bool found = g_strv_contains((const gchar *const *)names, name);

    g_strfreev(names);
    return found;
}

static const HmpCommand *find(const HmpCommand *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (is_named(&table[i], name)) {
            return &table[i];
        }
    }
    return NULL;
}

/* "x/4xg" is the command x with the format 4xg; "x /4xg" is the same. */
static void take_format(Hmp *h, const HmpCommand *c, const char *slash)
{
    h->format = slash ? slash + 1 : "";
    if (!slash && *c->args == '/' && *h->argv && **h->argv == '/') {
        h->format = *h->argv++ + 1;
    }
}

static char **split(const char *line)
{
    char **words = g_strsplit_set(line, " \t", -1);
    unsigned n = 0;

    for (unsigned i = 0; words[i]; i++) {
        if (*words[i]) {
            words[n++] = words[i];
        } else {
            g_free(words[i]);
        }
    }
    words[n] = NULL;
    return words;
}

void hmp_execute(MonitorSession *s, const char *line, GString *out)
{
    char **words = split(line);
    Hmp h = { .session = s, .monitor = s->monitor, .out = out, .argv = words + 1 };
    char *slash = words[0] ? strchr(words[0], '/') : NULL;
    const HmpCommand *c;

    if (slash) {
        *slash = '\0';
    }
    c = words[0] ? find(commands, G_N_ELEMENTS(commands), words[0]) : NULL;
    if (c) {
        take_format(&h, c, slash);
        c->fn(&h);
    } else if (words[0] && monitor_refusal(words[0])) {
        g_string_append_printf(out, "%s: %s\n", words[0], monitor_refusal(words[0]));
    } else if (words[0]) {
        g_string_append_printf(out, "unknown command: '%s' (help lists them)\n", words[0]);
    }
    g_strfreev(words);
}

void hmp_human(Monitor *m, unsigned hart, const char *line, GString *out)
{
    MonitorSession as = { .monitor = m, .kind = MONITOR_hmp, .hart = hart };

    hmp_execute(&as, line, out);
}

/* ---- Help ---- */

static void list(GString *out, const char *before, const HmpCommand *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *usage = g_strdup_printf("%s%s%s%s", before, table[i].names,
                                      *table[i].args && *table[i].args != '/' ? " " : "",
                                      table[i].args);

        g_string_append_printf(out, "%-38s %s\n", usage, table[i].help);
        g_free(usage);
    }
}

void hmp_help(Hmp *h)
{
    const HmpCommand *c;

    if (!h->argv[0]) {
        list(h->out, "", commands, G_N_ELEMENTS(commands));
        return;
    }
    c = find(commands, G_N_ELEMENTS(commands), h->argv[0]);
    if (!c) {
        g_string_append_printf(h->out, "unknown command: '%s' (help lists them)\n", h->argv[0]);
        return;
    }
    list(h->out, "", c, 1);
    if (c->fn == hmp_info) {
        list(h->out, "info ", subjects, G_N_ELEMENTS(subjects));
    }
}

void hmp_info(Hmp *h)
{
    const HmpCommand *c;

    if (!h->argv[0]) {
        list(h->out, "info ", subjects, G_N_ELEMENTS(subjects));
        return;
    }
    c = find(subjects, G_N_ELEMENTS(subjects), h->argv[0]);
    if (!c) {
        g_string_append_printf(h->out, "unknown subject: '%s' (info lists them)\n", h->argv[0]);
        return;
    }
    h->argv++;
    c->fn(h);
}

/* ---- Control ---- */

static void tell_error(Hmp *h, GError *error)
{
    g_string_append_printf(h->out, "%s\n", error->message);
    g_error_free(error);
}

void hmp_stop(Hmp *h)
{
    monitor_stop(h->monitor);
}

void hmp_cont(Hmp *h)
{
    GError *error = NULL;

    if (monitor_can_go_on(h->monitor, &error)) {
        monitor_cont(h->monitor);
    } else {
        tell_error(h, error);
    }
}

void hmp_reset(Hmp *h)
{
    monitor_request(h->monitor, MACHINE_restart);
}

void hmp_powerdown(Hmp *h)
{
    monitor_powerdown(h->monitor);
}

void hmp_quit(Hmp *h)
{
    h->session->over = true;
    monitor_request(h->monitor, MACHINE_shutdown);
}

void hmp_cpu(Hmp *h)
{
    unsigned n = machine_harts(h->monitor->vm.machine);
    char *end = NULL;
    guint64 hart = h->argv[0] ? g_ascii_strtoull(h->argv[0], &end, 0) : n;

    if (hart >= n || !end || *end || end == h->argv[0]) {
        g_string_append_printf(h->out, "cpu takes a number from 0 to %u\n", n - 1);
        return;
    }
    h->session->hart = (unsigned)hart;
}

/* The one FILE of a command; NULL, and told: there is none, or more. */
static const char *file_argument(Hmp *h)
{
    if (h->argv[0] && !h->argv[1]) {
        return h->argv[0];
    }
    g_string_append(h->out, "the name of one FILE is expected\n");
    return NULL;
}

void hmp_savevm(Hmp *h)
{
    bool with_disks = !h->argv[0] || strcmp(h->argv[0], "-m") != 0;
    GError *error = NULL;
    MonitorHold hold;
    const char *path;

    h->argv += with_disks ? 0 : 1;
    path = file_argument(h);
    if (!path) {
        return;
    }
    hold = monitor_hold(h->monitor);
    if (!snapshot_save(&h->monitor->vm, path, with_disks, &error)) {
        tell_error(h, error);
    }
    monitor_release(hold);
}

/* A machine that is not whole does not go on. */
void hmp_loadvm(Hmp *h)
{
    const char *path = file_argument(h);
    GError *error = NULL;
    MonitorHold hold;
    bool whole;

    if (!path) {
        return;
    }
    hold = monitor_hold(h->monitor);
    whole = snapshot_load(&h->monitor->vm, path, &error) ||
            !g_error_matches(error, SNAPSHOT_ERROR, SNAPSHOT_HALF);
    monitor_release(hold);
    if (!whole) {
        monitor_stop(h->monitor);
    }
    if (error) {
        tell_error(h, error);
    }
}

void hmp_delvm(Hmp *h)
{
    const char *path = file_argument(h);
    GError *error = NULL;

    if (path && !snapshot_delete(&h->monitor->vm, path, &error)) {
        tell_error(h, error);
    }
}

void hmp_log(Hmp *h)
{
    const char *names = h->argv[0], *bad;

    if (!names) {
        g_string_append(h->out, "log takes names of -d, or none\n");
    } else if (strcmp(names, "none") == 0) {
        log_mask = 0;
    } else if (!log_enable(names, &bad)) {
        g_string_append_printf(h->out, "there is no log category '%s' (ketch vm -d help)\n", bad);
    }
}
