/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says about the process and about itself; scheduling, credentials, limits. */
#include "show.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/kcmp.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

static void the_system(void)
{
    struct utsname u;
    struct sysinfo info;
    char bytes[16] = "";
    unsigned cpu = 99999, node;

    SHOW(uname(&u));
    printf("%s %s %s\n", u.sysname, u.nodename, u.release);
    SHOW(uname(WILD));
    SHOW(sysinfo(&info));
    HOLDS(info.totalram > info.freeram && info.mem_unit == 1 && info.procs > 0);
    SHOW(getrandom(bytes, sizeof(bytes), GRND_NONBLOCK));
    SHOW(getrandom(WILD, 4, 0));
    SHOW(getrandom(bytes, 4, 0x99));
    SHOW(syscall(SYS_getcpu, &cpu, &node, NULL));
    HOLDS(cpu < 4096);
    HOLDS(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) >= 0);
    SHOW(sethostname(WILD, 3));
    SHOW(personality(0xffffffff) & 0xff);
    SHOW(getpagesize());
}

static void scheduling(void)
{
    struct sched_param param = { 0 };
    cpu_set_t set, old;
    struct timespec ts;

    SHOW(sched_getaffinity(0, sizeof(old), &old));
    HOLDS(CPU_COUNT(&old) >= 1);
    CPU_ZERO(&set);
    SHOW(sched_setaffinity(0, sizeof(set), &set));
    SHOW(sched_setaffinity(0, sizeof(old), &old));
    SHOW(syscall(SYS_sched_getaffinity, 0, 1, &set));
    SHOW(syscall(SYS_sched_getaffinity, 0, sizeof(set), WILD));
    SHOW(sched_getscheduler(0));
    SHOW(sched_getparam(0, &param));
    printf("%d\n", param.sched_priority);
    SHOW(sched_setscheduler(0, SCHED_BATCH, &param));
    SHOW(sched_getscheduler(0));
    SHOW(sched_setscheduler(0, 99, &param));
    SHOW(sched_setscheduler(0, SCHED_OTHER, WILD));
    SHOW(sched_get_priority_max(SCHED_FIFO));
    SHOW(sched_get_priority_min(SCHED_RR));
    SHOW(sched_rr_get_interval(0, &ts));
    SHOW(sched_yield());
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(setpriority(PRIO_PROCESS, 0, 3));
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(syscall(SYS_ioprio_get, 1, 0));
}

static void credentials(void)
{
    uid_t r, e, s;
    gid_t groups[64];
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];

    SHOW(getuid());
    SHOW(geteuid());
    SHOW(getgid());
    SHOW(getegid());
    SHOW(getresuid(&r, &e, &s));
    printf("%d %d %d\n", r, e, s);
    SHOW(getresgid(&r, &e, &s));
    SHOW(getresuid(WILD, &e, &s));
    SHOW(getgroups(64, groups));
    SHOW(getgroups(-1, groups));
    SHOW(setfsuid(-1));
    SHOW(syscall(SYS_setfsgid, -1));
    SHOW(setresuid(-1, -1, -1));
    SHOW(setreuid(-1, -1));
    SHOW(syscall(SYS_capget, &head, data));
    printf("%x %x\n", data[0].effective, data[1].permitted);
    head.version = 5;
    SHOW(syscall(SYS_capget, &head, data));
    printf("%x\n", head.version);
    SHOW(syscall(SYS_capget, WILD, data));
    SHOW(getsid(0) == getsid(getpid()));
    SHOW(getpgid(0) == getpgrp());
    SHOW(setpgid(1 << 29, 1));
    SHOW(getpgid(1 << 29));
}

static void limits(void)
{
    struct rlimit l = { 0 }, old;

    for (int i = 0; i < 18; i++) {
        SHOW(getrlimit(i, &l));
    }
    SHOW(getrlimit(RLIMIT_NOFILE, &old));
    l = old;
    l.rlim_cur = 100;
    SHOW(setrlimit(RLIMIT_NOFILE, &l));
    SHOW(fcntl(0, F_DUPFD, 100));
    SHOW(prlimit(0, RLIMIT_NOFILE, &old, &l));
    printf("%ld\n", (long)l.rlim_cur);
    l = (struct rlimit){ 10, 5 };
    SHOW(setrlimit(RLIMIT_CORE, &l));
    SHOW(prlimit(0, RLIMIT_CORE, WILD, NULL));
    SHOW(prlimit(0, RLIMIT_CORE, NULL, WILD));
    SHOW(prlimit(1 << 29, RLIMIT_CORE, NULL, &l));
}

static void controls(void)
{
    char name[17] = "";
    int v = 0;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    SHOW(prctl(PR_SET_NAME, "a-name-that-is-long"));
    SHOW(prctl(PR_GET_NAME, name));
    printf("%s\n", name);
    SHOW(prctl(PR_SET_NAME, WILD));
    SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    SHOW(prctl(PR_GET_PDEATHSIG, &v));
    printf("%d\n", v);
    SHOW(prctl(PR_SET_PDEATHSIG, 0));
    SHOW(prctl(PR_GET_PDEATHSIG, WILD));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
    SHOW(prctl(PR_GET_CHILD_SUBREAPER, &v));
    printf("%d\n", v);
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_GET_TIMERSLACK));
    SHOW(prctl(PR_GET_KEEPCAPS));
    SHOW(prctl(PR_CAPBSET_READ, 0));
    SHOW(prctl(PR_GET_SECCOMP));
    SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    SHOW(prctl(0x7777));
    WORKS(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, NULL));
    SHOW(prctl(PR_SET_VMA, 7, page, 4096, "name"));
    SHOW(munmap(page, 4096));
}

static void other_processes(void)
{
    int p[2], fd, status;
    char secret[16] = "not read yet", copy[16] = "";
    struct iovec local = { copy, 8 }, remote = { secret, 8 };
    struct pollfd ready;
    siginfo_t info;
    pid_t child;

    pipe(p);
    child = fork();
    if (child == 0) {
        char c;

        strcpy(secret, "from child");
        close(p[1]);
        read(p[0], &c, 1);
        _exit(33);
    }
    close(p[0]);
    WORKS(fd = syscall(SYS_pidfd_open, child, 0));
    SHOW(syscall(SYS_pidfd_open, -5, 0));
    ready = (struct pollfd){ fd, POLLIN, 0 };
    SHOW(poll(&ready, 1, 0));
    SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
    printf("%s\n", copy);
    SHOW(process_vm_writev(getpid(), &remote, 1, &local, 1, 0));
    remote.iov_base = WILD;
    SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
    local.iov_base = WILD;
    remote.iov_base = secret;
    SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
    SHOW(process_vm_readv(getpid(), WILD, 1, &remote, 1, 0));
    SHOW(process_vm_readv(getpid(), &local, 1, WILD, 1, 0));
    WORKS(syscall(SYS_kcmp, getpid(), child, KCMP_FILE, 0, 0));
    SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    SHOW(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG));
    printf("%d\n", info.si_pid);
    close(p[1]);
    SHOW(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
    printf("%d %d %d %d\n", info.si_signo, info.si_code, info.si_status, info.si_pid == child);
    SHOW(poll(&ready, 1, 0));
    SHOW(wait4(child, &status, __WALL, NULL) == child);
    printf("%d\n", WEXITSTATUS(status));
    SHOW(wait4(-1, &status, 0, NULL));
    SHOW(waitid(P_ALL, 0, &info, WEXITED));
    SHOW(wait4(-1, &status, 0xf000, NULL));
    close(fd);
    child = fork();
    if (child == 0) {
        raise(SIGKILL);
    }
    SHOW(wait4(child, &status, 0, NULL) == child);
    printf("%d\n", WTERMSIG(status));
}

static void keys(void)
{
    char buf[64] = "";
    long key = syscall(SYS_add_key, "user", "ketch:test", "payload", 7,
                       KEY_SPEC_PROCESS_KEYRING);

    WORKS(key);
    if (key == -1) {
        return;
    }
    SHOW(syscall(SYS_keyctl, KEYCTL_READ, key, buf, sizeof(buf), 0));
    printf("%s\n", buf);
    SHOW(syscall(SYS_keyctl, KEYCTL_READ, key, WILD, 7, 0));
    SHOW(syscall(SYS_keyctl, KEYCTL_UPDATE, key, "other", 5, 0));
    SHOW(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_PROCESS_KEYRING, "user", "ketch:test", 0) == key);
    SHOW(syscall(SYS_keyctl, KEYCTL_REVOKE, key));
    SHOW(syscall(SYS_keyctl, KEYCTL_READ, key, buf, sizeof(buf), 0));
}

int main(void)
{
    the_system();
    scheduling();
    credentials();
    limits();
    controls();
    other_processes();
    keys();
    return 0;
}
