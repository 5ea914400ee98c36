/* SPDX-License-Identifier: Apache-2.0 */
/* The questions of the plugin interface: accesses, memory, registers, the program, small help. */
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/log.h"
#include "plugins/plugin.h"

/* ---- Instructions ---- */

char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *insn)
{
    const TrInsn *i = (const TrInsn *)insn;
    char text[128];

    plugin_target->guest->disassemble(i->pc, tr_insn_bytes(i), i->size, text, sizeof(text));
    return g_strdup(text);
}

const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *insn)
{
    PluginPlace place = { 0 };

    plugin_target->place(((const TrInsn *)insn)->pc, &place);
    return place.symbol;
}

/* ---- Memory accesses ---- */

unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info)
{
    return info & TR_ACCESS_SIZE;
}

bool qemu_plugin_mem_is_sign_extended(qemu_plugin_meminfo_t info)
{
    return info & TR_ACCESS_SIGN;
}

bool qemu_plugin_mem_is_big_endian(qemu_plugin_meminfo_t info)
{
    (void)info;
    return false;
}

bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info)
{
    return info & TR_ACCESS_STORE;
}

qemu_plugin_mem_value qemu_plugin_mem_get_value(qemu_plugin_meminfo_t info)
{
    qemu_plugin_mem_value v = { .type = info & TR_ACCESS_SIZE };
    uint64_t low, high;

    tr_access_value(&low, &high);
    if (v.type == QEMU_PLUGIN_MEM_VALUE_U128) {
        v.data.u128.high = high;
    } else {
        low = bits_zext(low, 8u << v.type);
    }
    v.data.u128.low = low; /* the other members are its low bits on this host */
    return v;
}

/* ---- Physical addresses: of machines only ---- */

struct qemu_plugin_hwaddr {
    PluginPhysical at;
};

static bool translate(uint64_t vaddr, bool write, PluginPhysical *at)
{
    Vcpu *vcpu = plugin_target->self();

    return vcpu && plugin_target->translate && plugin_target->translate(vcpu, vaddr, write, at);
}

/* Good until the next one of this thread. */
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
    static _Thread_local struct qemu_plugin_hwaddr found;

    return translate(vaddr, info & TR_ACCESS_STORE, &found.at) ? &found : NULL;
}

bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *haddr)
{
    return haddr && haddr->at.device;
}

uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *haddr)
{
    return haddr ? haddr->at.paddr : 0;
}

const char *qemu_plugin_hwaddr_device_name(const struct qemu_plugin_hwaddr *h)
{
    if (h && h->at.device) {
        return h->at.device;
    }
    return plugin_target->translate ? "RAM" : "Invalid"; /* as QEMU says it: never NULL */
}

/* ---- Guest memory ---- */

/* `data` becomes the bytes at `copy`, which is freed, when it is `ok`. */
static bool replace(GByteArray *data, uint8_t *copy, size_t len, bool ok)
{
    if (ok) {
        g_byte_array_set_size(data, 0);
        g_byte_array_append(data, copy, (guint)len);
    }
    g_free(copy);
    return ok;
}

bool qemu_plugin_read_memory_vaddr(uint64_t addr, GByteArray *data, size_t len)
{
    uint8_t *copy = len ? g_try_malloc(len) : NULL;
    bool ok = copy && plugin_target->read(plugin_target->self(), addr, copy, len);

    return replace(data, copy, len, ok);
}

bool qemu_plugin_write_memory_vaddr(uint64_t addr, GByteArray *data)
{
    return data->len && plugin_target->write(plugin_target->self(), addr, data->data, data->len);
}

enum qemu_plugin_hwaddr_operation_result
qemu_plugin_read_memory_hwaddr(uint64_t addr, GByteArray *data, size_t len)
{
    uint8_t *copy = len && plugin_target->read_physical ? g_try_malloc(len) : NULL;

    if (!copy) {
        return QEMU_PLUGIN_HWADDR_OPERATION_ERROR;
    }
    return replace(data, copy, len, plugin_target->read_physical(addr, copy, len))
               ? QEMU_PLUGIN_HWADDR_OPERATION_OK
               : QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS;
}

enum qemu_plugin_hwaddr_operation_result qemu_plugin_write_memory_hwaddr(uint64_t addr,
                                                                         GByteArray *data)
{
    if (!data->len || !plugin_target->write_physical) {
        return QEMU_PLUGIN_HWADDR_OPERATION_ERROR;
    }
    return plugin_target->write_physical(addr, data->data, data->len)
               ? QEMU_PLUGIN_HWADDR_OPERATION_OK
               : QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS;
}

bool qemu_plugin_translate_vaddr(uint64_t vaddr, uint64_t *hwaddr)
{
    PluginPhysical at;
    bool ok = translate(vaddr, false, &at);

    if (ok) {
        *hwaddr = at.paddr;
    }
    return ok;
}

/* ---- Registers: handles are the frontend's rows ---- */

GArray *qemu_plugin_get_registers(void)
{
    const Frontend *fe = plugin_target->guest;
    GArray *all = g_array_new(TRUE, TRUE, sizeof(qemu_plugin_reg_descriptor));

    for (unsigned i = 0; i < fe->n_registers; i++) {
        const FeRegister *r = &fe->registers[i];
        qemu_plugin_reg_descriptor d = { (struct qemu_plugin_register *)(uintptr_t)r, r->name,
                                         r->feature };

        g_array_append_val(all, d);
    }
    return all;
}

int qemu_plugin_read_register(struct qemu_plugin_register *handle, GByteArray *buf)
{
    const FeRegister *r = (const FeRegister *)handle;
    const Vcpu *vcpu = plugin_target->self();
    uint64_t v;

    if (!vcpu || !tr_registers_readable()) {
        return -1;
    }
    v = r->get(vcpu, r->slot);
    g_byte_array_append(buf, (const uint8_t *)&v, r->bits / 8);
    return r->bits / 8;
}

static bool is_pc(const FeRegister *r)
{
    return !strcmp(r->type, "code_ptr");
}

int qemu_plugin_write_register(struct qemu_plugin_register *handle, GByteArray *buf)
{
    const FeRegister *r = (const FeRegister *)handle;
    Vcpu *vcpu = plugin_target->self();
    uint64_t v = 0;

    if (!vcpu || !tr_registers_writable() || buf->len < r->bits / 8u || is_pc(r)) {
        return 0;
    }
    memcpy(&v, buf->data, r->bits / 8);
    r->set(vcpu, r->slot, v);
    return r->bits / 8;
}

/* ---- vcpus ---- */

int qemu_plugin_num_vcpus(void)
{
    return (int)tr_vcpu_count();
}

typedef struct ForEach {
    qemu_plugin_id_t id;
    qemu_plugin_vcpu_simple_cb_t cb;
} ForEach;

static void visit(Vcpu *vcpu, void *opaque)
{
    const ForEach *each = opaque;

    each->cb(each->id, vcpu->index);
}

void qemu_plugin_vcpu_for_each(qemu_plugin_id_t id, qemu_plugin_vcpu_simple_cb_t cb)
{
    if (cb) {
        tr_for_each_vcpu(visit, &(ForEach){ id, cb });
    }
}

int qemu_plugin_n_vcpus(void)
{
    return plugin_target->n_vcpus ? (int)plugin_target->n_vcpus : -1;
}

int qemu_plugin_n_max_vcpus(void)
{
    return qemu_plugin_n_vcpus();
}

/* ---- Time ---- */

const void *qemu_plugin_request_time_control(void)
{
    static _Atomic bool taken;
    static const char handle;

    return atomic_exchange(&taken, true) ? NULL : &handle;
}

void qemu_plugin_update_ns(const void *handle, int64_t time)
{
    (void)handle, (void)time;
}

/* ---- Small help ---- */

/* log_line() would cut long texts. */
void qemu_plugin_outs(const char *string)
{
    size_t left = strlen(string);

    while (log_enabled(LOG_plugin) && left) {
        ssize_t n = write(log_fd(), string, left);

        if (n < 0 && errno != EINTR) {
            return;
        }
        string += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

bool qemu_plugin_bool_parse(const char *name, const char *val, bool *ret)
{
    static const char *const words[2][4] = { { "off", "no", "false", "n" },
                                             { "on", "yes", "true", "y" } };

    for (unsigned i = 0; name && val && i < 8; i++) {
        if (!strcmp(val, words[i / 4][i % 4])) {
            *ret = i / 4;
            return true;
        }
    }
    return false;
}

static PluginProgram program(void)
{
    PluginProgram p = { 0 };

    plugin_target->program(&p);
    return p;
}

const char *qemu_plugin_path_to_binary(void)
{
    return g_strdup(program().path);
}

uint64_t qemu_plugin_start_code(void)
{
    return program().code_start;
}

uint64_t qemu_plugin_end_code(void)
{
    return program().code_end;
}

uint64_t qemu_plugin_entry_code(void)
{
    return program().entry;
}
