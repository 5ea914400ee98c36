/* SPDX-License-Identifier: Apache-2.0 */
/* What is on the PCI bus, for people and for programs. */
#include <inttypes.h>
#include <string.h>

#include "devices/pci/pci.h"
#include "ui/monitor/build.h"
#include "ui/monitor/state.h"

/* PCI Code and ID Assignment Specification, "Base Class Codes": those of devices that there are. */
static const char *class_name(unsigned class)
{
    static const struct {
        unsigned class;
        const char *name;
    } names[] = {
        { 0x0100, "SCSI controller" }, { 0x0180, "Storage controller" },
        { 0x0200, "Ethernet controller" }, { 0x0280, "Network controller" },
        { 0x0500, "RAM controller" }, { 0x0600, "Host bridge" },
        { 0x0780, "Communication controller" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i].class == class) {
            return names[i].name;
        }
    }
    return NULL;
}

static unsigned class_of(const PciDev *p)
{
    return pci_config_get(p, PCI_CLASS + 1, 2);
}

static void find_host(void *opaque, Dev *dev, unsigned depth)
{
    (void)depth;
    if (dev->type == &dev_pci_host_ecam) {
        *(Dev **)opaque = dev;
    }
}

/* Calls fn for every function, with the lock of the bus. */
static void each_function(Monitor *m, void (*fn)(void *opaque, PciDev *p, unsigned slot), void *opaque)
{
    Dev *host = NULL;

    dev_for_each(m->vm.root, find_host, &host);
    if (!host) {
        return;
    }
    pthread_mutex_lock(host->lock);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        PciDev *p = pci_function(host, slot);

        if (p) {
            fn(opaque, p, slot);
        }
    }
    pthread_mutex_unlock(host->lock);
}

static void add_text(void *opaque, PciDev *p, unsigned slot)
{
    const char *name = class_name(class_of(p));
    unsigned pin = p->config[PCI_INTERRUPT_PIN];
    GString *out = opaque;

    g_string_append_printf(out, "  Bus  0, device %3u, function 0:\n    %s: PCI device %04x:%04x\n", slot,
                           name ? name : "Device", pci_config_get(p, PCI_VENDOR, 2),
                           pci_config_get(p, PCI_DEVICE, 2));
    if (pin) {
        g_string_append_printf(out, "      IRQ pin %c\n", 'A' + (int)pin - 1);
    }
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint32_t base = pci_bar_base(p, i);

        if (base) {
            g_string_append_printf(out, "      BAR%u: 32 bit memory at 0x%08" PRIx32 " [0x%08" PRIx32 "].\n",
                                   i, base, base + p->bar[i].size - 1);
        } else if (p->bar[i].size) {
            g_string_append_printf(out, "      BAR%u: 32 bit memory (not mapped)\n", i);
        }
    }
    g_string_append_printf(out, "      id \"%s\"\n", slot ? p->dev.id : "");
}

void info_pci(Hmp *h)
{
    each_function(h->monitor, add_text, h->out);
}

/* Members as in QEMU's QMP reference, "PciDeviceInfo". */
static void add_json(void *opaque, PciDev *p, unsigned slot)
{
    JsonBuilder *b = opaque;
    const char *name = class_name(class_of(p));

    json_builder_begin_object(b);
    build_num(b, "bus", 0);
    build_num(b, "slot", slot);
    build_num(b, "function", 0);
    build_begin(b, "class_info");
    build_num(b, "class", class_of(p));
    if (name) {
        build_str(b, "desc", name);
    }
    json_builder_end_object(b);
    build_begin(b, "id");
    build_num(b, "vendor", pci_config_get(p, PCI_VENDOR, 2));
    build_num(b, "device", pci_config_get(p, PCI_DEVICE, 2));
    json_builder_end_object(b);
    build_num(b, "irq_pin", p->config[PCI_INTERRUPT_PIN]);
    build_str(b, "qdev_id", slot ? p->dev.id : "");
    json_builder_set_member_name(b, "regions");
    json_builder_begin_array(b);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (p->bar[i].size) {
            json_builder_begin_object(b);
            build_num(b, "bar", i);
            build_str(b, "type", "memory");
            build_num(b, "address", pci_bar_base(p, i));
            build_num(b, "size", p->bar[i].size);
            build_bool(b, "prefetch", false);
            build_bool(b, "mem_type_64", false);
            json_builder_end_object(b);
        }
    }
    json_builder_end_array(b);
    json_builder_end_object(b);
}

/* One bus, also when nothing is plugged into it. */
JsonNode *query_pci(MonitorSession *s, JsonObject *args, GError **error)
{
    JsonBuilder *b = build_array();

    (void)args, (void)error;
    json_builder_begin_object(b);
    build_num(b, "bus", 0);
    json_builder_set_member_name(b, "devices");
    json_builder_begin_array(b);
    each_function(s->monitor, add_json, b);
    json_builder_end_array(b);
    json_builder_end_object(b);
    return build_end_array(b);
}
