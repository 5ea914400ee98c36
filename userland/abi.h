/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/abi.h - what differs between guest architectures, one constant UserAbi for each.
 *
 * The functions get a Task whose vcpu is complete (it runs C code).  Signal frames are laid out as
 * the guest's Linux does, to the byte: unwinders and handlers read them.
 */
#ifndef KETCH_USERLAND_ABI_H
#define KETCH_USERLAND_ABI_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "userland/task.h"

/* What a signal handler is called with. */
typedef struct SigCall {
    int sig;
    const siginfo_t *info;
    const SigAction *action;
    uint64_t saved_mask; /* goes into the frame, comes back with rt_sigreturn */
    uint64_t stack;      /* top of the stack to use */
} SigCall;

/* Of a core file: words of elf_gregset_t and elf_fpregset_t. */
enum { CORE_GREGS = 32, CORE_FPREGS = 33 };

struct UserAbi {
    const char *name;            /* "riscv64", also what uname says */
    const char *platform;        /* AT_PLATFORM; NULL when there is none */
    uint16_t elf_machine;
    uint32_t elf_flags;          /* of core files */
    uint64_t space;              /* size of the address space */
    uint64_t pie_base;           /* where position-independent programs go */
    unsigned syscall_size;       /* bytes of the system call instruction */
    bool clone_backwards;        /* clone(flags, sp, parent_tid, tls, child_tid) */
    bool sa_restorer;            /* struct sigaction has that field */
    uint8_t slot_sp, slot_link, slot_tls, slot_nr, slot_result;
    uint8_t slot_arg[6];
    int16_t tls_vector;          /* from the thread pointer: the address of glibc's dtv */
    uint64_t frame_size;         /* of a signal frame: AT_MINSIGSTKSZ */
    const char *const *sysroots; /* looked at when there is no -L; NULL at the end */
    const char *cpuinfo;         /* one processor's paragraph of /proc/cpuinfo: its number, twice, and what
                                    it can (FeCpuChoice.isa) */

    uint64_t (*hwcap)(void);

    /* Writes the vDSO, an ELF image of at most one page, that will lie at `addr`. */
    void (*vdso)(uint8_t page[4096], uint64_t addr);

    /* Pushes a frame and points the vcpu at the handler; false when the stack cannot be written. */
    bool (*push_frame)(Task *t, const SigCall *call);

    /* Takes it off again: registers, alternate stack; *mask is to be the signal mask. */
    bool (*pop_frame)(Task *t, uint64_t *mask);

    void (*core_gregs)(const Vcpu *vcpu, uint64_t regs[CORE_GREGS]);
    void (*core_fpregs)(const Vcpu *vcpu, uint64_t regs[CORE_FPREGS]);

    /* When *pc is the return trampoline of signal handlers and reg[slot_sp] its stack: sets both to
     * where the signal came, by DWARF number. */
    bool (*signal_caller)(uint64_t *pc, uint64_t *reg);

    /* The data address that the instruction at the vcpu's pc uses, where the host did not say. */
    bool (*data_address)(const Task *t, uint64_t *addr);
};

extern const UserAbi user_riscv64;

/* The guest's alternate signal stack as a stack_t for sp, and back. */
SigStack sig_altstack(const Task *t, uint64_t sp);
int64_t sig_set_altstack(Task *t, const SigStack *stack, uint64_t sp);

#endif
