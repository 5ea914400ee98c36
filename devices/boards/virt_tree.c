/* SPDX-License-Identifier: Apache-2.0 */
/* The device tree of virt. */
#include <libfdt.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

#include "devices/aclint.h"
#include "devices/boards/image.h"
#include "devices/boards/virt.h"
#include "devices/pci/pci.h"
#include "devices/plic.h"

enum { TREE_BYTES = 64 << 10, CHOSEN_BYTES = 8 << 10, TREE_LIMIT = 1 << 20,
       MAX_CELLS = 8 * PCI_PINS * PCI_PINS };

/* Handles of nodes that others point to. */
enum { HANDLE_PLIC = 1, HANDLE_TEST, HANDLE_CPU };

static uint32_t cpu_handle(unsigned hart)
{
    return HANDLE_CPU + 2 * hart;
}

static uint32_t intc_handle(unsigned hart)
{
    return HANDLE_CPU + 2 * hart + 1;
}

/* A failure can only be that TREE_BYTES are too few. */
static void need(int result)
{
    CHECK(result >= 0, "the device tree: %s", fdt_strerror(result));
}

/* Cells until -1. */
static void cells(void *t, const char *name, ...)
{
    fdt32_t cell[MAX_CELLS];
    int n = 0;
    int64_t value;
    va_list list;

    va_start(list, name);
    while ((value = va_arg(list, int64_t)) >= 0 && n < MAX_CELLS) {
        cell[n++] = cpu_to_fdt32((uint32_t)value);
    }
    va_end(list);
    need(fdt_property(t, name, cell, n * (int)sizeof(cell[0])));
}

#define CELLS(t, name, ...) cells(t, name, __VA_ARGS__, (int64_t)-1)
#define CELL(n) ((int64_t)(n))
#define ADDR(n) (int64_t)((uint64_t)(n) >> 32), (int64_t)((uint64_t)(n) & UINT32_MAX)

static void reg(void *t, uint64_t base, uint64_t size)
{
    CELLS(t, "reg", ADDR(base), ADDR(size));
}

static void text(void *t, const char *name, const char *value)
{
    need(fdt_property_string(t, name, value));
}

static void flag(void *t, const char *name)
{
    need(fdt_property(t, name, NULL, 0));
}

/* Strings one after the other: `size` with the last one's end. */
#define TEXTS(t, name, strings) need(fdt_property(t, name, strings, sizeof(strings)))

static void begin(void *t, const char *name)
{
    need(fdt_begin_node(t, name));
}

static void begin_at(void *t, const char *name, uint64_t addr)
{
    char full[64];

    g_snprintf(full, sizeof(full), "%s@%" G_GINT64_MODIFIER "x", name, addr);
    begin(t, full);
}

static void end(void *t)
{
    need(fdt_end_node(t));
}

static void handle(void *t, uint32_t number)
{
    CELLS(t, "phandle", CELL(number));
}

static void interrupt(void *t, unsigned source)
{
    CELLS(t, "interrupt-parent", CELL(HANDLE_PLIC));
    CELLS(t, "interrupts", CELL(source));
}

/* ---- Processors ---- */

static void cpu(void *t, const Board *b, unsigned hart)
{
    const BoardWiring *w = &b->wiring;

    begin_at(t, "cpu", hart);
    handle(t, cpu_handle(hart));
    text(t, "device_type", "cpu");
    CELLS(t, "reg", CELL(hart));
    text(t, "status", "okay");
    text(t, "compatible", "riscv");
    text(t, "riscv,isa", w->isa);
    text(t, "mmu-type", w->mmu);
    if (w->zicbom_block) {
        CELLS(t, "riscv,cbom-block-size", CELL(w->zicbom_block));
    }
    if (w->zicboz_block) {
        CELLS(t, "riscv,cboz-block-size", CELL(w->zicboz_block));
    }
    begin(t, "interrupt-controller");
    CELLS(t, "#interrupt-cells", CELL(1));
    flag(t, "interrupt-controller");
    text(t, "compatible", "riscv,cpu-intc");
    handle(t, intc_handle(hart));
    end(t);
    end(t);
}

static void cpus(void *t, const Board *b)
{
    begin(t, "cpus");
    CELLS(t, "#address-cells", CELL(1));
    CELLS(t, "#size-cells", CELL(0));
    CELLS(t, "timebase-frequency", CELL(10000000));
    for (unsigned h = 0; h < b->config.n_harts; h++) {
        cpu(t, b, h);
    }
    begin(t, "cpu-map");
    begin(t, "cluster0");
    for (unsigned h = 0; h < b->config.n_harts; h++) {
        char core[16];

        g_snprintf(core, sizeof(core), "core%u", h);
        begin(t, core);
        CELLS(t, "cpu", CELL(cpu_handle(h)));
        end(t);
    }
    end(t);
    end(t);
    end(t);
}

/* Lines of each hart. */
static void extended(void *t, const Board *b, const uint8_t *line, unsigned n_lines)
{
    fdt32_t cell[4 * PLIC_HARTS], *c = cell;

    for (unsigned h = 0; h < b->config.n_harts; h++) {
        for (unsigned i = 0; i < n_lines; i++) {
            *c++ = cpu_to_fdt32(intc_handle(h));
            *c++ = cpu_to_fdt32(line[i]);
        }
    }
    need(fdt_property(t, "interrupts-extended", cell, (int)((c - cell) * (ptrdiff_t)sizeof(cell[0]))));
}

/* At most two. */
#define LINES(t, b, ...)                                                              \
    extended(t, b, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ---- Devices ---- */

static void plic(void *t, const Board *b)
{
    begin_at(t, "plic", VIRT_PLIC);
    handle(t, HANDLE_PLIC);
    CELLS(t, "riscv,ndev", CELL(VIRT_PLIC_NDEV));
    reg(t, VIRT_PLIC, PLIC_BYTES);
    LINES(t, b, VIRT_LINE_MEI, VIRT_LINE_SEI);
    flag(t, "interrupt-controller");
    TEXTS(t, "compatible", "sifive,plic-1.0.0\0riscv,plic0");
    CELLS(t, "#address-cells", CELL(0));
    CELLS(t, "#interrupt-cells", CELL(1));
    end(t);
}

static void clint(void *t, const Board *b)
{
    begin_at(t, "clint", VIRT_CLINT);
    LINES(t, b, VIRT_LINE_MSI, VIRT_LINE_MTI);
    reg(t, VIRT_CLINT, VIRT_CLINT_BYTES);
    TEXTS(t, "compatible", "sifive,clint0\0riscv,clint0");
    end(t);
}

static void software_interrupts(void *t, const Board *b, const char *name, uint64_t base,
                                uint8_t line)
{
    char compatible[32];

    g_snprintf(compatible, sizeof(compatible), "riscv,aclint-%s", name);
    begin_at(t, name, base);
    flag(t, "interrupt-controller");
    CELLS(t, "#interrupt-cells", CELL(0));
    LINES(t, b, line);
    reg(t, base, ACLINT_MSWI_BYTES);
    text(t, "compatible", compatible);
    end(t);
}

/* Of the timers' registers MTIME is named first, with what is left of the CLINT's place, then the
 * comparators. */
static void aclint(void *t, const Board *b)
{
    uint64_t timers = VIRT_CLINT + ACLINT_MSWI_BYTES;

    software_interrupts(t, b, "mswi", VIRT_CLINT, VIRT_LINE_MSI);
    begin_at(t, "mtimer", timers);
    LINES(t, b, VIRT_LINE_MTI);
    CELLS(t, "reg", ADDR(timers + ACLINT_MTIME), ADDR(VIRT_CLINT + VIRT_CLINT_BYTES - timers - ACLINT_MTIME),
          ADDR(timers), ADDR(ACLINT_MTIME));
    text(t, "compatible", "riscv,aclint-mtimer");
    end(t);
    software_interrupts(t, b, "sswi", VIRT_SSWI, VIRT_LINE_SSI);
}

static void simple_devices(void *t)
{
    begin_at(t, "rtc", VIRT_RTC);
    interrupt(t, VIRT_RTC_IRQ);
    reg(t, VIRT_RTC, 0x1000);
    text(t, "compatible", "google,goldfish-rtc");
    end(t);
    begin_at(t, "serial", VIRT_UART);
    interrupt(t, VIRT_UART_IRQ);
    CELLS(t, "clock-frequency", CELL(3686400));
    reg(t, VIRT_UART, VIRT_UART_BYTES);
    text(t, "compatible", "ns16550a");
    end(t);
    begin_at(t, "test", VIRT_TEST);
    handle(t, HANDLE_TEST);
    reg(t, VIRT_TEST, 0x1000);
    TEXTS(t, "compatible", "sifive,test1\0sifive,test0\0syscon");
    end(t);
    for (unsigned i = 0; i < VIRT_VIRTIO_SLOTS; i++) {
        begin_at(t, "virtio_mmio", VIRT_VIRTIO + i * VIRT_VIRTIO_BYTES);
        interrupt(t, VIRT_VIRTIO_IRQ + i);
        reg(t, VIRT_VIRTIO + i * VIRT_VIRTIO_BYTES, VIRT_VIRTIO_BYTES);
        text(t, "compatible", "virtio,mmio");
        end(t);
    }
}

/* Pin p of slot s is line (s + p) modulo 4. */
static void interrupt_map(void *t)
{
    fdt32_t cell[PCI_PINS * PCI_PINS * 6], *c = cell;

    for (uint32_t slot = 0; slot < PCI_PINS; slot++) {
        for (uint32_t pin = 0; pin < PCI_PINS; pin++) {
            const uint32_t row[6] = { slot << 11, 0, 0, pin + 1, HANDLE_PLIC,
                                      VIRT_PCIE_IRQ + (slot + pin) % PCI_PINS };

            for (int i = 0; i < 6; i++) {
                *c++ = cpu_to_fdt32(row[i]);
            }
        }
    }
    need(fdt_property(t, "interrupt-map", cell, sizeof(cell)));
    CELLS(t, "interrupt-map-mask", CELL(0x1800), CELL(0), CELL(0), CELL(7));
}

static void pci(void *t)
{
    begin_at(t, "pci", VIRT_PCIE_ECAM);
    CELLS(t, "#address-cells", CELL(3));
    CELLS(t, "#interrupt-cells", CELL(1));
    CELLS(t, "#size-cells", CELL(2));
    text(t, "compatible", "pci-host-ecam-generic");
    text(t, "device_type", "pci");
    CELLS(t, "linux,pci-domain", CELL(0));
    CELLS(t, "bus-range", CELL(0), CELL(255));
    flag(t, "dma-coherent");
    reg(t, VIRT_PCIE_ECAM, VIRT_PCIE_ECAM_BYTES);
    CELLS(t, "ranges",
          CELL(0x1000000), ADDR(0), ADDR(VIRT_PCIE_PIO), ADDR(VIRT_PCIE_PIO_BYTES),
          CELL(0x2000000), ADDR(VIRT_PCIE_MMIO), ADDR(VIRT_PCIE_MMIO), ADDR(VIRT_PCIE_MMIO_BYTES),
          CELL(0x3000000), ADDR(VIRT_PCIE_HIGH), ADDR(VIRT_PCIE_HIGH), ADDR(VIRT_PCIE_HIGH));
    interrupt_map(t);
    end(t);
}

static void soc(void *t, const Board *b)
{
    begin(t, "soc");
    CELLS(t, "#address-cells", CELL(2));
    CELLS(t, "#size-cells", CELL(2));
    text(t, "compatible", "simple-bus");
    flag(t, "ranges");
    plic(t, b);
    if (b->config.aclint) {
        aclint(t, b);
    } else {
        clint(t, b);
    }
    simple_devices(t);
    pci(t);
    end(t);
}

static void syscon(void *t, const char *name, const char *compatible, uint32_t value)
{
    begin(t, name);
    CELLS(t, "value", CELL(value));
    CELLS(t, "offset", CELL(0));
    CELLS(t, "regmap", CELL(HANDLE_TEST));
    text(t, "compatible", compatible);
    end(t);
}

static void top_level(void *t, const Board *b)
{
    syscon(t, "poweroff", "syscon-poweroff", 0x5555);
    syscon(t, "reboot", "syscon-reboot", 0x7777);
    begin_at(t, "platform-bus", VIRT_PLATFORM);
    CELLS(t, "interrupt-parent", CELL(HANDLE_PLIC));
    CELLS(t, "ranges", CELL(0), ADDR(VIRT_PLATFORM), CELL(VIRT_PLATFORM_BYTES));
    CELLS(t, "#address-cells", CELL(1));
    CELLS(t, "#size-cells", CELL(1));
    TEXTS(t, "compatible", "qemu,platform\0simple-bus");
    end(t);
    begin_at(t, "fw-cfg", VIRT_FW_CFG);
    flag(t, "dma-coherent");
    reg(t, VIRT_FW_CFG, VIRT_FW_CFG_BYTES);
    text(t, "compatible", "qemu,fw-cfg-mmio");
    end(t);
    begin_at(t, "flash", VIRT_FLASH);
    CELLS(t, "bank-width", CELL(4));
    CELLS(t, "reg", ADDR(VIRT_FLASH), ADDR(VIRT_FLASH_BYTES), ADDR(VIRT_FLASH + VIRT_FLASH_BYTES),
          ADDR(VIRT_FLASH_BYTES));
    text(t, "compatible", "cfi-flash");
    end(t);
    begin_at(t, "memory", VIRT_DRAM);
    text(t, "device_type", "memory");
    reg(t, VIRT_DRAM, b->config.ram_size);
    end(t);
}

/* ---- /chosen, in any tree ---- */

static int chosen_node(void *t)
{
    int node = fdt_path_offset(t, "/chosen");

    return node >= 0 ? node : fdt_add_subnode(t, 0, "chosen");
}

static int set_chosen(void *t, const BoardImages *images, const VirtTree *tree)
{
    int node = chosen_node(t), r = node;
    uint8_t seed[32];

    if (r >= 0 && images->append) {
        r = fdt_setprop_string(t, node, "bootargs", images->append);
    }
    if (r >= 0 && tree->initrd_end) {
        r = fdt_setprop_u64(t, node, "linux,initrd-start", tree->initrd_start);
        r = r < 0 ? r : fdt_setprop_u64(t, node, "linux,initrd-end", tree->initrd_end);
    }
    if (r >= 0 && getrandom(seed, sizeof(seed), 0) == sizeof(seed)) {
        r = fdt_setprop(t, node, "rng-seed", seed, sizeof(seed));
    }
    return r;
}

/* Makes room, adds, cuts to size. */
static GBytes *finish(const void *from, size_t size, const BoardImages *images,
                      const VirtTree *tree, int *result)
{
    size_t room = size + CHOSEN_BYTES + (images->append ? strlen(images->append) : 0);
    void *t = g_malloc0(room);

    *result = fdt_open_into(from, t, (int)room);
    *result = *result < 0 ? *result : set_chosen(t, images, tree);
    *result = *result < 0 ? *result : fdt_pack(t);
    if (*result < 0) {
        g_free(t);
        return NULL;
    }
    return g_bytes_new_take(t, fdt_totalsize(t));
}

GBytes *virt_tree(const Board *b, const BoardImages *images, const VirtTree *tree)
{
    void *t = g_malloc0(TREE_BYTES);
    GBytes *done;
    int result;

    need(fdt_create(t, TREE_BYTES));
    need(fdt_finish_reservemap(t));
    begin(t, "");
    CELLS(t, "#address-cells", CELL(2));
    CELLS(t, "#size-cells", CELL(2));
    text(t, "compatible", "riscv-virtio");
    text(t, "model", "riscv-virtio,qemu");
    top_level(t, b);
    cpus(t, b);
    soc(t, b);
    begin(t, "chosen");
    text(t, "stdout-path", "/soc/serial@10000000");
    end(t);
    end(t);
    need(fdt_finish(t));
    done = finish(t, TREE_BYTES, images, tree, &result);
    need(result);
    g_free(t);
    return done;
}

GBytes *virt_tree_from(const Board *b, const BoardImages *images, const VirtTree *tree,
                       GError **error)
{
    GBytes *bytes = image_read(images->dtb, TREE_LIMIT, error), *done = NULL;
    size_t size;
    const void *data;
    int result;

    (void)b;
    if (!bytes) {
        return NULL;
    }
    data = g_bytes_get_data(bytes, &size);
    result = size < sizeof(struct fdt_header) ? -FDT_ERR_TRUNCATED : fdt_check_full(data, size);
    if (result >= 0) {
        done = finish(data, size, images, tree, &result);
    }
    if (!done) {
        g_set_error(error, BOARD_ERROR, 0, "%s: is no device tree: %s", images->dtb,
                    fdt_strerror(result));
    }
    g_bytes_unref(bytes);
    return done;
}
