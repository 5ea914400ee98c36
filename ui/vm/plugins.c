/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/vm/plugins.h"

#include "plugins/plugins.h"
#include "userland/symtab.h"

enum { FILES = 2 };

static const Vm *attached;

/* ---- Symbols ---- */

static struct {
    const char *path;
    const Symtab *symtab;
} files[FILES];
static unsigned n_files;

static void add_file(const char *path)
{
    const Symtab *s = path ? symtab_read(path) : NULL;

    if (s) {
        files[n_files].path = path;
        files[n_files++].symtab = s;
    }
}

/* Files are where they say: Linux as soon as it runs with its own page tables, unless it chooses another
 * place. */
static bool place(uint64_t vaddr, PluginPlace *out)
{
    for (unsigned i = 0; i < n_files; i++) {
        SymtabEntry e;

        if (!symtab_has(files[i].symtab, vaddr)) {
            continue;
        }
        *out = (PluginPlace){ .file = files[i].path };
        if (symtab_find(files[i].symtab, vaddr, &e)) {
            out->symbol = e.name;
            out->start = e.start;
            out->size = e.size;
        }
        return true;
    }
    return false;
}

const char *vm_symbol(void *opaque, uint64_t pc, uint64_t *offset)
{
    PluginPlace at;

    (void)opaque;
    if (!place(pc, &at) || !at.symbol) {
        return NULL;
    }
    *offset = pc - at.start;
    return at.symbol;
}

/* ---- Memory ---- */

/* The hart of a vcpu has its number. */
static bool read_memory(Vcpu *vcpu, uint64_t vaddr, void *to, size_t size)
{
    return vcpu && machine_read(attached->machine, vcpu->index, vaddr, to, size);
}

/* Of what the hart has just loaded or stored. */
static bool is_known(const Vcpu *vcpu, uint64_t vaddr, PluginPhysical *out)
{
    const uint8_t *host = mmu_host(vcpu, vaddr, false);

    out->device = NULL;
    return host && phys_of_host(attached->env.mem, host, &out->paddr);
}

static bool walk(Vcpu *vcpu, uint64_t vaddr, bool write, PluginPhysical *out)
{
    FeWalk w = fe_riscv64_system.walk(vcpu, vaddr, write ? MMU_write : MMU_read, 1);
    uint64_t paddr = w.ok ? w.page.paddr + (vaddr - w.page.vaddr) : 0;
    const PhysRegion *r = w.ok ? phys_find(attached->env.mem, paddr) : NULL;

    if (!r) {
        return false;
    }
    *out = (PluginPhysical){ paddr, r->kind == PHYS_mmio ? r->name : NULL };
    return true;
}

static bool translate(Vcpu *vcpu, uint64_t vaddr, bool write, PluginPhysical *out)
{
    return is_known(vcpu, vaddr, out) || walk(vcpu, vaddr, write, out);
}

/* Pages of RAM; whether all are is seen before anything is written. */
static bool each_page(Vcpu *vcpu, uint64_t vaddr, const uint8_t *from, size_t size, bool write)
{
    for (size_t at = 0, n; at < size; at += n) {
        PluginPhysical p;

        n = MIN(size - at, PHYS_PAGE - (vaddr + at) % PHYS_PAGE);
        if (!walk(vcpu, vaddr + at, true, &p) || !phys_map(attached->env.mem, p.paddr, n) ||
            (write && !phys_write(attached->env.mem, p.paddr, from + at, n))) {
            return false;
        }
    }
    return true;
}

static bool write_memory(Vcpu *vcpu, uint64_t vaddr, const void *from, size_t size)
{
    return vcpu && each_page(vcpu, vaddr, from, size, false) && each_page(vcpu, vaddr, from, size, true);
}

static bool read_physical(uint64_t paddr, void *to, size_t size)
{
    return phys_read(attached->env.mem, paddr, to, size);
}

static bool write_physical(uint64_t paddr, const void *from, size_t size)
{
    return phys_write(attached->env.mem, paddr, from, size);
}

/* A machine has no program. */
static void program(PluginProgram *out)
{
    *out = (PluginProgram){ 0 };
}

static PluginTarget target = {
    .guest = &fe_riscv64_machine,
    .self = machine_self,
    .read = read_memory,
    .write = write_memory,
    .place = place,
    .program = program,
    .translate = translate,
    .read_physical = read_physical,
    .write_physical = write_physical,
};

/* ---- Events ---- */

static void crash(int sig, const siginfo_t *info)
{
    chardev_restore_terminal();
    plugins_blame(sig, info);
}

const MachineEvents vm_plugin_events = {
    .start = plugins_vcpu_start,
    .idle = plugins_vcpu_idle,
    .resume = plugins_vcpu_resume,
    .crash = crash,
};

bool vm_plugins_load(const Vm *vm, const TrInstrument **instrument, GError **error)
{
    attached = vm;
    add_file(vm->options->kernel);
    add_file(vm->options->bios);
    target.n_vcpus = vm->options->harts;
    return plugins_load(&target, instrument, error);
}
