/* SPDX-License-Identifier: Apache-2.0 */
/* Semihosting calls of a machine: memory of the hart that makes one, a console on a chardev. */
#include <string.h>

#include "ui/vm/keys.h"
#include "ui/vm/vm.h"

/* Who makes a call. */
typedef struct Caller {
    Vm *vm;
    unsigned hart;
} Caller;

static bool read_guest(void *thread, uint64_t addr, void *to, size_t n)
{
    const Caller *c = thread;

    return machine_read(c->vm->machine, c->hart, addr, to, n);
}

static bool write_guest(void *thread, uint64_t addr, const void *from, size_t n)
{
    const Caller *c = thread;

    return machine_write(c->vm->machine, c->hart, addr, from, n);
}

/* ---- The console ---- */

static void console_write(void *thread, const void *bytes, size_t n)
{
    VmSemihost *s = &((Caller *)thread)->vm->semihost;

    if (s->port.chardev) {
        chardev_write(&s->port, bytes, n);
    } else {
        semihost_stderr(bytes, n);
    }
}

static int console_read(void *thread)
{
    VmSemihost *s = &((Caller *)thread)->vm->semihost;
    int byte = SEMIHOST_LATER;

    if (!s->port.chardev) {
        return SEMIHOST_END; /* standard input is the serial port's */
    }
    pthread_mutex_lock(&s->lock);
    if (s->n) {
        byte = s->input[s->first];
        s->first = (s->first + 1) % sizeof(s->input);
        s->n--;
    }
    pthread_mutex_unlock(&s->lock);
    if (byte >= 0) {
        chardev_accept(&s->port);
    }
    return byte;
}

static size_t console_room(void *opaque)
{
    VmSemihost *s = opaque;
    size_t room;

    pthread_mutex_lock(&s->lock);
    room = sizeof(s->input) - s->n;
    pthread_mutex_unlock(&s->lock);
    return room;
}

static void console_receive(void *opaque, const uint8_t *data, size_t n)
{
    VmSemihost *s = opaque;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < n && s->n < sizeof(s->input); i++, s->n++) {
        s->input[(s->first + s->n) % sizeof(s->input)] = data[i];
    }
    pthread_mutex_unlock(&s->lock);
}

static const ChardevOps console_ops = { console_room, console_receive, NULL, NULL };

/* ---- Memory: the largest part of RAM where nothing was loaded ---- */

/* The first loaded byte at or above `from`, and where what is there ends. */
static uint64_t next_blob(const Board *b, uint64_t from, uint64_t limit, uint64_t *end)
{
    uint64_t first = limit;

    *end = limit;
    for (unsigned i = 0; i < b->blobs->len; i++) {
        const BoardBlob *blob = b->blobs->pdata[i];
        uint64_t blob_end = blob->addr + g_bytes_get_size(blob->bytes);

        if (blob_end > from && blob->addr < first) {
            first = blob->addr;
            *end = blob_end;
        }
    }
    return first > from ? first : from;
}

static void tell_memory(void *thread, SemihostMemory *m)
{
    const Board *b = ((const Caller *)thread)->vm->board;
    uint64_t at = b->type->ram_base, limit = at + b->config.ram_size;

    while (at < limit) {
        uint64_t end, first = next_blob(b, at, limit, &end);

        if (first - at > m->heap_limit - m->heap_base) {
            m->heap_base = at;
            m->heap_limit = first;
        }
        at = end;
    }
    m->stack_base = m->heap_limit;
    m->stack_limit = m->heap_base;
}

/* ---- Coming and going ---- */

static SemihostTarget target = { .read = read_guest,
                                 .write = write_guest,
                                 .console_write = console_write,
                                 .console_read = console_read,
                                 .memory = tell_memory };

/* Without arg=: the kernel and its command line. */
static void set_arguments(const VmOptions *o)
{
    GPtrArray *args = o->semihosting.args;

    if (args->len == 0 && o->kernel) {
        g_ptr_array_add(args, g_strdup(o->kernel));
        if (o->append) {
            g_ptr_array_add(args, g_strdup(o->append));
        }
    }
    g_ptr_array_add(args, NULL);
    target.argv = (const char *const *)args->pdata;
}

static bool attach(Vm *vm, const char *id, GError **error)
{
    Chardev *c = vm_chardev(vm, id);

    if (!c) {
        g_set_error(error, VM_ERROR, 0, "-semihosting-config: there is no -chardev with id=%s", id);
        return false;
    }
    if (!chardev_attach(&vm->semihost.port, c, &console_ops, &vm->semihost)) {
        g_set_error(error, VM_ERROR, 0, "-semihosting-config: chardev '%s' is in use, and no mux", id);
        return false;
    }
    return true;
}

bool vm_semihost(Vm *vm, GError **error)
{
    const VmSemihostOptions *o = &vm->options->semihosting;

    pthread_mutex_init(&vm->semihost.lock, NULL);
    if (!o->on) {
        return true;
    }
    set_arguments(vm->options);
    vm->semihost.host = semihost_new(&fe_riscv64_machine, &target);
    if (!vm->semihost.host) {
        g_set_error(error, VM_ERROR, 0, "-semihosting: out of memory");
        return false;
    }
    return !o->chardev || attach(vm, o->chardev, error);
}

void vm_semihost_end(Vm *vm)
{
    if (vm->semihost.port.chardev) {
        chardev_detach(&vm->semihost.port);
    }
    semihost_free(vm->semihost.host);
}

static bool may_call(const Vm *vm, const Vcpu *vcpu)
{
    const FeRegister *privilege = fe_register(&fe_riscv64_machine, "priv");

    return vm->options->semihosting.user || privilege->get(vcpu, privilege->slot) != 0;
}

MachineCall vm_semihost_call(void *opaque, unsigned hart, Vcpu *vcpu)
{
    Vm *vm = opaque;
    Caller caller = { vm, hart };
    int status = 0;

    if (!may_call(vm, vcpu)) {
        return MACHINE_call_none;
    }
    switch (semihost_breakpoint(vm->semihost.host, vcpu, &caller, &status)) {
    case SEMIHOST_none:
        return MACHINE_call_none;
    case SEMIHOST_again:
        return MACHINE_call_again;
    case SEMIHOST_exit:
        machine_request(vm->machine, (MachineEvent){ MACHINE_shutdown, status & 0xff, "guest-shutdown" });
        return MACHINE_call_done;
    case SEMIHOST_done:
        break;
    }
    return MACHINE_call_done;
}
