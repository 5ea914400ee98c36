/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/show.h - arguments of system calls as text.
 *
 * A printer shows one value; those of pointers follow it with mem_read(), and show the bare
 * address when that fails.  Which printer belongs to which kind: syskinds.def, sysstructs.def.
 */
#ifndef KETCH_USERLAND_SHOW_H
#define KETCH_USERLAND_SHOW_H

#include <stddef.h>
#include <stdint.h>

enum { TEXT_SIZE = 4000 };

/* A line in the making; what does not fit is cut off. */
typedef struct Text {
    size_t length;
    char bytes[TEXT_SIZE];
} Text;

void text_add(Text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

typedef enum FlagSet {
    FS_none,
#define SET(name) FS_##name,
#include "userland/sysflagsets.def"
} FlagSet;

typedef enum StructId {
    ST_none,
#define STRUCT(name) ST_##name,
#define FIELD(...)
#include "userland/sysstructs.def"
} StructId;

typedef struct Shown {
    uint64_t value;
    uint64_t first;    /* the call's first argument */
    uint64_t previous; /* the one before this */
    uint64_t span;     /* bytes that a pointer covers */
    unsigned set;      /* FlagSet or StructId, by printer */
    int64_t result;    /* of the call; of an argument that is shown before it: INT64_MAX */
} Shown;

typedef void ShowFn(Text *text, const Shown *s);

ShowFn show_int, show_uint, show_long, show_ulong, show_hex, show_ptr, show_dirfd, show_octal,
    show_signal, show_ioctl, show_fcntl, show_flags, show_clone, show_handler, show_mask,
    show_limit, show_text, show_string, show_data, show_argv, show_cell_int, show_cell_long, show_fds,
    show_wstatus, show_sigset, show_cpuset, show_struct, show_struct2, show_structs, show_fdset,
    show_iovec, show_sockaddr, show_msghdr;

#endif
