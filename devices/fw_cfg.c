/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's docs/specs/fw_cfg.  Numbers in registers are big-endian; the data register keeps the order
 * of the bytes, whatever the width. */
#include "devices/fw_cfg.h"

#include <endian.h>
#include <string.h>

enum { DATA = 0, SELECTOR = 8, DMA = 16, BANK_BYTES = 24 };
enum { KEY_SIGNATURE = 0, KEY_ID = 1, KEY_DIRECTORY = 0x19, KEY_FILES = 0x20, ITEMS = 0x60,
       KEY_MASK = 0x3fff };
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { NAME_BYTES = 56 };
#define DMA_SIGNATURE UINT64_C(0x51454d5520434647) /* "QEMU CFG" */

/* An entry of the directory. */
typedef struct FileEntry {
    uint32_t size;
    uint16_t select, reserved;
    char name[NAME_BYTES];
} FileEntry;

/* What the guest's memory has for a DMA. */
typedef struct DmaAccess {
    uint32_t control, length;
    uint64_t address;
} DmaAccess;

typedef struct FwCfg {
    Dev dev;
    GBytes *item[ITEMS]; /* NULL: there is none */
    FileEntry file[ITEMS - KEY_FILES];
    uint32_t n_files;
    uint16_t key;
    uint32_t at;         /* offset of the next byte of the item */
    uint32_t dma_high;
} FwCfg;

static FwCfg *fw_cfg_of(Dev *dev)
{
    return (FwCfg *)dev;
}

static const uint8_t *item_of(const FwCfg *f, size_t *size)
{
    *size = 0;
    return f->key < ITEMS && f->item[f->key] ? g_bytes_get_data(f->item[f->key], size) : NULL;
}

/* The next `n` bytes; zero behind the end. */
static void take(FwCfg *f, uint8_t *to, uint32_t n)
{
    size_t size, left;
    const uint8_t *data = item_of(f, &size);

    left = f->at < size ? size - f->at : 0;
    left = left < n ? left : n;
    memset(to, 0, n);
    if (left) {
        memcpy(to, data + f->at, left);
    }
    f->at = f->at + n < f->at ? UINT32_MAX : f->at + n;
}

static void select_item(FwCfg *f, uint32_t key)
{
    f->key = key & KEY_MASK;
    f->at = 0;
}

/* ---- DMA ---- */

static bool transfer(FwCfg *f, const DmaAccess *a)
{
    uint8_t chunk[4096];

    for (uint32_t done = 0; done < a->length;) {
        uint32_t n = a->length - done < sizeof(chunk) ? a->length - done : sizeof(chunk);

        take(f, chunk, n);
        if (!phys_write(f->dev.env->mem, a->address + done, chunk, n)) {
            return false;
        }
        done += n;
    }
    return true;
}

static void dma(FwCfg *f, uint64_t at)
{
    PhysMem *mem = f->dev.env->mem;
    uint32_t result = 0;
    DmaAccess a;

    if (!phys_read(mem, at, &a, sizeof(a))) {
        return;
    }
    a.control = be32toh(a.control);
    a.length = be32toh(a.length);
    a.address = be64toh(a.address);
    if (a.control & DMA_SELECT) {
        select_item(f, a.control >> 16);
    }
    if (a.control & DMA_READ) {
        result = transfer(f, &a) ? 0 : DMA_ERROR;
    } else if (a.control & DMA_WRITE) {
        result = DMA_ERROR; /* nothing may be written */
    } else if (a.control & DMA_SKIP) {
        f->at = f->at + a.length < f->at ? UINT32_MAX : f->at + a.length;
    }
    result = htobe32(result);
    if (!phys_write(mem, at, &result, sizeof(result))) {
        f->dma_high = 0;
    }
}

/* ---- Registers ---- */

static bool read_register(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    uint64_t signature = htobe64(DMA_SIGNATURE);
    uint8_t bytes[8] = { 0 };

    if (offset < SELECTOR) {
        take(opaque, bytes, size);
    } else if (offset >= DMA && offset + size <= BANK_BYTES) {
        memcpy(bytes, (uint8_t *)&signature + (offset - DMA), size);
    }
    memcpy(value, bytes, sizeof(bytes));
    return true;
}

static bool write_register(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    FwCfg *f = opaque;

    if (offset == SELECTOR && size == 2) {
        select_item(f, be16toh((uint16_t)value));
    } else if (offset == DMA && size == 8) {
        dma(f, be64toh(value));
    } else if (offset == DMA && size == 4) {
        f->dma_high = be32toh((uint32_t)value);
    } else if (offset == DMA + 4 && size == 4) {
        dma(f, (uint64_t)f->dma_high << 32 | be32toh((uint32_t)value));
        f->dma_high = 0;
    }
    return true;
}

static const PhysOps ops = { read_register, write_register };

static const DevBank banks[] = { { "registers", BANK_BYTES, NULL, 0, &ops } };

static const DevField fields[] = { DEV_FIELD(FwCfg, key), DEV_FIELD(FwCfg, at),
                                   DEV_FIELD(FwCfg, dma_high) };

/* ---- Items ---- */

void fw_cfg_add_item(Dev *dev, uint16_t key, GBytes *bytes)
{
    FwCfg *f = fw_cfg_of(dev);

    CHECK(key < ITEMS, "%u", key);
    if (f->item[key]) {
        g_bytes_unref(f->item[key]);
    }
    f->item[key] = bytes;
}

static void write_directory(FwCfg *f)
{
    size_t size = sizeof(uint32_t) + f->n_files * sizeof(FileEntry);
    uint8_t *data = g_malloc(size);
    uint32_t count = htobe32(f->n_files);

    memcpy(data, &count, sizeof(count));
    memcpy(data + sizeof(count), f->file, f->n_files * sizeof(FileEntry));
    fw_cfg_add_item(&f->dev, KEY_DIRECTORY, g_bytes_new_take(data, size));
}

bool fw_cfg_add_file(Dev *dev, const char *name, GBytes *bytes)
{
    FwCfg *f = fw_cfg_of(dev);
    FileEntry *e = &f->file[f->n_files];
    bool ok = strlen(name) < NAME_BYTES && f->n_files < ITEMS - KEY_FILES;

    for (uint32_t i = 0; i < f->n_files && ok; i++) {
        ok = strcmp(f->file[i].name, name) != 0;
    }
    if (!ok) {
        g_bytes_unref(bytes);
        return false;
    }
    *e = (FileEntry){ htobe32((uint32_t)g_bytes_get_size(bytes)),
                      htobe16((uint16_t)(KEY_FILES + f->n_files)), 0, "" };
    strcpy(e->name, name);
    fw_cfg_add_item(dev, (uint16_t)(KEY_FILES + f->n_files++), bytes);
    write_directory(f);
    return true;
}

/* ---- The device ---- */

static bool realize(Dev *dev, GError **error)
{
    uint32_t id = htole32(ID_TRADITIONAL | ID_DMA);

    (void)error;
    fw_cfg_add_item(dev, KEY_SIGNATURE, g_bytes_new("QEMU", 4));
    fw_cfg_add_item(dev, KEY_ID, g_bytes_new(&id, sizeof(id)));
    write_directory(fw_cfg_of(dev));
    return true;
}

static void unrealize(Dev *dev)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        if (fw_cfg_of(dev)->item[i]) {
            g_bytes_unref(fw_cfg_of(dev)->item[i]);
        }
    }
}

static void reset(Dev *dev)
{
    select_item(fw_cfg_of(dev), KEY_SIGNATURE);
    fw_cfg_of(dev)->dma_high = 0;
}

const DevType dev_fw_cfg = {
    .name = "fw-cfg",
    .summary = "what firmware is told",
    .size = sizeof(FwCfg),
    .isolation = DEV_ISOLATION_yes,
    .banks = banks,
    .n_banks = 1,
    .fields = fields,
    .n_fields = G_N_ELEMENTS(fields),
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
};
