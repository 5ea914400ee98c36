/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/proc.h - the system calls about memory, signals, threads and processes, and the hooks
 * that the file calls need.  Rows of the system call table point at the sys_* functions.
 */
#ifndef KETCH_USERLAND_PROC_H
#define KETCH_USERLAND_PROC_H

#include "userland/task.h"

/* CALL(name): a function sys_<name>, SyscallFn, for the Linux call of that name. */
#define PROC_CALLS(CALL)                                                                        \
    /* mem_calls.c */                                                                           \
    CALL(mmap) CALL(munmap) CALL(mprotect) CALL(mremap) CALL(madvise) CALL(mseal) CALL(mincore) CALL(msync) \
    CALL(mlock) CALL(mlock2) CALL(munlock) CALL(mlockall) CALL(munlockall) CALL(brk)            \
    CALL(shmat) CALL(shmdt) CALL(remap_file_pages) CALL(prlimit64) CALL(getrlimit)              \
    CALL(setrlimit) CALL(membarrier) CALL(riscv_flush_icache) CALL(riscv_hwprobe)               \
    /* signal_calls.c */                                                                        \
    CALL(rt_sigaction) CALL(rt_sigprocmask) CALL(rt_sigpending) CALL(rt_sigsuspend)             \
    CALL(rt_sigtimedwait) CALL(rt_sigqueueinfo) CALL(rt_tgsigqueueinfo) CALL(rt_sigreturn)      \
    CALL(sigaltstack) CALL(kill) CALL(tkill) CALL(tgkill) CALL(restart_syscall)                 \
    /* thread.c */                                                                              \
    CALL(clone) CALL(clone3) CALL(exit) CALL(exit_group) CALL(set_tid_address) CALL(gettid)     \
    CALL(futex) CALL(futex_waitv) CALL(set_robust_list) CALL(get_robust_list) CALL(rseq)        \
    CALL(wait4) CALL(waitid)                                                                    \
    /* exec.c */                                                                                \
    CALL(execve) CALL(execveat) CALL(chroot) CALL(pivot_root) CALL(umount2)

#define CALL(name) SyscallFn sys_##name;
PROC_CALLS(CALL)
#undef CALL

/* A host call that swaps the signal mask while it sleeps (ppoll, pselect6, epoll_pwait) was given
 * sig_host_mask(set).  After -EINTR with t->pending set, call sig_was_masked(t, set): the handler
 * then runs under `set` and the old mask comes back with it. */
uint64_t sig_host_mask(uint64_t guest_set);
void sig_was_masked(Task *t, uint64_t guest_set);

/* Opens `path` (absolute, as the guest sees it) when it is one of /proc/self/{exe,maps,cmdline,
 * auxv,stat,...} or /proc/<own pid>/... that must speak of the guest.  Returns true when it was
 * handled: *result is the file descriptor or -errno. */
bool proc_open(const char *path, int flags, int64_t *result);

/* The same for readlink: *result is the length in buf or -errno. */
bool proc_readlink(const char *path, char *buf, size_t size, int64_t *result);

/* Where a path of the guest is looked up: in the sysroot when it exists there (absolute paths
 * only), else as it is.  `buf` has PATH_MAX bytes; returns `path` or `buf`. */
const char *proc_path(const char *path, char *buf);

/* The same for a path whose last component is meant itself, when it is a symbolic link. */
const char *proc_path_link(const char *path, char *buf);

#endif
