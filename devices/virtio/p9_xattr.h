/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/virtio/p9_xattr.h - an extended attribute on its way between a file and a 9P client, which
 * reads and writes it as if it were a file of its own.
 *
 * Only names of "user." exist for the client: what other names mean to the host is not for a guest.
 * Threading: one thread at a time.
 */
#ifndef KETCH_DEVICES_VIRTIO_P9_XATTR_H
#define KETCH_DEVICES_VIRTIO_P9_XATTR_H

#include <stddef.h>
#include <stdint.h>

/* Linux, XATTR_SIZE_MAX and XATTR_LIST_MAX. */
enum { P9_XATTR_MAX = 64 << 10 };

typedef struct P9Xattr P9Xattr;

/* All of these: 0 or an errno. */

/* The value of the attribute, or the list of names when `name` is empty.  `fd` is open. */
int p9_xattr_read(int fd, const char *name, P9Xattr **x);
/* One that is to be written and has `size` bytes then; 0: it is to be removed.  `flags` are
 * setxattr(2)'s. */
int p9_xattr_write(const char *name, uint64_t size, uint32_t flags, P9Xattr **x);
/* Adds bytes to one that is to be written; they come in order. */
int p9_xattr_add(P9Xattr *x, uint64_t offset, const void *data, size_t size);
/* Sets the attribute of the file when all of it was added; nothing when it was read. */
int p9_xattr_apply(const P9Xattr *x, int fd);

/* What there is of it. */
const uint8_t *p9_xattr_data(const P9Xattr *x, size_t *size);
void p9_xattr_free(P9Xattr *x); /* NULL is fine */

#endif
