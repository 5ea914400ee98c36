/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/semihosting/calls.h - one call being made, and the files that calls are about.
 *
 * A call returns its result, or -errno for one that failed: the guest then gets -1 and may ask for the
 * number; or CALL_AGAIN or CALL_EXIT.
 * Threading: files may be opened and closed by several threads; the rest is of one.
 */
#ifndef KETCH_SEMIHOSTING_CALLS_H
#define KETCH_SEMIHOSTING_CALLS_H

#include <stdatomic.h>
#include <time.h>

#include "userland/semihosting/semihosting.h"

enum { SEMIHOST_FILES = 64, CALL_WORDS = 4 };

/* No result of a call and no -errno. */
#define CALL_AGAIN INT64_MIN
#define CALL_EXIT (INT64_MIN + 1)

/* What a guest's file number stands for, beside a descriptor of the host. */
enum { FILE_NONE = -1, FILE_CONSOLE = -2 };

struct Semihost {
    const Frontend *guest;
    const SemihostTarget *target;
    _Atomic int file[SEMIHOST_FILES]; /* by the guest's number; the first three are the console */
    _Atomic int error;                /* of the last call that failed */
    struct timespec start;
};

typedef struct Call {
    Semihost *s;
    void *thread;
    uint64_t argument;       /* as it is */
    uint64_t a[CALL_WORDS];  /* the words it points at, where calls.def says so */
    uint64_t status;         /* for CALL_EXIT */
} Call;

typedef int64_t CallFn(Call *c);

void files_init(Semihost *s);
void files_end(Semihost *s);

/* The guest's `n` bytes at addr and a zero; to be freed.  NULL and *error, an errno: not in memory, or more
 * than `most`. */
char *call_string(const Call *c, uint64_t addr, uint64_t n, size_t most, int *error);

#define CALL(number, name, words) CallFn call_##name;
#include "userland/semihosting/calls.def"

#endif
