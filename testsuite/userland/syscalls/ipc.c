/* SPDX-License-Identifier: Apache-2.0 */
/* System V IPC, POSIX message queues, asynchronous I/O. */
#include "show.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>

struct message {
    long type;
    char text[32];
};

static void messages(void)
{
    int q = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    struct message m = { 3, "third" };
    struct msqid_ds ds;

    SHOW(msgsnd(q, &m, 6, 0));
    m = (struct message){ 1, "first" };
    SHOW(msgsnd(q, &m, 6, 0));
    SHOW(msgctl(q, IPC_STAT, &ds));
    printf("%o %ld %ld\n", ds.msg_perm.mode, (long)ds.msg_qnum, (long)ds.__msg_cbytes);
    HOLDS(ds.msg_lspid == getpid() && ds.msg_perm.cuid == getuid());
    ds.msg_perm.mode = 0640;
    SHOW(msgctl(q, IPC_SET, &ds));
    SHOW(msgctl(q, IPC_STAT, &ds));
    printf("%o\n", ds.msg_perm.mode);
    SHOW(msgrcv(q, &m, 2, 1, 0));
    SHOW(msgrcv(q, &m, sizeof(m.text), 1, 0));
    printf("%ld %s\n", m.type, m.text);
    SHOW(msgrcv(q, &m, sizeof(m.text), 7, IPC_NOWAIT));
    SHOW(msgrcv(q, &m, sizeof(m.text), 0, 0));
    printf("%ld %s\n", m.type, m.text);
    SHOW(msgrcv(q, WILD, 8, 0, IPC_NOWAIT));
    SHOW(msgsnd(q, WILD, 8, 0));
    SHOW(msgsnd(q, &m, -1, 0));
    SHOW(msgctl(q, IPC_STAT, WILD));
    SHOW(msgctl(q, 999, &ds));
    SHOW(msgctl(q, IPC_RMID, NULL));
    SHOW(msgctl(q, IPC_STAT, &ds));
}

static void semaphores(void)
{
    int s = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    unsigned short all[3] = { 4, 5, 6 };
    struct sembuf down[2] = { { 0, -1, 0 }, { 2, 1, SEM_UNDO } };
    struct sembuf more = { 0, -9, IPC_NOWAIT };
    struct timespec ts = { 0, 1000000 };
    struct semid_ds ds;
    struct seminfo info;

    SHOW(semctl(s, 0, SETALL, all));
    SHOW(semop(s, down, 2));
    SHOW(semctl(s, 0, GETVAL));
    SHOW(semctl(s, 1, SETVAL, 77));
    SHOW(semctl(s, 0, GETALL, all));
    printf("%d %d %d\n", all[0], all[1], all[2]);
    SHOW(semop(s, &more, 1));
    more.sem_flg = 0;
    SHOW(semtimedop(s, &more, 1, &ts));
    SHOW(semctl(s, 0, IPC_STAT, &ds));
    printf("%o %ld\n", ds.sem_perm.mode, (long)ds.sem_nsems);
    HOLDS(ds.sem_otime > 1000000000 && ds.sem_ctime > 1000000000);
    ds.sem_perm.mode = 0644;
    SHOW(semctl(s, 0, IPC_SET, &ds));
    SHOW(semctl(s, 0, IPC_STAT, &ds));
    printf("%o\n", ds.sem_perm.mode);
    HOLDS(semctl(s, 0, GETPID) == getpid());
    SHOW(semctl(s, 0, GETNCNT));
    WORKS(semctl(0, 0, IPC_INFO, &info));
    HOLDS(info.semmsl > 0);
    SHOW(semctl(s, 0, IPC_STAT, WILD));
    SHOW(semctl(s, 0, GETALL, WILD));
    SHOW(semop(s, WILD, 1));
    SHOW(semctl(s, 0, IPC_RMID));
    SHOW(semop(s, &more, 1));
}

static void shared_memory(void)
{
    int m = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600), status;
    volatile int *at = shmat(m, NULL, 0);
    struct shmid_ds ds;
    pid_t child;

    HOLDS(at != (void *)-1);
    at[100] = 5;
    SHOW(shmctl(m, IPC_STAT, &ds));
    printf("%o %ld %ld\n", ds.shm_perm.mode, (long)ds.shm_segsz, (long)ds.shm_nattch);
    child = fork();
    if (child == 0) {
        at[100]++;
        _exit(0);
    }
    waitpid(child, &status, 0);
    printf("%d\n", at[100]);
    SHOW(shmdt((void *)at));
    SHOW(shmdt((void *)at));
    SHOW(shmctl(m, IPC_RMID, NULL));
    WORKS(shmat(m, NULL, 0));
    SHOW(shmctl(m, IPC_STAT, WILD));
}

static void queues(void)
{
    struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 32 };
    char name[32];
    mqd_t q;
    struct timespec past = { 1, 0 };
    char buf[32];
    unsigned prio;
    struct sigevent none = { .sigev_notify = SIGEV_NONE };

    snprintf(name, sizeof(name), "/ketch-test-%d", getpid());
    q = mq_open(name, O_CREAT | O_RDWR | O_EXCL, 0600, &attr);
    if (q == (mqd_t)-1) {
        printf("no message queues: %s\n", strerrorname_np(errno));
        return;
    }
    SHOW(mq_send(q, "low", 3, 1));
    SHOW(mq_send(q, "high", 4, 9));
    SHOW(mq_receive(q, buf, sizeof(buf), &prio));
    printf("%.4s %u\n", buf, prio);
    SHOW(mq_receive(q, buf, 3, &prio));
    SHOW(mq_receive(q, buf, sizeof(buf), &prio));
    SHOW(mq_timedreceive(q, buf, sizeof(buf), &prio, &past));
    SHOW(mq_getattr(q, &attr));
    printf("%ld %ld %ld\n", (long)attr.mq_maxmsg, (long)attr.mq_msgsize, (long)attr.mq_curmsgs);
    SHOW(mq_notify(q, &none));
    SHOW(mq_notify(q, NULL));
    SHOW(mq_close(q));
    SHOW(mq_unlink(name));
    SHOW(mq_unlink(name));
}

/* Submits one request and shows what became of it. */
static void aio_one(aio_context_t context, struct iocb *request)
{
    struct io_event event = { 0 };
    struct timespec ts = { 500, 0 };
    long r;

    SHOW(r = syscall(SYS_io_submit, context, 1, &request));
    if (r == 1) {
        SHOW(syscall(SYS_io_getevents, context, 1, 1, &event, &ts));
        printf("%d\n", (int)event.res);
    }
}

/* Requests whose buffer is a list of buffers, or means nothing. */
static void aio_kinds(aio_context_t context, int fd)
{
    char text[] = "vectors";
    struct iovec parts[2] = { { text, 3 }, { text + 3, 4 } };
    struct iocb request = { .aio_fildes = (unsigned)fd, .aio_lio_opcode = IOCB_CMD_PWRITEV,
                            .aio_buf = (uintptr_t)parts, .aio_nbytes = 2 };

    aio_one(context, &request);
    request.aio_nbytes = 1 << 20;
    aio_one(context, &request);
    request.aio_nbytes = 2;
    parts[1].iov_base = WILD;
    aio_one(context, &request);
    request = (struct iocb){ .aio_fildes = (unsigned)fd, .aio_lio_opcode = IOCB_CMD_FSYNC };
    aio_one(context, &request);
    request.aio_buf = (uintptr_t)WILD;
    aio_one(context, &request);
    request.aio_lio_opcode = 99;
    aio_one(context, &request);
}

static void aio(void)
{
    aio_context_t context = 0;
    struct iocb write_one = { 0 }, bad = { 0 }, *list[2] = { &write_one, WILD };
    struct io_event event;
    struct timespec ts = { 500, 0 };
    int fd;

    own_directory();
    fd = open("aio", O_RDWR | O_CREAT, 0600);
    SHOW(syscall(SYS_io_setup, 8, &context));
    write_one.aio_lio_opcode = IOCB_CMD_PWRITE;
    write_one.aio_fildes = (unsigned)fd;
    write_one.aio_buf = (uintptr_t) "asynchronous";
    write_one.aio_nbytes = 12;
    write_one.aio_data = 99;
    SHOW(syscall(SYS_io_submit, context, 2, list));
    SHOW(syscall(SYS_io_getevents, context, 1, 1, &event, &ts));
    printf("%d %d\n", (int)event.data, (int)event.res);
    SHOW(lseek(fd, 0, SEEK_END));
    aio_kinds(context, fd);
    list[0] = &bad;
    SHOW(syscall(SYS_io_submit, context, 0, list));
    SHOW(syscall(SYS_io_submit, context, 1, WILD));
    SHOW(syscall(SYS_io_cancel, context, &bad, &event));
    SHOW(syscall(SYS_io_destroy, context));
    SHOW(syscall(SYS_io_destroy, context));
    close(fd);
    unlink("aio");
    leave_directory();
}

int main(void)
{
    messages();
    semaphores();
    shared_memory();
    queues();
    aio();
    return 0;
}
