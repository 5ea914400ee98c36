/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/convert.h - the few structs that Linux lays out differently on riscv64 (the asm-generic
 * layout) and on x86-64.  Everything else that crosses the system call boundary is the same.
 * Pure functions.
 */
#ifndef KETCH_USERLAND_CONVERT_H
#define KETCH_USERLAND_CONVERT_H

#include <assert.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/stat.h>

/* struct stat of asm-generic/stat.h */
typedef struct GuestStat {
    uint64_t dev, ino;
    uint32_t mode, nlink, uid, gid;
    uint64_t rdev, pad1;
    int64_t size;
    int32_t blksize, pad2;
    int64_t blocks;
    int64_t atime;
    uint64_t atime_nsec;
    int64_t mtime;
    uint64_t mtime_nsec;
    int64_t ctime;
    uint64_t ctime_nsec;
    uint32_t unused[2];
} GuestStat;

static_assert(sizeof(GuestStat) == 128, "struct stat of asm-generic");

/* struct epoll_event: packed on x86-64 only */
typedef struct GuestEpollEvent {
    uint32_t events, pad;
    uint64_t data;
} GuestEpollEvent;

/* struct semid64_ds of asm-generic/sembuf.h; x86-64 has a spare word after each time */
typedef struct GuestSemid {
    uint8_t perm[48]; /* ipc64_perm, the same */
    int64_t otime, ctime;
    uint64_t nsems, unused[2];
} GuestSemid;

typedef struct HostSemid {
    uint8_t perm[48];
    int64_t otime;
    uint64_t unused1;
    int64_t ctime;
    uint64_t unused2, nsems, unused3[2];
} HostSemid;

static_assert(sizeof(struct ipc_perm) == 48, "ipc64_perm of asm-generic");
static_assert(sizeof(HostSemid) == sizeof(struct semid_ds), "semid64_ds of x86-64");

/* Fields that only the other layout has are 0. */
GuestStat convert_stat(const struct stat *host);
GuestEpollEvent convert_epoll_to_guest(const struct epoll_event *host);
struct epoll_event convert_epoll_to_host(const GuestEpollEvent *guest);
GuestSemid convert_semid_to_guest(const HostSemid *host);
HostSemid convert_semid_to_host(const GuestSemid *guest);

#endif
