/* SPDX-License-Identifier: Apache-2.0 */
/* userland/ipc_calls.c - System V message queues, semaphores and shared memory. */
#include <errno.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "userland/convert.h"
#include "userland/syscall.h"

enum { IPC_64_BIT = 0x100 }; /* older interfaces mark the command; it means nothing here */

static uint64_t host_address(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static uint32_t command(uint64_t given)
{
    return (uint32_t)given & ~(uint32_t)IPC_64_BIT;
}

/* msgctl and shmctl hand over a struct of the same layout. */
int64_t sys_msgctl(Task *t, const uint64_t *a)
{
    (void)t;
    return HOST_CALL3(SYS_msgctl, a[0], command(a[1]), mem_host(a[2], sizeof(struct msqid_ds)));
}

int64_t sys_shmctl(Task *t, const uint64_t *a)
{
    (void)t;
    return HOST_CALL3(SYS_shmctl, a[0], command(a[1]), mem_host(a[2], sizeof(struct shmid_ds)));
}

/* The text follows a long that is the message's type. */
static uint64_t message_host(uint64_t gaddr, uint64_t size)
{
    return host_address((int64_t)size < 0 ? mem_host(gaddr, 8) : mem_host(gaddr, size + 8));
}

int64_t sys_msgsnd(Task *t, const uint64_t *a)
{
    return syscall_wait(
        t, false, SYS_msgsnd,
        (uint64_t[SYSCALL_ARGS]){ a[0], message_host(a[1], a[2]), a[2], a[3] });
}

int64_t sys_msgrcv(Task *t, const uint64_t *a)
{
    return syscall_wait(
        t, false, SYS_msgrcv,
        (uint64_t[SYSCALL_ARGS]){ a[0], message_host(a[1], a[2]), a[2], a[3], a[4] });
}

static int64_t sem_status(const uint64_t *a, uint32_t cmd)
{
    HostSemid host;
    GuestSemid guest;
    int64_t r = HOST_CALL4(SYS_semctl, a[0], a[1], cmd, &host);

    if (r < 0) {
        return r;
    }
    guest = convert_semid_to_guest(&host);
    return mem_write(a[3], &guest, sizeof(guest)) ? r : -EFAULT;
}

static int64_t sem_change(const uint64_t *a)
{
    GuestSemid guest;
    HostSemid host;

    if (!mem_read(&guest, a[3], sizeof(guest))) {
        return -EFAULT;
    }
    host = convert_semid_to_host(&guest);
    return HOST_CALL4(SYS_semctl, a[0], a[1], IPC_SET, &host);
}

int64_t sys_semctl(Task *t, const uint64_t *a)
{
    uint32_t cmd = command(a[2]);

    (void)t;
    switch (cmd) {
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
        return sem_status(a, cmd);
    case IPC_SET:
        return sem_change(a);
    case IPC_INFO:
    case SEM_INFO:
        return HOST_CALL4(SYS_semctl, a[0], a[1], cmd, mem_host(a[3], sizeof(struct seminfo)));
    case GETALL:
    case SETALL:
        return HOST_CALL4(SYS_semctl, a[0], a[1], cmd, mem_host(a[3], 2));
    default:
        return HOST_CALL4(SYS_semctl, a[0], a[1], cmd, a[3]);
    }
}
