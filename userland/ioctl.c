/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/ioctl.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/syscall.h>

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/blkpg.h>
#include <linux/cdrom.h>
#include <linux/fb.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/nbd.h>
#include <linux/nsfs.h>
#include <linux/pidfd.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/serial.h>
#include <linux/sockios.h>
#include <linux/timerfd.h>
#include <linux/vm_sockets.h>
#include <linux/vt.h>
#include <scsi/scsi.h>
#include <scsi/scsi_ioctl.h>
#include <scsi/sg.h>

#include "base/log.h"
#include "userland/syscall.h"

/* Of Linux 6.11, which the headers that we are built with may not know. */
#ifndef PIDFD_GET_CGROUP_NAMESPACE
#define PIDFD_GET_CGROUP_NAMESPACE _IO(0xff, 1)
#define PIDFD_GET_IPC_NAMESPACE _IO(0xff, 2)
#define PIDFD_GET_MNT_NAMESPACE _IO(0xff, 3)
#define PIDFD_GET_NET_NAMESPACE _IO(0xff, 4)
#define PIDFD_GET_PID_NAMESPACE _IO(0xff, 5)
#define PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE _IO(0xff, 6)
#define PIDFD_GET_TIME_NAMESPACE _IO(0xff, 7)
#define PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE _IO(0xff, 8)
#define PIDFD_GET_USER_NAMESPACE _IO(0xff, 9)
#define PIDFD_GET_UTS_NAMESPACE _IO(0xff, 10)
#endif

static const IoctlInfo infos[] = {
#define IOCTL(name, size) { #name, (uint32_t)(name), size },
#define IONUM(name) { #name, (uint32_t)(name), 0 },
#include "userland/ioctls.def"
};

const IoctlInfo *ioctl_find(uint32_t command)
{
    for (unsigned i = 0; i < sizeof(infos) / sizeof(infos[0]); i++) {
        if (infos[i].command == command) {
            return &infos[i];
        }
    }
    return NULL;
}

/* An interface list: the buffer that it points at is the guest's too. */
static int64_t get_ifconf(uint64_t fd, uint64_t gaddr)
{
    struct ifconf conf;
    int64_t r;

    if (!mem_read(&conf, gaddr, sizeof(conf))) {
        return -EFAULT;
    }
    conf.ifc_buf = mem_host(mem_guest(conf.ifc_buf), conf.ifc_len > 0 ? (unsigned)conf.ifc_len : 0);
    r = HOST_CALL3(SYS_ioctl, fd, SIOCGIFCONF, &conf);
    return r >= 0 && !mem_write_u32(gaddr, (uint32_t)conf.ifc_len) ? -EFAULT : r;
}

static int64_t unknown(Task *t, uint32_t command)
{
    static uint32_t site;

    log_limited(LOG_unimp, &site, "unknown ioctl 0x%" PRIx32 " at pc 0x%" PRIx64 "\n", command,
                t->syscall_pc);
    return -ENOTTY;
}

int64_t sys_ioctl(Task *t, const uint64_t *a)
{
    uint32_t command = (uint32_t)a[1];
    const IoctlInfo *info = ioctl_find(command);
    uint32_t size = info ? info->size : _IOC_SIZE(command);

    if (!info && (_IOC_DIR(command) == _IOC_NONE || size == 0)) {
        return unknown(t, command);
    }
    if (command == SIOCGIFCONF) {
        return get_ifconf(a[0], a[2]);
    }
    return syscall_wait(
        t, true, SYS_ioctl,
        (uint64_t[SYSCALL_ARGS]){ a[0], command,
                                  size ? (uint64_t)(uintptr_t)mem_host(a[2], size) : a[2] });
}
