/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's `virt` for riscv64: the same addresses, interrupts and device tree, so that what was built
 * for it boots. */
#include "devices/boards/virt.h"

#include <inttypes.h>
#include <string.h>

#include "devices/aclint.h"
#include "devices/boards/image.h"
#include "devices/fw_cfg.h"
#include "devices/pci/pci.h"
#include "devices/plic.h"

enum { ALIGN = 2 << 20 };

static const DevType machine_type = {
    .name = "virt-machine",
    .summary = "the board",
    .size = sizeof(Dev),
    .isolation = DEV_ISOLATION_yes,
};

/* ---- Devices ---- */

/* A device whose line of each hart is `line`. */
static Dev *add_for_harts(Board *b, const DevType *type, const char *id, uint64_t base,
                          unsigned line, GError **error)
{
    Dev *dev = board_add(b, type, id, base, (Irq){ 0 }, error);

    for (unsigned h = 0; dev && h < b->config.n_harts; h++) {
        dev->irq[h] = b->wiring.hart_irq(b->wiring.opaque, h, line);
    }
    return dev;
}

static bool add_harts(Board *b, GError **error)
{
    if (!add_for_harts(b, &dev_aclint_mswi, "mswi", VIRT_CLINT, VIRT_LINE_MSI, error)) {
        return false;
    }
    b->timer = add_for_harts(b, &dev_aclint_mtimer, "mtimer", VIRT_CLINT + ACLINT_MSWI_BYTES,
                             VIRT_LINE_MTI, error);
    if (!b->timer) {
        return false;
    }
    aclint_on_alarm(b->timer, b->wiring.hart_timer, b->wiring.opaque);
    return !b->config.aclint ||
           add_for_harts(b, &dev_aclint_sswi, "sswi", VIRT_SSWI, VIRT_LINE_SSI, error);
}

static Dev *add_plic(Board *b, GError **error)
{
    Dev *plic = board_add(b, &dev_plic, "plic", VIRT_PLIC, (Irq){ 0 }, error);

    for (unsigned h = 0; plic && h < b->config.n_harts; h++) {
        plic->irq[2 * h] = b->wiring.hart_irq(b->wiring.opaque, h, VIRT_LINE_MEI);
        plic->irq[2 * h + 1] = b->wiring.hart_irq(b->wiring.opaque, h, VIRT_LINE_SEI);
    }
    return plic;
}

static bool add_uart(Board *b, Dev *plic, GError **error)
{
    Dev *uart = dev_new(&dev_ns16550a, b->config.env, b->root, "uart");

    uart->irq[0] = plic_irq(plic, VIRT_UART_IRQ);
    dev_set_link(uart, DEV_PROP_chardev, b->config.serial[0]);
    return dev_realize(uart, error) && dev_map(uart, 0, VIRT_UART, error);
}

static bool add_rtc(Board *b, Dev *plic, GError **error)
{
    Dev *rtc = dev_new(&dev_goldfish_rtc, b->config.env, b->root, "rtc");
    char base[32];

    g_snprintf(base, sizeof(base), "%" G_GUINT64_FORMAT, (uint64_t)b->config.rtc_offset * 1000000000);
    rtc->irq[0] = plic_irq(plic, VIRT_RTC_IRQ);
    return dev_set(rtc, "base", base, error) &&
           dev_set(rtc, "stands", b->config.rtc_stands ? "on" : "off", error) && dev_realize(rtc, error) &&
           dev_map(rtc, 0, VIRT_RTC, error);
}

static bool add_pci(Board *b, Dev *plic, GError **error)
{
    Dev *host = dev_new(&dev_pci_host_ecam, b->config.env, b->root, "pcie");

    for (unsigned pin = 0; pin < PCI_PINS; pin++) {
        host->irq[pin] = plic_irq(plic, VIRT_PCIE_IRQ + pin);
    }
    return dev_realize(host, error) && dev_map(host, PCI_BANK_ecam, VIRT_PCIE_ECAM, error) &&
           dev_map(host, PCI_BANK_memory, VIRT_PCIE_MMIO, error);
}

static bool add_virtio(Board *b, Dev *plic, GError **error)
{
    for (unsigned i = 0; i < VIRT_VIRTIO_SLOTS; i++) {
        char id[32];

        g_snprintf(id, sizeof(id), "virtio-mmio-bus.%u", i);
        if (!board_add(b, &dev_virtio_mmio, id, VIRT_VIRTIO + i * VIRT_VIRTIO_BYTES,
                       plic_irq(plic, VIRT_VIRTIO_IRQ + i), error)) {
            return false;
        }
    }
    return true;
}

static bool add_flash(Board *b, GError **error)
{
    for (unsigned i = 0; i < BOARD_FLASHES; i++) {
        Dev *flash = dev_new(&dev_flash, b->config.env, b->root, NULL);

        dev_set_link(flash, DEV_PROP_drive, b->config.flash[i]);
        if (!dev_realize(flash, error) ||
            !dev_map(flash, 0, VIRT_FLASH + i * VIRT_FLASH_BYTES, error)) {
            return false;
        }
    }
    return true;
}

static bool add_fw_cfg(Board *b, GError **error)
{
    uint16_t harts = GUINT16_TO_LE((uint16_t)b->config.n_harts);
    uint64_t ram = GUINT64_TO_LE(b->config.ram_size);

    b->fw_cfg = board_add(b, &dev_fw_cfg, "fw_cfg", VIRT_FW_CFG, (Irq){ 0 }, error);
    if (b->fw_cfg) {
        fw_cfg_add_item(b->fw_cfg, FW_CFG_NB_CPUS, g_bytes_new(&harts, sizeof(harts)));
        fw_cfg_add_item(b->fw_cfg, FW_CFG_MAX_CPUS, g_bytes_new(&harts, sizeof(harts)));
        fw_cfg_add_item(b->fw_cfg, FW_CFG_RAM_SIZE, g_bytes_new(&ram, sizeof(ram)));
    }
    return b->fw_cfg != NULL;
}

static bool build(Board *b, GError **error)
{
    Dev *plic;

    b->root = dev_new(&machine_type, b->config.env, NULL, "virt");
    plic = add_plic(b, error);
    return plic && add_harts(b, error) && add_uart(b, plic, error) &&
           board_add(b, &dev_sifive_test, "test", VIRT_TEST, (Irq){ 0 }, error) &&
           add_rtc(b, plic, error) && add_virtio(b, plic, error) && add_pci(b, plic, error) && add_flash(b, error) &&
           add_fw_cfg(b, error);
}

/* ---- What it starts ---- */

/* QEMU's reset code, and behind it what OpenSBI's fw_dynamic wants to know. */
static GBytes *reset_vector(uint64_t start, uint64_t device_tree, uint64_t next)
{
    static const uint32_t code[] = {
        0x00000297, /* auipc t0, 0 */
        0x02828613, /* addi  a2, t0, 40: the fw_dynamic_info */
        0xf1402573, /* csrr  a0, mhartid */
        0x0202b583, /* ld    a1, 32(t0): the device tree */
        0x0182b283, /* ld    t0, 24(t0): the firmware */
        0x00028067, /* jr    t0 */
    };
    const uint64_t words[] = {
        start, device_tree,
        0x4942534f, /* magic, "OSBI" */
        2,          /* version */
        next,
        1,          /* it starts in supervisor mode */
        0,          /* options */
        0,          /* boot hart */
    };
    uint8_t *rom = g_malloc0(sizeof(code) + sizeof(words));

    memcpy(rom, code, sizeof(code));
    memcpy(rom + sizeof(code), words, sizeof(words));
    return g_bytes_new_take(rom, sizeof(code) + sizeof(words));
}

static bool add_reset_rom(Board *b, GError **error)
{
    PhysRegion rom = { .name = "mrom", .kind = PHYS_rom, .base = VIRT_MROM,
                       .size = VIRT_MROM_BYTES };

    rom.host = phys_alloc("ketch-rom", rom.size);
    if (!rom.host || !phys_add(b->config.env->mem, &rom)) {
        g_set_error(error, BOARD_ERROR, 0, "no memory for the ROM");
        return false;
    }
    return true;
}

static const char *const firmware_paths[] = {
    "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
    "/usr/share/opensbi/lp64/generic/firmware/fw_dynamic.bin",
    "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
};

static const char *usual_firmware(GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(firmware_paths); i++) {
        if (g_file_test(firmware_paths[i], G_FILE_TEST_IS_REGULAR)) {
            return firmware_paths[i];
        }
    }
    g_set_error(error, BOARD_ERROR, 0, "there is no firmware at %s: install the package opensbi, or "
                "give -bios FILE or -bios none", firmware_paths[0]);
    return NULL;
}

static bool load_program(Board *b, const char *path, uint64_t addr, ImagePlace *place,
                         GError **error)
{
    GBytes *bytes = image_read(path, b->config.ram_size, error);

    bytes = bytes ? image_unpack(bytes, path, b->config.ram_size, error) : NULL;
    return bytes && image_place(b, bytes, path, addr, place, error);
}

static uint64_t round_up(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* The initial RAM disk lies behind the kernel, as far as QEMU puts it when that is far enough. */
static bool load_initrd(Board *b, const BoardImages *images, const ImagePlace *kernel,
                        VirtTree *tree, GError **error)
{
    uint64_t half = b->config.ram_size / 2, usual = 128 << 20;
    GBytes *bytes;

    if (!images->initrd) {
        return true;
    }
    bytes = image_read(images->initrd, b->config.ram_size, error);
    if (!bytes) {
        return false;
    }
    tree->initrd_start = kernel->start + (half < usual ? half : usual);
    if (tree->initrd_start < kernel->end) {
        tree->initrd_start = round_up(kernel->end);
    }
    tree->initrd_end = tree->initrd_start + g_bytes_get_size(bytes);
    return board_add_blob(b, images->initrd, tree->initrd_start, bytes, error);
}

/* As high as 32-bit loaders reach, a multiple of 2 MiB. */
static bool load_tree(Board *b, const BoardImages *images, const VirtTree *tree, uint64_t *addr,
                      GError **error)
{
    uint64_t end = VIRT_DRAM + b->config.ram_size, limit = UINT64_C(3072) << 20;

    b->device_tree = images->dtb ? virt_tree_from(b, images, tree, error) : virt_tree(b, images, tree);
    if (!b->device_tree) {
        return false;
    }
    end = end < limit ? end : limit;
    *addr = (end - g_bytes_get_size(b->device_tree)) / ALIGN * ALIGN;
    return board_add_blob(b, "the device tree", *addr, g_bytes_ref(b->device_tree), error);
}

static bool load_extra(Board *b, const BoardExtra *extra, GError **error)
{
    GBytes *bytes;
    ImagePlace place;
    bool elf;

    if (!extra->path) {
        return board_add_blob(b, "data", extra->addr, g_bytes_new(&extra->data, extra->size), error);
    }
    bytes = image_read(extra->path, b->config.ram_size, error);
    if (!bytes) {
        return false;
    }
    elf = g_bytes_get_size(bytes) > 4 && !memcmp(g_bytes_get_data(bytes, NULL), "\177ELF", 4);
    if (!extra->has_addr && !elf) {
        g_bytes_unref(bytes);
        g_set_error(error, BOARD_ERROR, 0, "%s: -device loader needs addr=, as the file is no ELF "
                    "program", extra->path);
        return false;
    }
    if (extra->has_addr) {
        return board_add_blob(b, extra->path, extra->addr, bytes, error);
    }
    return image_place(b, bytes, extra->path, 0, &place, error);
}

static bool load_extras(Board *b, const BoardImages *images, GError **error)
{
    for (unsigned i = 0; i < images->n_extra; i++) {
        if (!load_extra(b, &images->extra[i], error)) {
            return false;
        }
    }
    return true;
}

/* A program of the user's where firmware would start is started in its place. */
static bool is_replaced(const Board *b)
{
    for (unsigned i = 0; i < b->blobs->len; i++) {
        const BoardBlob *blob = b->blobs->pdata[i];

        if (blob->addr == VIRT_DRAM) {
            return true;
        }
    }
    return false;
}

static bool load(Board *b, const BoardImages *images, GError **error)
{
    ImagePlace firmware = { VIRT_DRAM, VIRT_DRAM, VIRT_DRAM }, kernel = { 0 };
    VirtTree tree = { 0 };
    const char *bios;
    uint64_t tree_addr;

    if (!load_extras(b, images, error)) {
        return false;
    }
    bios = images->bios ? images->bios : is_replaced(b) ? "none" : usual_firmware(error);
    if (!bios || (strcmp(bios, "none") && !load_program(b, bios, VIRT_DRAM, &firmware, error))) {
        return false;
    }
    if (images->kernel &&
        !load_program(b, images->kernel, round_up(firmware.end), &kernel, error)) {
        return false;
    }
    if (!images->kernel && images->initrd) {
        g_set_error(error, BOARD_ERROR, 0, "-initrd needs -kernel");
        return false;
    }
    if (!images->kernel && b->config.flash[0]) {
        kernel.entry = VIRT_FLASH;
    }
    if (!strcmp(bios, "none") && kernel.entry) {
        firmware.entry = kernel.entry;
    }
    return load_initrd(b, images, &kernel, &tree, error) &&
           load_tree(b, images, &tree, &tree_addr, error) && add_reset_rom(b, error) &&
           board_add_blob(b, "the reset code", VIRT_MROM,
                          reset_vector(firmware.entry, tree_addr, kernel.entry), error);
}

const BoardType board_virt = {
    .name = "virt",
    .summary = "QEMU's virt board for riscv64",
    .max_harts = ACLINT_HARTS,
    .ram_base = VIRT_DRAM,
    .min_ram = 8 << 20,
    .max_ram = UINT64_C(256) << 30,
    .reset_pc = VIRT_MROM,
    .isolation = DEV_ISOLATION_yes,
    .build = build,
    .load = load,
};
