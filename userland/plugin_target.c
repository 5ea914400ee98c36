/* SPDX-License-Identifier: Apache-2.0 */
/* What plugins see of a guest process. */
#include "userland/plugin_target.h"

#include "userland/mem.h"
#include "userland/symbols.h"
#include "userland/syscall.h"
#include "userland/task.h"
#include "userland/unwind.h"

static Vcpu *self(void)
{
    const Task *t = task_self();

    return t ? t->vcpu : NULL;
}

static bool read_memory(Vcpu *vcpu, uint64_t vaddr, void *to, size_t size)
{
    (void)vcpu; /* all threads share it */
    return mem_read(to, vaddr, size);
}

static bool write_memory(Vcpu *vcpu, uint64_t vaddr, const void *from, size_t size)
{
    (void)vcpu;
    return mem_write(vaddr, from, size);
}

static bool place(uint64_t vaddr, PluginPlace *out)
{
    SymbolPlace p;

    if (!symbols_at(vaddr, &p)) {
        return false;
    }
    *out = (PluginPlace){ .file = p.file, .bias = p.bias, .symbol = p.name, .start = p.start,
                          .size = p.size };
    return true;
}

static void program(PluginProgram *out)
{
    *out = (PluginProgram){ process.exe, process.code_start, process.code_end, process.entry };
}

static const char *syscall_name(int64_t number)
{
    return number >= 0 && number < SYSCALL_LIMIT ? syscall_rows[number].name : NULL;
}

const PluginTarget user_plugin_target = {
    .guest = &fe_riscv64,
    .self = self,
    .read = read_memory,
    .write = write_memory,
    .place = place,
    .program = program,
    .syscall_name = syscall_name,
    .unwind = unwind,
};
