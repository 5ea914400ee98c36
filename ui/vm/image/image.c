/* SPDX-License-Identifier: Apache-2.0 */
/* `ketch image ACTION`: the table of actions and what they share. */
#include "ui/vm/image/image.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "ui/vm/commands.h"

static const struct {
    const char *name;
    int (*fn)(int argc, char **argv);
    const char *usage;
    const char *help;
} actions[] = {
#define IMAGE_ACTION(name, usage, help) { #name, action_##name, usage, help },
#include "ui/vm/image/actions.def"
};

static int usage(FILE *out, int status)
{
    fputs("usage:\n", out);
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        fprintf(out, "  ketch image %-68s %s\n", actions[i].usage, actions[i].help);
    }
    fputs("\n`ketch image ACTION --help` lists the options, which are those of qemu-img.\n", out);
    return status;
}

static int unknown_action(const char *name)
{
    Nearest n = nearest_begin(name);
    char hint[NEAREST_HINT];

    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        nearest_offer(&n, actions[i].name);
    }
    nearest_hint(&n, hint);
    fprintf(stderr, "ketch image: unknown action '%s'%s (`ketch image help` lists them)\n", name, hint);
    return 1;
}

int command_image(int argc, char **argv)
{
    static const char *const others[] = { "amend", "bench", "bitmap", "commit", "dd", "measure", "rebase",
                                          NULL };

    if (argc < 2) {
        return usage(stderr, 1);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (!strcmp(argv[1], actions[i].name)) {
            return actions[i].fn(argc - 1, argv + 1);
        }
    }
    if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        return usage(stdout, 0);
    }
    if (!g_strv_contains(others, argv[1])) {
        return unknown_action(argv[1]);
    }
    fprintf(stderr, "ketch image: %s is an action of qemu-img that is not offered here; `ketch image help` "
                    "lists those that are\n", argv[1]);
    return 1;
}

/* ---- options ---- */

static const char *usage_of(const char *action)
{
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (!strcmp(action, actions[i].name)) {
            return actions[i].usage;
        }
    }
    return action;
}

bool image_options(int *argc, char ***argv, const GOptionEntry *entries, int least, int most,
                   int *status)
{
    const char *action = (*argv)[0];
    GOptionContext *context = g_option_context_new(strchr(usage_of(action), ' ') + 1);
    gboolean help = FALSE;
    const GOptionEntry own[] = {
        { "help", 'h', 0, G_OPTION_ARG_NONE, &help, "this text", NULL },
        G_OPTION_ENTRY_NULL,
    };
    char *program = g_strdup_printf("ketch image %s", action), *text;
    GError *error = NULL;
    bool ok;

    g_set_prgname(program);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_add_main_entries(context, own, NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse(context, argc, argv, &error);
    *status = 1;
    if (ok && help) {
        text = g_option_context_get_help(context, TRUE, NULL);
        fputs(text, stdout);
        g_free(text);
        *status = 0;
    } else if (!ok) {
        fprintf(stderr, "%s: %s\n", program, error->message);
        g_clear_error(&error);
    } else if (*argc - 1 < least || *argc - 1 > most) {
        fprintf(stderr, "usage: ketch image %s\n", usage_of(action));
        ok = false;
    }
    g_option_context_free(context);
    g_free(program);
    return ok && !help;
}

int image_failed(const char *action, GError *error, int status)
{
    fprintf(stderr, "ketch image %s: %s\n", action, error->message);
    g_error_free(error);
    return status;
}

int image_failed_errno(const char *action, const char *what, int r, int status)
{
    fprintf(stderr, "ketch image %s: %s: %s\n", action, what, g_strerror(-r));
    return status;
}

bool image_output(const char *output, bool *json, GError **error)
{
    *json = output && !strcmp(output, "json");
    if (output && !*json && strcmp(output, "human") != 0) {
        g_set_error(error, IMAGE_ERROR, 0, "--output is json or human, not '%s'", output);
        return false;
    }
    return true;
}

/* ---- sizes ---- */

static const char suffixes[] = "BKMGTPE";

bool image_size_parse(const char *text, uint64_t *size)
{
    const char *suffix;
    char *end;
    double number;
    uint64_t whole;

    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    number = g_ascii_strtod(text, &end);
    whole = g_ascii_strtoull(text, NULL, 0);
    suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : suffixes;
    if (errno || !suffix || (*end && end[1])) {
        return false;
    }
    number = ldexp(number, 10 * (int)(suffix - suffixes));
    if (!(number < ldexp(1, 63))) {
        return false;
    }
    *size = suffix == suffixes && !memchr(text, '.', (size_t)(end - text)) ? whole
                                                                           : (uint64_t)number;
    return true;
}

/* ---- opening ---- */

Block *image_open(const char *path, const ImageOpen *how, GError **error)
{
    BlockOptions o = {
        .path = path,
        .format = how->format,
        .read_only = !how->writable,
        .no_lock = how->no_lock,
        .check = how->check,
        .discard = how->writable,
        .backing = how->backing ? BLOCK_BACKING_FOLLOW : BLOCK_BACKING_IGNORE,
    };

    if (how->cache && !block_cache_parse(how->cache, &o.cache)) {
        g_set_error(error, IMAGE_ERROR, 0, "unknown cache mode '%s'; there are writeback, none, "
                    "writethrough, directsync and unsafe", how->cache);
        return NULL;
    }
    return block_open(&o, error);
}

/* ---- progress ---- */

void image_progress_begin(ImageProgress *p, bool wanted, bool quiet)
{
    p->on = !quiet && (wanted || isatty(STDERR_FILENO));
    p->shown = -1;
}

void image_progress(ImageProgress *p, uint64_t done, uint64_t total)
{
    int now = total ? (int)((double)done / (double)total * 10000) : 10000;

    if (p->on && now != p->shown) {
        p->shown = now;
        fprintf(stderr, "    (%d.%02d/100%%)\r", now / 100, now % 100);
        fflush(stderr);
    }
}

void image_progress_end(ImageProgress *p)
{
    if (p->on && p->shown >= 0) {
        fputs("\n", stderr);
    }
}
