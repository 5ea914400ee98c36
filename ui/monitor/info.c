/* SPDX-License-Identifier: Apache-2.0 */
/* What `info` shows. */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/host/block/image.h"
#include "translator/translator.h"
#include "ui/cli/version.h"
#include "ui/monitor/state.h"

void info_version(Hmp *h)
{
    g_string_append(h->out, "ketch " KETCH_VERSION "\n");
}

void info_name(Hmp *h)
{
    if (h->monitor->vm.name) {
        g_string_append_printf(h->out, "%s\n", h->monitor->vm.name);
    }
}

void info_uuid(Hmp *h)
{
    g_string_append_printf(h->out, "%s\n", monitor_uuid(h->monitor));
}

void info_kvm(Hmp *h)
{
    g_string_append(h->out, "kvm support: disabled\n");
}

void info_status(Hmp *h)
{
    const char *status = monitor_status(h->monitor);
    bool running = strcmp(status, "running") == 0;

    if (running || strcmp(status, "paused") == 0) {
        g_string_append_printf(h->out, "VM status: %s\n", status);
    } else {
        g_string_append_printf(h->out, "VM status: paused (%s)\n", status);
    }
}

void info_isolation(Hmp *h)
{
    const MonitorVm *vm = &h->monitor->vm;

    g_string_append_printf(h->out, "isolation of the guest from the host: %s (policy: %s)\n",
                           vm->n_reasons ? "not provided" : "provided", vm->policy);
    for (size_t i = 0; i < vm->n_reasons; i++) {
        g_string_append_printf(h->out, "  %s %s: %s\n", vm->reasons[i].kind, vm->reasons[i].type,
                               vm->reasons[i].why);
    }
}

/* ---- Harts ---- */

void info_cpus(Hmp *h)
{
    Monitor *m = h->monitor;
    MonitorHold hold = monitor_hold(m);

    for (unsigned i = 0; i < machine_harts(m->vm.machine); i++) {
        g_string_append_printf(h->out, "%c CPU #%u: pc=0x%016" PRIx64 "\n",
                               i == h->session->hart ? '*' : ' ', i,
                               machine_hart(m->vm.machine, i)->pc);
    }
    monitor_release(hold);
}

enum { PER_LINE = 3 };

/* The privileged state, under its names in snapshots. */
static void add_system_registers(Hmp *h, Vcpu *vcpu)
{
    const FeSystem *system = h->monitor->vm.system;
    const char *name;
    uint64_t *value;

    for (unsigned i = 0; system->field && system->field(vcpu, i, &name, &value); i++) {
        g_string_append_printf(h->out, "%s%-13s %016" PRIx64, i % PER_LINE ? " " : i ? "\n " : " ",
                               name, *value);
    }
    g_string_append_c(h->out, '\n');
}

static void add_registers(Hmp *h, unsigned hart)
{
    Vcpu *vcpu = machine_hart(h->monitor->vm.machine, hart);
    char text[8192];

    h->monitor->vm.frontend->dump(vcpu, text, sizeof(text));
    g_string_append_printf(h->out, "CPU#%u\n%s", hart, text);
    add_system_registers(h, vcpu);
}

void info_registers(Hmp *h)
{
    bool all = h->argv[0] && strcmp(h->argv[0], "-a") == 0;
    MonitorHold hold = monitor_hold(h->monitor);

    for (unsigned i = 0; i < machine_harts(h->monitor->vm.machine); i++) {
        if (all || i == h->session->hart) {
            add_registers(h, i);
        }
    }
    monitor_release(hold);
}

enum { MAPPINGS = 4096 }; /* lines at most */

/* Does `b` go on where `a` ends, here and there? */
static bool continues(const FeMapping *a, const FeMapping *b)
{
    return a->vaddr + a->size == b->vaddr && a->paddr + a->size == b->paddr &&
           strcmp(a->attributes, b->attributes) == 0;
}

static void add_mapping(GString *out, const FeMapping *m)
{
    g_string_append_printf(out, "%016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %s\n", m->vaddr,
                           m->paddr, m->size, m->attributes);
}

static void add_mappings(Hmp *h, Vcpu *vcpu)
{
    const FeSystem *system = h->monitor->vm.system;
    FeMapping all, next;
    unsigned lines = 0;

    if (!system->mapping || !system->mapping(vcpu, 0, &all)) {
        g_string_append(h->out, "No translation: addresses are physical\n");
        return;
    }
    g_string_append(h->out, "vaddr            paddr            size             attributes\n");
    while (all.vaddr + all.size > all.vaddr && lines < MAPPINGS &&
           system->mapping(vcpu, all.vaddr + all.size, &next) && next.vaddr > all.vaddr) {
        if (continues(&all, &next)) {
            all.size += next.size;
        } else {
            add_mapping(h->out, &all);
            all = next;
            lines++;
        }
    }
    add_mapping(h->out, &all);
}

void info_tlb(Hmp *h)
{
    MonitorHold hold = monitor_hold(h->monitor);

    add_mappings(h, machine_hart(h->monitor->vm.machine, h->session->hart));
    monitor_release(hold);
}

void info_jit(Hmp *h)
{
    int fd = memfd_create("ketch-stats", MFD_CLOEXEC);
    char text[4096];
    ssize_t n;

    if (fd < 0) {
        return;
    }
    tr_stats_print(fd);
    if (lseek(fd, 0, SEEK_SET) == 0) {
        while ((n = read(fd, text, sizeof(text))) > 0) {
            g_string_append_len(h->out, text, n);
        }
    }
    close(fd);
}

/* ---- Memory and devices ---- */

void info_mtree(Hmp *h)
{
    static const char *const kinds[] = {
        [PHYS_ram] = "ram", [PHYS_rom] = "rom", [PHYS_mmio] = "i/o",
    };
    const PhysRegion *r;

    g_string_append(h->out, "address-space: physical\n");
    for (unsigned i = 0; (r = phys_region(h->monitor->vm.mem, i)); i++) {
        g_string_append_printf(h->out, "  %016" PRIx64 "-%016" PRIx64 " (%s): %s\n", r->base,
                               r->base + r->size - 1, kinds[r->kind], r->name);
    }
}

void info_roms(Hmp *h)
{
    const MonitorVm *vm = &h->monitor->vm;

    for (size_t i = 0; i < vm->n_roms; i++) {
        const PhysRegion *r = phys_find(vm->mem, vm->roms[i].addr);

        g_string_append_printf(h->out, "addr=%016" PRIx64 " size=0x%06" PRIx64 " mem=%s name=\"%s\"\n",
                               vm->roms[i].addr, vm->roms[i].size, r ? r->name : "none",
                               vm->roms[i].name);
    }
}

static void add_device(void *opaque, Dev *dev, unsigned depth)
{
    GString *out = opaque;
    int indent = (int)depth * 2;

    g_string_append_printf(out, "%*sdev: %s, id \"%s\"\n", indent, "", dev->type->name, dev->id);
    for (unsigned i = 0; i < dev->type->n_props; i++) {
        char *text = dev_prop_text(dev, &dev->type->props[i]);

        g_string_append_printf(out, "%*s  %s = %s\n", indent, "", dev->type->props[i].name, text);
        g_free(text);
    }
    for (unsigned i = 0; i < dev->type->n_banks && i < DEV_MAX_BANKS; i++) {
        if (dev->region[i]) {
            g_string_append_printf(out, "%*s  mmio %016" PRIx64 "/%016" PRIx64 "\n", indent, "",
                                   dev->region[i]->base, dev->region[i]->size);
        }
    }
}

void info_qtree(Hmp *h)
{
    dev_for_each(h->monitor->vm.root, add_device, h->out);
}

void info_block(Hmp *h)
{
    const MonitorVm *vm = &h->monitor->vm;

    for (size_t i = 0; i < vm->n_drives; i++) {
        BlockInfo info;

        if (block_info(vm->drives[i].block, &info) != 0) {
            continue;
        }
        g_string_append_printf(h->out, "%s: %s (%s%s)\n", vm->drives[i].id, info.path, info.format,
                               info.read_only ? ", read-only" : "");
        if (vm->drives[i].device) {
            g_string_append_printf(h->out, "    Attached to:      %s\n", vm->drives[i].device);
        }
        g_string_append_printf(h->out, "    Size:             %" PRIu64 " bytes\n",
                               info.virtual_size);
    }
}

void info_snapshots(Hmp *h)
{
    const MonitorVm *vm = &h->monitor->vm;

    for (size_t i = 0; i < vm->n_drives; i++) {
        gsize before = h->out->len;
        char *title = g_strdup_printf("%s: ", vm->drives[i].id);

        image_snapshot_table(vm->drives[i].block, h->out);
        if (h->out->len > before) {
            g_string_insert(h->out, (gssize)before, title);
        }
        g_free(title);
    }
}

void info_blockstats(Hmp *h)
{
    const MonitorVm *vm = &h->monitor->vm;

    for (size_t i = 0; i < vm->n_drives; i++) {
        BlockStats s;

        block_stats(vm->drives[i].block, &s);
        g_string_append_printf(h->out,
                               "%s: rd_bytes=%" PRIu64 " wr_bytes=%" PRIu64 " rd_operations=%" PRIu64
                               " wr_operations=%" PRIu64 " flush_operations=%" PRIu64
                               " unmap_operations=%" PRIu64 "\n",
                               vm->drives[i].id, s.read_bytes, s.write_bytes, s.read_operations,
                               s.write_operations, s.flush_operations, s.unmap_operations);
    }
}

static void add_peers(GString *out, const MonitorPeer *peers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool more = strcmp(peers[i].text, peers[i].kind) != 0;

        g_string_append_printf(out, "%s: type=%s%s%s%s\n", peers[i].id, peers[i].kind, more ? "," : "",
                               more ? peers[i].text : "",
                               peers[i].netdev && !netdev_link(peers[i].netdev) ? " (link down)" : "");
    }
}

void info_network(Hmp *h)
{
    add_peers(h->out, h->monitor->vm.netdevs, h->monitor->vm.n_netdevs);
}

void info_usernet(Hmp *h)
{
    const MonitorVm *vm = &h->monitor->vm;

    for (size_t i = 0; i < vm->n_netdevs; i++) {
        char *text = netdev_connections(vm->netdevs[i].netdev);

        if (text) {
            g_string_append_printf(h->out, "%s:\n%s", vm->netdevs[i].id, text);
        }
        g_free(text);
    }
}

void info_chardev(Hmp *h)
{
    add_peers(h->out, h->monitor->vm.chardevs, h->monitor->vm.n_chardevs);
}
