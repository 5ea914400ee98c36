/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl: terminals, descriptors, interfaces, file flags. */
#include "show.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int ioctl(int fd, unsigned long request, ...);

struct size {
    unsigned short rows, columns, x, y;
};

static void terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave, v = 77;
    struct termios t;
    struct termios2 t2;
    struct size size = { 24, 80, 0, 0 }, back = { 0 };
    char buf[32] = "";
    pid_t child;

    SHOW(grantpt(master));
    SHOW(unlockpt(master));
    WORKS(slave = open(ptsname(master), O_RDWR | O_NOCTTY));
    SHOW(isatty(slave));
    SHOW(ioctl(slave, TCGETS, &t));
    printf("%x %x %x %x\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
    t.c_lflag &= ~(ICANON | ECHO);
    SHOW(ioctl(slave, TCSETSW, &t));
    SHOW(ioctl(slave, TCGETS2, &t2));
    printf("%x %d %d\n", t2.c_lflag, t2.c_ispeed, t2.c_ospeed);
    SHOW(ioctl(slave, TCSETS2, &t2));
    SHOW(ioctl(slave, TIOCSWINSZ, &size));
    SHOW(ioctl(master, TIOCGWINSZ, &back));
    printf("%d %d\n", back.rows, back.columns);
    SHOW(write(master, "keys", 4));
    SHOW(poll(&(struct pollfd){ slave, POLLIN, 0 }, 1, 500000));
    SHOW(ioctl(slave, FIONREAD, &v));
    printf("%d\n", v);
    SHOW(read(slave, buf, sizeof(buf)));
    SHOW(ioctl(slave, TIOCOUTQ, &v));
    SHOW(ioctl(slave, TCFLSH, 2));
    SHOW(ioctl(slave, TCSBRK, 1));
    SHOW(ioctl(slave, TIOCGPGRP, &v));
    SHOW(ioctl(slave, TIOCGSID, &v));
    SHOW(ioctl(slave, TIOCEXCL));
    SHOW(ioctl(slave, TIOCNXCL));
    SHOW(ioctl(slave, TIOCMGET, &v));
    SHOW(ioctl(slave, TCGETS, WILD));
    SHOW(ioctl(slave, TIOCGWINSZ, WILD));
    child = fork();
    if (child == 0) {
        setsid();
        SHOW(ioctl(slave, TIOCSCTTY, 0));
        SHOW(ioctl(slave, TIOCGSID, &v));
        HOLDS(v == getpid());
        SHOW(ioctl(slave, TIOCGPGRP, &v));
        HOLDS(v == getpid());
        SHOW(ioctl(slave, TIOCNOTTY));
        _exit(0);
    }
    waitpid(child, &v, 0);
    printf("%d\n", v);
    close(slave);
    close(master);
}

static void descriptors(void)
{
    int p[2], on = 1, v = 0;

    pipe(p);
    SHOW(ioctl(p[0], FIONBIO, &on));
    SHOW(fcntl(p[0], F_GETFL));
    SHOW(ioctl(p[0], FIOCLEX));
    SHOW(fcntl(p[0], F_GETFD));
    SHOW(ioctl(p[0], FIONCLEX));
    SHOW(fcntl(p[0], F_GETFD));
    SHOW(write(p[1], "abc", 3));
    SHOW(ioctl(p[0], FIONREAD, &v));
    printf("%d\n", v);
    SHOW(ioctl(p[0], TCGETS, &v));
    SHOW(ioctl(p[0], 0x12345678, &v));
    SHOW(ioctl(p[0], 0x1111, &v));
    SHOW(ioctl(999, FIONREAD, &v));
    SHOW(ioctl(p[0], FIONREAD, WILD));
    close(p[0]);
    close(p[1]);
}

static void interfaces(void)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0), v;
    struct ifreq all[16], r = { .ifr_name = "lo" };
    struct ifconf conf = { sizeof(all), { .ifcu_req = all } };

    SHOW(ioctl(s, SIOCGIFFLAGS, &r));
    printf("%x\n", (unsigned short)r.ifr_flags);
    SHOW(ioctl(s, SIOCGIFINDEX, &r));
    printf("%d\n", r.ifr_ifindex);
    SHOW(ioctl(s, SIOCGIFNAME, &r));
    printf("%s\n", r.ifr_name);
    SHOW(ioctl(s, SIOCGIFMTU, &r));
    printf("%d\n", r.ifr_mtu);
    SHOW(ioctl(s, SIOCGIFADDR, &r));
    SHOW(ioctl(s, SIOCGIFCONF, &conf));
    HOLDS(conf.ifc_len % sizeof(r) == 0 && conf.ifc_len > 0);
    printf("%s\n", all[0].ifr_name);
    conf.ifc_len = sizeof(all);
    conf.ifc_req = WILD;
    SHOW(ioctl(s, SIOCGIFCONF, &conf));
    SHOW(ioctl(s, SIOCGIFCONF, WILD));
    strcpy(r.ifr_name, "none0");
    SHOW(ioctl(s, SIOCGIFFLAGS, &r));
    SHOW(ioctl(s, FIONREAD, &v));
    SHOW(ioctl(s, SIOCATMARK, &v));
    close(s);
    s = open("/dev/vsock", O_RDONLY);
    SHOW(ioctl(s, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &v));
    SHOW(ioctl(s, IOCTL_VM_SOCKETS_GET_LOCAL_CID, WILD));
    close(s);
}

static void files(void)
{
    int fd, v = -1;
    long flags = 0, size;

    own_directory();
    fd = open("file", O_RDWR | O_CREAT, 0600);
    SHOW(ioctl(fd, FS_IOC_GETFLAGS, &flags));
    SHOW(ioctl(fd, FIGETBSZ, &v));
    printf("%d\n", v);
    SHOW(ioctl(fd, BLKGETSIZE64, &size));
    SHOW(ioctl(fd, FICLONE, 999));
    SHOW(ioctl(fd, FIOQSIZE, &size));
    close(fd);
    unlink("file");
    leave_directory();
    fd = open("/dev/urandom", O_RDONLY);
    SHOW(ioctl(fd, RNDGETENTCNT, &v));
    HOLDS(v >= 0);
    close(fd);
}

/* Descriptors of a process's namespaces, since Linux 6.11. */
static void namespaces(void)
{
    int fd = syscall(SYS_pidfd_open, getpid(), 0);

    for (int what = 1; what <= 10; what++) {
        int ns = ioctl(fd, _IO(0xff, what), 0);

        printf("%d: %d\n", what, ns >= 0 ? 0 : errno);
        close(ns);
    }
    close(fd);
}

int main(void)
{
    terminal();
    descriptors();
    interfaces();
    files();
    namespaces();
    return 0;
}
