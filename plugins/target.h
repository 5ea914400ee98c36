/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/target.h - what plugins ask of whoever runs guest code.
 *
 * The plugin interface asks through this and knows nothing else of what it observes.  User mode
 * implements it once, whole machines once.  What happens goes the other way: plugins/plugins.h.
 *
 * Threading:  everything by any thread, read(), write() and those of machines in the thread of `vcpu`.
 */
#ifndef KETCH_PLUGINS_TARGET_H
#define KETCH_PLUGINS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontends/frontend.h"
#include "ir/vcpu.h"

/* A file of the guest and a function of it.  Strings live as long as the process. */
typedef struct PluginPlace {
    const char *file;      /* host path, or "[vdso]" and the like */
    uint64_t bias;         /* address in memory = address in the file + bias */
    const char *symbol;    /* of the function around the address; NULL: unknown */
    uint64_t start, size;  /* of the function, in memory */
} PluginPlace;

/* What a machine has at an address. */
typedef struct PluginPhysical {
    uint64_t paddr;
    const char *device; /* NULL: memory.  Lives as long as the machine */
} PluginPhysical;

/* The program that the guest is, or was started with; all zero before it is loaded. */
typedef struct PluginProgram {
    const char *path;
    uint64_t code_start, code_end, entry;
} PluginProgram;

typedef struct PluginTarget {
    const Frontend *guest;
    unsigned n_vcpus; /* of a machine, which has them all from the start; 0: user mode */

    /* The vcpu that this thread runs; NULL when none. */
    Vcpu *(*self)(void);

    /* Guest memory as `vcpu` sees it now, NULL in a thread that runs none.  False: not all of it is there,
     * or writable; nothing was done. */
    bool (*read)(Vcpu *vcpu, uint64_t vaddr, void *to, size_t size);
    bool (*write)(Vcpu *vcpu, uint64_t vaddr, const void *from, size_t size);

    /* What is at vaddr; false, and *place as it was, when nothing is known of it. */
    bool (*place)(uint64_t vaddr, PluginPlace *place);
    void (*program)(PluginProgram *program);

    /* User mode, else NULL: the name of a system call (NULL: has none); the calls that the vcpu is in, from
     * the inside out, as userland/unwind.h has it. */
    const char *(*syscall_name)(int64_t number);
    size_t (*unwind)(const Vcpu *vcpu, uint64_t *pc, size_t max);

    /* Machines, else NULL: where `vcpu` finds vaddr; RAM and ROM at physical addresses.  False: there is no
     * such memory, and nothing was done. */
    bool (*translate)(Vcpu *vcpu, uint64_t vaddr, bool write, PluginPhysical *out);
    bool (*read_physical)(uint64_t paddr, void *to, size_t size);
    bool (*write_physical)(uint64_t paddr, const void *from, size_t size);
} PluginTarget;

#endif
