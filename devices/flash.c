/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NOR flash with Intel's command set (CFI): two chips of 16 bits side by side, 32 MiB in sectors of
 * 256 KiB.  With a drive, what is programmed and erased is written there too.  Instruction
 * fetches see the contents whatever the mode is.
 */
#include <string.h>
#include <sys/mman.h>

#include "devices/device.h"
#include "devices/host/block/block.h"

enum { BYTES = 32 << 20, SECTOR = 256 << 10, BUFFER = 4096, CHIPS = 2, WORD = 4 };

/* Commands: the low byte of what is written. */
enum { CMD_ARRAY = 0xff, CMD_PROGRAM = 0x40, CMD_PROGRAM_OLD = 0x10, CMD_ERASE = 0x20,
       CMD_CLEAR = 0x50, CMD_LOCK = 0x60, CMD_STATUS = 0x70, CMD_ID = 0x90, CMD_QUERY = 0x98,
       CMD_BUFFER = 0xe8, CMD_CONFIRM = 0xd0 };

enum { STATUS_READY = 0x80, STATUS_ERASE_FAILED = 0x20, STATUS_PROGRAM_FAILED = 0x10 };

/* What reads show, and what the next write means. */
typedef enum Mode {
    MODE_array, MODE_status, MODE_id, MODE_query,
    MODE_program, MODE_erase, MODE_lock, MODE_count, MODE_buffer, MODE_confirm,
    MODE_COUNT
} Mode;

typedef struct Flash {
    Dev dev;
    Block *drive;
    uint8_t *data;
    uint8_t mode, status;
    uint32_t left;      /* words that the buffer still wants */
    uint32_t sector;    /* offset of the one that is buffered or erased */
    uint32_t low, high; /* what of the buffer's block was written: [low, high) */
} Flash;

/* Of each chip; from 0x10 on. */
static const uint8_t query[] = {
    'Q', 'R', 'Y',
    0x01, 0x00,             /* Intel's command set */
    0x31, 0x00,             /* where its table is */
    0x00, 0x00, 0x00, 0x00, /* no other one */
    0x45, 0x55, 0x00, 0x00, /* voltages */
    0x07, 0x07, 0x0a, 0x00, /* typical times, powers of two */
    0x04, 0x04, 0x04, 0x00, /* longest ones */
    24,                     /* 16 MiB a chip */
    0x02, 0x00,             /* 16 bits wide */
    0x0b, 0x00,             /* 2 KiB of buffer */
    0x01, 127, 0x00, 0x00, 0x02, /* 128 sectors of 128 KiB */
    'P', 'R', 'I', '1', '0',
};

static Flash *flash_of(void *opaque)
{
    return opaque;
}

/* Both chips answer alike. */
static uint32_t twice(uint8_t byte)
{
    return byte | (uint32_t)byte << 16;
}

static uint32_t id_word(uint64_t offset)
{
    static const uint8_t id[] = { 0x89, 0x18 }; /* Intel, 128 Mbit */
    uint64_t at = offset / WORD & 0xff;

    return at < sizeof(id) ? twice(id[at]) : 0;
}

static uint32_t query_word(uint64_t offset)
{
    uint64_t at = (offset / WORD & 0xff) - 0x10;

    return at < sizeof(query) ? twice(query[at]) : 0;
}

static bool flash_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    Flash *f = flash_of(opaque);
    uint64_t v = 0;

    switch ((Mode)f->mode) {
    case MODE_array:
        memcpy(&v, f->data + offset, size);
        *value = v;
        return true;
    case MODE_id:
        v = id_word(offset);
        break;
    case MODE_query:
        v = query_word(offset);
        break;
    case MODE_status:
    case MODE_program:
    case MODE_erase:
    case MODE_lock:
    case MODE_count:
    case MODE_buffer:
    case MODE_confirm:
    case MODE_COUNT:
        v = twice(f->status);
        break;
    }
    v |= v << 32;
    v >>= 8 * (offset % WORD);
    *value = size == 8 ? v : v & ((UINT64_C(1) << 8 * size) - 1);
    return true;
}

/* To the drive, if there is one. */
static void keep(Flash *f, uint32_t offset, uint32_t size, uint8_t failed)
{
    struct iovec iov = { f->data + offset, size };
    uint64_t end = f->drive ? block_size(f->drive) : 0;

    if (offset < end) {
        iov.iov_len = end - offset < size ? end - offset : size;
        if (block_write(f->drive, offset, &iov, 1) < 0) {
            f->status |= failed;
        }
    }
}

/* Programming clears bits, nothing sets them but an erasure. */
static void program(Flash *f, uint64_t offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++) {
        f->data[offset + i] &= (uint8_t)(value >> 8 * i);
    }
}

static void command(Flash *f, uint64_t offset, uint8_t cmd)
{
    f->sector = (uint32_t)offset / SECTOR * SECTOR;
    switch (cmd) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_OLD:
        f->mode = MODE_program;
        break;
    case CMD_ERASE:
        f->mode = MODE_erase;
        break;
    case CMD_CLEAR:
        f->status = STATUS_READY;
        f->mode = MODE_array;
        break;
    case CMD_LOCK:
        f->mode = MODE_lock;
        break;
    case CMD_STATUS:
        f->mode = MODE_status;
        break;
    case CMD_ID:
        f->mode = MODE_id;
        break;
    case CMD_QUERY:
        f->mode = MODE_query;
        break;
    case CMD_BUFFER:
        f->mode = MODE_count;
        break;
    default:
        f->mode = MODE_array;
        break;
    }
}

static void erase(Flash *f, uint8_t cmd)
{
    f->mode = MODE_status;
    if (cmd == CMD_CONFIRM) {
        memset(f->data + f->sector, 0xff, SECTOR);
        keep(f, f->sector, SECTOR, STATUS_ERASE_FAILED);
    } else {
        f->status |= STATUS_ERASE_FAILED | STATUS_PROGRAM_FAILED;
    }
}

/* The words of one buffer lie in one sector. */
static void buffer(Flash *f, uint64_t offset, unsigned size, uint64_t value)
{
    if (offset / SECTOR * SECTOR != f->sector) {
        f->status |= STATUS_PROGRAM_FAILED;
        f->mode = MODE_status;
        return;
    }
    program(f, offset, size, value);
    f->low = offset < f->low ? (uint32_t)offset : f->low;
    f->high = offset + size > f->high ? (uint32_t)(offset + size) : f->high;
    if (f->left-- == 0) {
        f->mode = MODE_confirm;
    }
}

static void start_buffer(Flash *f, uint64_t value)
{
    f->left = (uint32_t)(value & 0xffff);
    f->low = BYTES;
    f->high = 0;
    f->mode = MODE_buffer;
    if (f->left >= BUFFER / WORD * CHIPS) {
        f->status |= STATUS_PROGRAM_FAILED;
        f->mode = MODE_status;
    }
}

static bool flash_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    Flash *f = flash_of(opaque);
    uint8_t cmd = (uint8_t)value;

    switch ((Mode)f->mode) {
    case MODE_program:
        program(f, offset, size, value);
        keep(f, (uint32_t)offset, size, STATUS_PROGRAM_FAILED);
        f->mode = MODE_status;
        break;
    case MODE_erase:
        erase(f, cmd);
        break;
    case MODE_lock: /* sectors are not locked: the next word is taken */
        f->mode = MODE_status;
        break;
    case MODE_count:
        start_buffer(f, value);
        break;
    case MODE_buffer:
        buffer(f, offset, size, value);
        break;
    case MODE_confirm:
        if (f->high > f->low) {
            keep(f, f->low, f->high - f->low, STATUS_PROGRAM_FAILED);
        }
        f->mode = cmd == CMD_CONFIRM ? MODE_status : MODE_array;
        break;
    case MODE_array:
    case MODE_status:
    case MODE_id:
    case MODE_query:
    case MODE_COUNT:
        command(f, offset, cmd);
        break;
    }
    return true;
}

static const PhysOps ops = { flash_read, flash_write };

static const DevBank banks[] = { { "flash", BYTES, NULL, 0, &ops } };

static const DevField fields[] = {
    DEV_FIELD(Flash, mode), DEV_FIELD(Flash, status), DEV_FIELD(Flash, left),
    DEV_FIELD(Flash, sector), DEV_FIELD(Flash, low), DEV_FIELD(Flash, high),
};

static bool load_drive(Flash *f, GError **error)
{
    uint64_t size = block_size(f->drive);
    struct iovec iov = { f->data, size };
    int r;

    if (size > BYTES) {
        g_set_error(error, DEV_ERROR, 0, "its image has %" G_GUINT64_FORMAT " bytes, more than the "
                    "%d of the flash", size, BYTES);
        return false;
    }
    r = block_read(f->drive, 0, &iov, 1);
    if (r < 0) {
        g_set_error(error, DEV_ERROR, 0, "its image cannot be read: %s", g_strerror(-r));
    }
    return r >= 0;
}

static bool realize(Dev *dev, GError **error)
{
    Flash *f = flash_of(dev);

    f->data = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (f->data == MAP_FAILED) {
        f->data = NULL;
        g_set_error(error, DEV_ERROR, 0, "no memory for it");
        return false;
    }
    return !f->drive || load_drive(f, error);
}

static void unrealize(Dev *dev)
{
    if (flash_of(dev)->data) {
        munmap(flash_of(dev)->data, BYTES);
    }
}

static void reset(Dev *dev)
{
    Flash *f = flash_of(dev);

    f->mode = MODE_array;
    f->status = STATUS_READY;
    f->left = f->sector = f->low = f->high = 0;
}

static uint8_t *memory(Dev *dev, size_t *size)
{
    *size = BYTES;
    return flash_of(dev)->data;
}

/* A snapshot may say anything. */
static void loaded(Dev *dev)
{
    Flash *f = flash_of(dev);

    if (f->mode >= MODE_COUNT || f->sector >= BYTES || f->sector % SECTOR || f->high > BYTES ||
        f->low > BYTES || f->left >= BUFFER) {
        reset(dev);
    }
}

static const DevProp props[] = {
    { "drive", DEV_PROP_drive, offsetof(Flash, drive), "where its contents are kept", 0 },
};

const DevType dev_flash = {
    .name = "cfi-flash",
    .summary = "NOR flash memory of 32 MiB",
    .size = sizeof(Flash),
    .isolation = DEV_ISOLATION_yes,
    .banks = banks,
    .n_banks = 1,
    .fields = fields,
    .n_fields = G_N_ELEMENTS(fields),
    .props = props,
    .n_props = G_N_ELEMENTS(props),
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .loaded = loaded,
    .memory = memory,
    .programs = true,
};
