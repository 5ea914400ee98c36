/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local CheckContextFn *context_fn;
static _Thread_local void *context_opaque;

void check_set_context(CheckContextFn *fn, void *opaque)
{
    context_fn = fn;
    context_opaque = opaque;
}

void check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
{
    CheckContextFn *fn = context_fn;
    va_list ap;

    fprintf(stderr, "ketch: internal error: %s:%d: %s", file, line, cond);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    context_fn = NULL; /* a CHECK inside the hook must not recurse */
    if (fn) {
        fn(context_opaque);
    }
    abort();
}
