/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ui/vm/image/image.h - what the actions of `ketch image` share: options, sizes, opening, progress.
 *
 * Options are spelled as qemu-img's, and exit statuses are the same: 0 done, 1 not; compare and
 * check have their own.
 * Threading:  the main thread, but image_progress().
 */
#ifndef KETCH_UI_VM_IMAGE_IMAGE_H
#define KETCH_UI_VM_IMAGE_IMAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/host/block/block.h"
#include "devices/host/block/image.h"

#define IMAGE_ERROR (g_quark_from_static_string("ketch-image"))

/* The actions: argv[0] is the name; the exit status. */
#define IMAGE_ACTION(name, usage, help) int action_##name(int argc, char **argv);
#include "ui/vm/image/actions.def"

/* Takes the options out of argv and checks how many other arguments are left; --help prints.
 * false: *status is the exit status. */
bool image_options(int *argc, char ***argv, const GOptionEntry *entries, int least, int most,
                   int *status);

/* Prints "ketch image ACTION: ..." and returns `status`; takes the error. */
int image_failed(const char *action, GError *error, int status);
int image_failed_errno(const char *action, const char *what, int r, int status);

/* Whether `--output` says json; false with an error for something else than json and human. */
bool image_output(const char *output, bool *json, GError **error);

/* 1536, 1.5K, 20G, ...: bytes; false when it is no size. */
bool image_size_parse(const char *text, uint64_t *size);

typedef struct ImageOpen {
    const char *format; /* NULL: guessed, with read_only */
    bool writable;
    bool no_lock;
    bool check;
    bool backing; /* follow them, if the format is given; else ignore them */
    const char *cache;
} ImageOpen;

Block *image_open(const char *path, const ImageOpen *how, GError **error);

/* `-o name=value,...` into *c, whose strings then belong to the options given; *text keeps them. */
bool image_create_options(const char *options, ImageCreate *c, char **text, GError **error);
/* `-o help` */
void image_create_options_help(const char *format);

/* A line on standard error with how much is done, when asked for or somebody is watching. */
typedef struct ImageProgress {
    bool on;
    int shown; /* in hundredths of a per cent */
} ImageProgress;

void image_progress_begin(ImageProgress *p, bool wanted, bool quiet);
void image_progress(ImageProgress *p, uint64_t done, uint64_t total);
void image_progress_end(ImageProgress *p);

/* Snapshots as a table; nothing when there are none. */
void image_print_snapshots(Block *b);

#endif
