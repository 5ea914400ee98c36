/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/linkmap.h - the shared objects that the guest's dynamic linker has loaded, from its own
 * list (struct r_debug of <link.h>), for debuggers.
 *
 * Everything there is the guest's word: it is read with checks, and at most LINKMAP_MAX long.
 */
#ifndef KETCH_USERLAND_LINKMAP_H
#define KETCH_USERLAND_LINKMAP_H

#include "ui/gdb/target.h"

enum { LINKMAP_MAX = 4096 };

/* Calls fn for each object, the program itself first.  Nothing for a static program, or before its
 * linker has made the list.  The guest stands still. */
void linkmap_each(void (*fn)(void *opaque, const GdbLibrary *library), void *opaque);

/* glibc's description, for debuggers, of where a link_map says which module it is for thread-local
 * variables. */
#define LINKMAP_TLS_SYMBOL "_thread_db_link_map_l_tls_modid"

/* GdbTarget.tls_address() of a thread whose thread pointer is `tp`, with glibc. */
bool linkmap_tls(uint64_t tp, const GdbTls *tls, uint64_t *addr);

#endif
