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

#endif
