/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SKIP-COMPARE
 * EXPECT-LOG: ketch: unknown system call \d+ at pc 0x[0-9a-f]+
 *
 * Every system call number with random arguments, each in a child that a timer ends: the child may
 * do itself any harm, the translator must neither crash nor hang.  Says which numbers the kernel
 * does not know, and nothing that depends on the random values.
 *
 *   sweep [SEED [ROUNDS]]
 */
#include "show.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { LAST = 470, CALLS = 24 };

/* Calls that reach out of the child: other processes, the file system's names, the machine. */
static const int left_out[] = {
    SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal, SYS_reboot, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
    SYS_move_mount, SYS_mount_setattr, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_open_tree, SYS_exit,
    SYS_exit_group, SYS_clone, SYS_clone3, SYS_vhangup, SYS_swapon, SYS_swapoff, SYS_sethostname,
    SYS_setdomainname, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex,
    SYS_syslog, SYS_acct, SYS_setns, SYS_unshare, SYS_quotactl, 443, SYS_setpriority,
    SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_setaffinity, SYS_sched_setattr,
    SYS_ioprio_set, SYS_prlimit64, SYS_process_vm_writev, SYS_migrate_pages, SYS_move_pages,
    SYS_process_madvise, 448, SYS_msgctl, SYS_semctl, SYS_shmctl, SYS_mq_unlink, SYS_keyctl,
    SYS_ptrace, SYS_unlinkat, SYS_renameat2, SYS_sync, SYS_fanotify_mark, SYS_fanotify_init,
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module,
    SYS_delete_module,
};

static uint64_t state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t argument(char *page)
{
    uint64_t r = next_random() >> 8;

    switch (r % 12) {
    case 0:
        return 0;
    case 1:
        return r >> 8 & 7;
    case 2:
        return -(r >> 8 & 7);
    case 3:
        return (uintptr_t)page;
    case 4:
        return (uintptr_t)page + 4096 - (r >> 8 & 31); /* runs into what is not there */
    case 5:
        return (uintptr_t)page + 8192; /* read only */
    case 6:
        return (uintptr_t)BAD;
    case 7:
        return 0x7fff00000000 + (r & 0xffffff000); /* where the translator itself lives */
    case 8:
        return UINT64_C(1) << (r >> 8 & 63);
    case 9:
        return r >> 8 & 0xffff;
    case 10:
        return next_random();
    default:
        return 4096;
    }
}

static int is_left_out(int nr)
{
    for (unsigned i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
        if (left_out[i] == nr) {
            return 1;
        }
    }
    return 0;
}

/* Descriptors of a small file of its own: what fchmod() or fallocate() do to it hurts nobody. */
static void own_descriptors(void)
{
    const struct rlimit size = { 1 << 20, 1 << 20 };
    int file = open(".", O_TMPFILE | O_RDWR, 0600);

    if (file < 0) {
        file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    }
    dup2(file, 0);
    dup2(file, 1);
    dup2(file, 3);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &size);
}

static void child(int nr, char *page)
{
    struct itimerval limit = { { 0, 20000 }, { 0, 200000 } };

    own_descriptors();
    setitimer(ITIMER_REAL, &limit, NULL);
    for (int i = 0; i < CALLS; i++) {
        for (int k = 0; k < 128; k++) {
            page[next_random() & 4095] = (char)next_random();
        }
        syscall(nr, argument(page), argument(page), argument(page), argument(page),
                argument(page), argument(page));
    }
    _exit(0);
}

static void one(int nr, char *page)
{
    int status;
    pid_t pid;

    if (is_left_out(nr)) {
        return;
    }
    next_random();
    pid = fork();
    if (pid == 0) {
        child(nr, page);
    }
    if (waitpid(pid, &status, 0) != pid) {
        printf("%d: no child\n", nr);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 1;
    char *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    state = argc > 1 ? strtoull(argv[1], NULL, 0) : 88172645463325252;
    mprotect(page + 8192, 4096, PROT_READ);
    munmap(page + 4096, 4096);
    own_directory();
    for (int round = 0; round < rounds; round++) {
        for (int nr = 0; nr < LAST; nr++) {
            one(nr, page);
        }
    }
    leave_directory();
    printf("done\n");
    return 0;
}
