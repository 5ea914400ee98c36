/* SPDX-License-Identifier: Apache-2.0 */
#include "userland/convert.h"

#include <string.h>

GuestStat convert_stat(const struct stat *host)
{
    return (GuestStat){
        .dev = host->st_dev,
        .ino = host->st_ino,
        .mode = host->st_mode,
        .nlink = (uint32_t)host->st_nlink,
        .uid = host->st_uid,
        .gid = host->st_gid,
        .rdev = host->st_rdev,
        .size = host->st_size,
        .blksize = (int32_t)host->st_blksize,
        .blocks = host->st_blocks,
        .atime = host->st_atim.tv_sec,
        .atime_nsec = (uint64_t)host->st_atim.tv_nsec,
        .mtime = host->st_mtim.tv_sec,
        .mtime_nsec = (uint64_t)host->st_mtim.tv_nsec,
        .ctime = host->st_ctim.tv_sec,
        .ctime_nsec = (uint64_t)host->st_ctim.tv_nsec,
    };
}

GuestEpollEvent convert_epoll_to_guest(const struct epoll_event *host)
{
    return (GuestEpollEvent){ .events = host->events, .data = host->data.u64 };
}

struct epoll_event convert_epoll_to_host(const GuestEpollEvent *guest)
{
    return (struct epoll_event){ .events = guest->events, .data.u64 = guest->data };
}

GuestSemid convert_semid_to_guest(const HostSemid *host)
{
    GuestSemid guest = { .otime = host->otime, .ctime = host->ctime, .nsems = host->nsems };

    memcpy(guest.perm, host->perm, sizeof(guest.perm));
    return guest;
}

HostSemid convert_semid_to_host(const GuestSemid *guest)
{
    HostSemid host = { .otime = guest->otime, .ctime = guest->ctime, .nsems = guest->nsems };

    memcpy(host.perm, guest->perm, sizeof(host.perm));
    return host;
}
