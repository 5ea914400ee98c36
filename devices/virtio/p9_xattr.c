/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/p9_xattr.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

struct P9Xattr {
    char name[NAME_MAX + 1];
    bool write;
    int flags;
    size_t size, have;
    uint8_t data[];
};

static bool is_for_guests(const char *name)
{
    return !strncmp(name, "user.", 5) && name[5] && strlen(name) <= NAME_MAX;
}

static int make(const char *name, size_t size, P9Xattr **x)
{
    P9Xattr *made = calloc(1, sizeof(*made) + size);

    if (!made) {
        return ENOMEM;
    }
    strcpy(made->name, name);
    made->size = size;
    *x = made;
    return 0;
}

/* Leaves of a list of names those that are for guests. */
static size_t filter(uint8_t *list, size_t size)
{
    size_t kept = 0;

    for (size_t at = 0; at < size;) {
        size_t n = strlen((char *)list + at) + 1;

        if (is_for_guests((char *)list + at)) {
            memmove(list + kept, list + at, n);
            kept += n;
        }
        at += n;
    }
    return kept;
}

int p9_xattr_read(int fd, const char *name, P9Xattr **x)
{
    P9Xattr *made;
    ssize_t n;
    int error;

    if (*name && !is_for_guests(name)) {
        return EOPNOTSUPP;
    }
    error = make(name, P9_XATTR_MAX, &made);
    if (error) {
        return error;
    }
    n = *name ? fgetxattr(fd, name, made->data, P9_XATTR_MAX)
              : flistxattr(fd, (char *)made->data, P9_XATTR_MAX);
    if (n < 0) {
        error = errno;
        free(made);
        return error;
    }
    made->have = *name ? (size_t)n : filter(made->data, (size_t)n);
    *x = realloc(made, sizeof(*made) + made->have);
    return 0;
}

int p9_xattr_write(const char *name, uint64_t size, uint32_t flags, P9Xattr **x)
{
    int error;

    if (!is_for_guests(name)) {
        return EOPNOTSUPP;
    }
    if (size > P9_XATTR_MAX) {
        return E2BIG;
    }
    error = make(name, (size_t)size, x);
    if (!error) {
        (*x)->write = true;
        (*x)->flags = (int)(flags & (XATTR_CREATE | XATTR_REPLACE));
    }
    return error;
}

int p9_xattr_add(P9Xattr *x, uint64_t offset, const void *data, size_t size)
{
    if (!x->write) {
        return EBADF;
    }
    if (offset != x->have || size > x->size - x->have) {
        return EINVAL;
    }
    memcpy(x->data + x->have, data, size);
    x->have += size;
    return 0;
}

int p9_xattr_apply(const P9Xattr *x, int fd)
{
    int result;

    if (!x->write) {
        return 0;
    }
    if (x->have < x->size) {
        return EINVAL;
    }
    result = x->size ? fsetxattr(fd, x->name, x->data, x->size, x->flags)
                     : fremovexattr(fd, x->name);
    return result < 0 ? errno : 0;
}

const uint8_t *p9_xattr_data(const P9Xattr *x, size_t *size)
{
    *size = x->have;
    return x->data;
}

void p9_xattr_free(P9Xattr *x)
{
    free(x);
}
