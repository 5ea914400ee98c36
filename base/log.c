/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ownfd.h"

enum { LOG_SITE_LIMIT = 100 };

uint32_t log_mask;

static int fd = STDERR_FILENO;

static const struct {
    const char *name;
    const char *help;
} categories[LOG_COUNT] = {
#define LOG(name, help) [LOG_##name] = { #name, help },
#include "base/log.def"
};

static bool enable_one(const char *name, size_t length)
{
    if (length == 3 && strncmp(name, "all", 3) == 0) {
        log_mask = (UINT32_C(1) << LOG_COUNT) - 1;
        return true;
    }
    for (unsigned i = 0; i < LOG_COUNT; i++) {
        if (strlen(categories[i].name) == length && strncmp(name, categories[i].name, length) == 0) {
            log_mask |= UINT32_C(1) << i;
            return true;
        }
    }
    return false;
}

bool log_enable(const char *names, const char **bad)
{
    while (*names) {
        size_t length = strcspn(names, ",");

        if (!enable_one(names, length)) {
            if (bad) {
                *bad = names;
            }
            return false;
        }
        names += length + (names[length] == ',');
    }
    return true;
}

bool log_open(const char *path, bool append)
{
    char name[4096];
    const char *percent = strstr(path, "%d");
    int n = percent ? snprintf(name, sizeof(name), "%.*s%d%s", (int)(percent - path), path, getpid(),
                               percent + 2)
                    : snprintf(name, sizeof(name), "%s", path);
    int opened;

    if (n < 0 || (size_t)n >= sizeof(name)) {
        errno = ENAMETOOLONG;
        return false;
    }
    opened = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (append ? 0 : O_TRUNC), 0666);
    if (opened < 0) {
        return false;
    }
    fd = ownfd_take(opened);
    return true;
}

void log_help(void)
{
    for (unsigned i = 0; i < LOG_COUNT; i++) {
        printf("%-14s %s\n", categories[i].name, categories[i].help);
    }
}

int log_fd(void)
{
    return fd;
}

static void emit(const char *prefix, const char *fmt, va_list ap)
{
    char text[8192];
    int head = snprintf(text, sizeof(text), "%s", prefix);
    int body = vsnprintf(text + head, sizeof(text) - (size_t)head - 1, fmt, ap);
    size_t total = (size_t)head + (body < 0 ? 0 : (size_t)body);

    if (total > sizeof(text) - 2) {
        total = sizeof(text) - 2;
    }
    if (*prefix) {
        text[total++] = '\n';
    }
    while (write(fd, text, total) < 0 && errno == EINTR) {
    }
}

void log_line(LogCategory category, const char *fmt, ...)
{
    va_list ap;

    if (!log_enabled(category)) {
        return;
    }
    va_start(ap, fmt);
    emit("", fmt, ap);
    va_end(ap);
}

void log_limited(LogCategory category, uint32_t *site, const char *fmt, ...)
{
    va_list ap;

    if (!log_enabled(category) || __atomic_fetch_add(site, 1, __ATOMIC_RELAXED) >= LOG_SITE_LIMIT) {
        return;
    }
    va_start(ap, fmt);
    emit("", fmt, ap);
    va_end(ap);
}

void log_warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    emit("ketch: ", fmt, ap);
    va_end(ap);
}
