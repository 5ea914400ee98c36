/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log.h - the log of a run: categories from base/log.def, to stderr or a file.
 *
 * A disabled category costs one load and test.  Output is line-buffered and written with
 * one write(2) per log_line(), so lines of several threads do not interleave.
 * Threading: log_open()/log_enable() before threads start; the rest from any thread.
 */
#ifndef KETCH_BASE_LOG_H
#define KETCH_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum LogCategory {
#define LOG(name, help) LOG_##name,
#include "base/log.def"
    LOG_COUNT
} LogCategory;

extern uint32_t log_mask;

static inline bool log_enabled(LogCategory category)
{
    return __builtin_expect(log_mask >> category & 1, 0);
}

/* Comma-separated names, or "all".  On an unknown one: false, and *bad (may be NULL) points at
 * its start inside `names`. */
bool log_enable(const char *names, const char **bad);

/* Sends the log to `path` ("%d" becomes the process id); false with errno set when it fails. */
bool log_open(const char *path, bool append);

/* The categories with their help, one line each, to stdout: `-d help`. */
void log_help(void);

/* Writes the text if the category is on; the caller supplies newlines. */
void log_line(LogCategory category, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* log_line() that also respects the limit of 100 lines per call site and run: for what a guest
 * could make happen without end.  `site` is a static counter of the caller. */
void log_limited(LogCategory category, uint32_t *site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* One line that is always written ("ketch: " in front): warnings and errors for the user. */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The file descriptor that the log goes to. */
int log_fd(void);

#endif
