/* SPDX-License-Identifier: Apache-2.0 */
/* writer DISK SEED: writes, zeroes and discards on the disk for ever, past the page cache, in batches.
 * Each is flushed, and "F N" said, before the next begins; a log on the disk says which one that is.
 * kills.py computes the same batches, and knows so what each sector may contain whenever the machine
 * is killed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in kills.py.  Each operation of a batch has a part of the disk to itself. */
enum {
    SECTOR = 512,
    BLOCK = 8 * SECTOR,
    MAX_BLOCKS = 24,
    PARTS = 16,
    PART_BLOCKS = 512,
    LOG_BLOCK = PARTS * PART_BLOCKS,
};
typedef enum Kind { WRITE, ZERO, DISCARD } Kind;

typedef struct Sector {
    uint64_t seed, batch, number, not_seed;
} Sector;

static uint64_t random_state;

/* splitmix64 */
static uint64_t next(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void fill(void *data, uint64_t seed, uint64_t batch, uint64_t block, unsigned blocks)
{
    Sector *s = data;

    for (unsigned i = 0; i < blocks * (BLOCK / SECTOR); i++) {
        for (unsigned k = 0; k < SECTOR / sizeof(*s); k++) {
            *s++ = (Sector){ seed, batch, block * (BLOCK / SECTOR) + i, ~seed };
        }
    }
}

static void run_batch(int fd, aio_context_t aio, uint8_t *data, uint64_t seed, uint64_t batch)
{
    struct iocb request[PARTS], *pointer[PARTS];
    struct io_event done[PARTS];
    unsigned ops = 1 + next() % PARTS, first = (unsigned)(next() % PARTS), writes = 0;

    for (unsigned i = 0; i < ops; i++) {
        uint64_t part = (first + i) % PARTS, kind = next() % 8;
        unsigned blocks = 1 + (unsigned)(next() % MAX_BLOCKS);
        uint64_t block = part * PART_BLOCKS + next() % (PART_BLOCKS - MAX_BLOCKS);
        uint64_t range[2] = { block * BLOCK, (uint64_t)blocks * BLOCK };

        if (kind == ZERO || kind == DISCARD) {
            must(ioctl(fd, kind == ZERO ? BLKZEROOUT : BLKDISCARD, range) == 0, "ioctl");
            continue;
        }
        fill(data + (size_t)i * MAX_BLOCKS * BLOCK, seed, batch, block, blocks);
        request[writes] = (struct iocb){
            .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (unsigned)fd,
            .aio_buf = (uintptr_t)(data + (size_t)i * MAX_BLOCKS * BLOCK),
            .aio_nbytes = range[1], .aio_offset = (long long)range[0],
        };
        pointer[writes] = &request[writes];
        writes++;
    }
    must(syscall(SYS_io_submit, aio, writes, pointer) == (long)writes, "io_submit");
    must(syscall(SYS_io_getevents, aio, writes, writes, done, NULL) == (long)writes, "io_getevents");
    for (unsigned i = 0; i < writes; i++) {
        must(done[i].res == (long long)((struct iocb *)(uintptr_t)done[i].obj)->aio_nbytes, "write");
    }
}

static void write_log(int fd, void *data, uint64_t seed, uint64_t batch)
{
    fill(data, seed, batch, LOG_BLOCK, 1);
    must(pwrite(fd, data, BLOCK, (off_t)LOG_BLOCK * BLOCK) == BLOCK, "log");
    must(fsync(fd) == 0, "fsync");
}

int main(int argc, char **argv)
{
    int fd = argc == 3 ? open(argv[1], O_RDWR | O_DIRECT) : -1;
    uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    aio_context_t aio = 0;
    void *data;

    must(fd >= 0, "writer DISK SEED");
    must(syscall(SYS_io_setup, PARTS, &aio) == 0, "io_setup");
    must(posix_memalign(&data, BLOCK, (size_t)PARTS * MAX_BLOCKS * BLOCK) == 0, "memory");
    random_state = seed;
    for (uint64_t batch = 0;; batch++) {
        write_log(fd, data, seed, batch);
        run_batch(fd, aio, data, seed, batch);
        must(fsync(fd) == 0, "fsync");
        printf("F %llu\n", (unsigned long long)batch);
        fflush(stdout);
    }
}
