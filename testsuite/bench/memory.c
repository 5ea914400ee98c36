/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/memory.c - a plugin for QEMU that writes what Ketch's memtrace does, by a callback on each
 * memory access: out=FILE.
 *
 * A buffer for each vcpu: its number, how many records, and for each access two words, the address and
 * the instruction's pc with size and kind in the upper bits.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qemu-plugin.h>

enum { RECORDS = 4096, VCPUS = 64, INFO_SHIFT = 48 };

typedef struct Record {
    uint64_t address, what;
} Record;

typedef struct Buffer {
    uint32_t vcpu, n;
    Record record[RECORDS];
} Buffer;

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static Buffer *buffers[VCPUS];
static int fd;

static void flush(Buffer *b)
{
    size_t size = offsetof(Buffer, record) + b->n * sizeof(Record);

    if (write(fd, b, size) != (ssize_t)size) {
        perror("memory");
        exit(1);
    }
    b->n = 0;
}

static void append(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *pc)
{
    Buffer *b = buffers[vcpu];

    b->record[b->n++] = (Record){ address, (uintptr_t)pc | (uint64_t)info << INFO_SHIFT };
    if (b->n == RECORDS) {
        flush(b);
    }
}

static void begin(qemu_plugin_id_t id, unsigned vcpu)
{
    (void)id;
    if (!buffers[vcpu]) {
        buffers[vcpu] = calloc(1, sizeof(Buffer));
        buffers[vcpu]->vcpu = vcpu;
    }
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        qemu_plugin_register_vcpu_mem_cb(insn, append, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                         (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
    }
}

static void end(qemu_plugin_id_t id, void *unused)
{
    (void)id;
    (void)unused;
    for (int v = 0; v < VCPUS; v++) {
        if (buffers[v]) {
            flush(buffers[v]);
        }
    }
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 ||
        (fd = open(argv[0] + 4, O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0) {
        fputs("memory: out=FILE\n", stderr);
        return 1;
    }
    qemu_plugin_register_vcpu_init_cb(id, begin);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, end, NULL);
    return 0;
}
