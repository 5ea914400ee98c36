/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/check.h - invariants of Ketch's own code.
 *
 * CHECK is for our bugs only; nothing that a guest or a user does may trip it.
 * A failed CHECK prints the message and whatever check_set_context() registered
 * (the block being translated, the guest pc), then aborts.  On in release builds;
 * DCHECK is compiled in only when KETCH_DEBUG is defined.
 * Threading: the context hook is per thread.
 */
#ifndef KETCH_BASE_CHECK_H
#define KETCH_BASE_CHECK_H

#include <stdbool.h>

#define MUST_USE __attribute__((warn_unused_result))

typedef void CheckContextFn(void *opaque);

/* `fn` is called (once) before the abort, to print what was being done; NULL removes it. */
void check_set_context(CheckContextFn *fn, void *opaque);

_Noreturn void check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define CHECK(cond, ...)                                               \
    do {                                                               \
        if (__builtin_expect(!(cond), 0)) {                            \
            check_failed(__FILE__, __LINE__, #cond, ": " __VA_ARGS__); \
        }                                                              \
    } while (0)

#ifdef KETCH_DEBUG
#define DCHECK(cond, ...) CHECK(cond, __VA_ARGS__)
#else
#define DCHECK(cond, ...) ((void)sizeof(!(cond)))
#endif

#endif
