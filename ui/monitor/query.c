/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of qmp.def: each builds what its row of types.def describes. */
#include <string.h>

#include "ui/cli/version.h"
#include "ui/monitor/state.h"

static JsonNode *finish(JsonBuilder *b)
{
    JsonNode *root = json_builder_get_root(b);

    g_object_unref(b);
    return root;
}

static JsonBuilder *object(void)
{
    return json_builder_begin_object(json_builder_new_immutable());
}

static JsonBuilder *array(void)
{
    return json_builder_begin_array(json_builder_new_immutable());
}

static JsonNode *end_object(JsonBuilder *b)
{
    return finish(json_builder_end_object(b));
}

static JsonNode *end_array(JsonBuilder *b)
{
    return finish(json_builder_end_array(b));
}

static void begin(JsonBuilder *b, const char *name)
{
    json_builder_set_member_name(b, name);
    json_builder_begin_object(b);
}

static void str(JsonBuilder *b, const char *name, const char *value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_string_value(b, value);
}

static void num(JsonBuilder *b, const char *name, uint64_t value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_int_value(b, (gint64)value);
}

static void yes(JsonBuilder *b, const char *name, bool value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_boolean_value(b, value);
}

#define COMMAND(name)                                                     \
    JsonNode *name(MonitorSession *s, JsonObject *args, GError **error)

COMMAND(qmp_capabilities)
{
    JsonNode *enable = json_object_get_member(args, "enable");

    if (enable && json_array_get_length(json_node_get_array(enable)) > 0) {
        g_set_error(error, MONITOR_ERROR, 0, "There are no capabilities to enable");
        return NULL;
    }
    s->negotiated = true;
    return NULL;
}

COMMAND(query_version)
{
    JsonBuilder *b = object();

    (void)s, (void)args, (void)error;
    begin(b, "qemu");
    num(b, "major", KETCH_VERSION_MAJOR);
    num(b, "minor", KETCH_VERSION_MINOR);
    num(b, "micro", KETCH_VERSION_MICRO);
    json_builder_end_object(b);
    str(b, "package", "ketch " KETCH_VERSION);
    return end_object(b);
}

COMMAND(query_commands)
{
    JsonBuilder *b = array();

    (void)s, (void)args, (void)error;
    for (const QmpCommand *c = qmp_commands; c->name; c++) {
        json_builder_begin_object(b);
        str(b, "name", c->name);
        json_builder_end_object(b);
    }
    return end_array(b);
}

COMMAND(query_status)
{
    const char *status = monitor_status(s->monitor);
    JsonBuilder *b = object();

    (void)args, (void)error;
    yes(b, "running", strcmp(status, "running") == 0);
    str(b, "status", status);
    return end_object(b);
}

COMMAND(query_name)
{
    JsonBuilder *b = object();

    (void)args, (void)error;
    if (s->monitor->vm.name) {
        str(b, "name", s->monitor->vm.name);
    }
    return end_object(b);
}

COMMAND(query_kvm)
{
    JsonBuilder *b = object();

    (void)s, (void)args, (void)error;
    yes(b, "enabled", false);
    yes(b, "present", false);
    return end_object(b);
}

COMMAND(query_target)
{
    JsonBuilder *b = object();

    (void)args, (void)error;
    str(b, "arch", s->monitor->vm.frontend->name);
    return end_object(b);
}

COMMAND(query_machines)
{
    JsonBuilder *b = array();

    (void)args, (void)error;
    json_builder_begin_object(b);
    str(b, "name", s->monitor->vm.board);
    yes(b, "is-default", true);
    num(b, "cpu-max", MACHINE_HARTS);
    yes(b, "hotpluggable-cpus", false);
    yes(b, "numa-mem-supported", false);
    yes(b, "deprecated", false);
    json_builder_end_object(b);
    return end_array(b);
}

COMMAND(query_cpus)
{
    Monitor *m = s->monitor;
    JsonBuilder *b = array();

    (void)args, (void)error;
    for (unsigned i = 0; i < machine_harts(m->vm.machine); i++) {
        char *path = g_strdup_printf("/machine/hart[%u]", i);

        json_builder_begin_object(b);
        num(b, "cpu-index", i);
        str(b, "qom-path", path);
        num(b, "thread-id", 0);
        str(b, "target", m->vm.frontend->name);
        begin(b, "props");
        num(b, "core-id", i);
        json_builder_end_object(b);
        json_builder_end_object(b);
        g_free(path);
    }
    return end_array(b);
}

COMMAND(query_memory)
{
    JsonBuilder *b = object();

    (void)args, (void)error;
    num(b, "base-memory", s->monitor->vm.ram_size);
    return end_object(b);
}

/* ---- Drives ---- */

static void add_image(JsonBuilder *b, const BlockInfo *info)
{
    begin(b, "image");
    str(b, "filename", info->path);
    str(b, "format", info->format);
    num(b, "virtual-size", info->virtual_size);
    num(b, "actual-size", info->disk_size);
    if (info->cluster_size) {
        num(b, "cluster-size", info->cluster_size);
    }
    json_builder_end_object(b);
}

COMMAND(query_block)
{
    const MonitorVm *vm = &s->monitor->vm;
    JsonBuilder *b = array();

    (void)args, (void)error;
    for (size_t i = 0; i < vm->n_drives; i++) {
        BlockInfo info;

        if (block_info(vm->drives[i].block, &info) != 0) {
            continue;
        }
        json_builder_begin_object(b);
        str(b, "device", vm->drives[i].id);
        if (vm->drives[i].device) {
            str(b, "qdev", vm->drives[i].device);
        }
        str(b, "type", "unknown");
        yes(b, "removable", false);
        yes(b, "locked", false);
        begin(b, "inserted");
        str(b, "file", info.path);
        yes(b, "ro", info.read_only);
        str(b, "drv", info.format);
        yes(b, "encrypted", info.encrypted);
        add_image(b, &info);
        json_builder_end_object(b);
        json_builder_end_object(b);
    }
    return end_array(b);
}

COMMAND(query_blockstats)
{
    const MonitorVm *vm = &s->monitor->vm;
    JsonBuilder *b = array();

    (void)args, (void)error;
    for (size_t i = 0; i < vm->n_drives; i++) {
        BlockStats stats;

        block_stats(vm->drives[i].block, &stats);
        json_builder_begin_object(b);
        str(b, "device", vm->drives[i].id);
        begin(b, "stats");
        num(b, "rd_bytes", stats.read_bytes);
        num(b, "wr_bytes", stats.write_bytes);
        num(b, "unmap_bytes", stats.unmap_bytes);
        num(b, "rd_operations", stats.read_operations);
        num(b, "wr_operations", stats.write_operations);
        num(b, "flush_operations", stats.flush_operations);
        num(b, "unmap_operations", stats.unmap_operations);
        json_builder_end_object(b);
        json_builder_end_object(b);
    }
    return end_array(b);
}

COMMAND(query_chardev)
{
    const MonitorVm *vm = &s->monitor->vm;
    JsonBuilder *b = array();

    (void)args, (void)error;
    for (size_t i = 0; i < vm->n_chardevs; i++) {
        json_builder_begin_object(b);
        str(b, "label", vm->chardevs[i].id);
        str(b, "filename", vm->chardevs[i].text);
        yes(b, "frontend-open", true);
        json_builder_end_object(b);
    }
    return end_array(b);
}

COMMAND(query_balloon)
{
    JsonBuilder *b;
    uint64_t bytes;

    (void)args;
    if (!monitor_balloon_get(s->monitor, &bytes, error)) {
        return NULL;
    }
    b = object();
    num(b, "actual", bytes);
    return end_object(b);
}

COMMAND(qmp_balloon)
{
    gint64 bytes = json_object_get_int_member(args, "value");

    if (bytes <= 0) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Parameter 'value' expects a size");
    } else {
        (void)!monitor_balloon_set(s->monitor, (uint64_t)bytes, error);
    }
    return NULL;
}

COMMAND(qmp_set_link)
{
    (void)!monitor_set_link(s->monitor, json_object_get_string_member(args, "name"),
                            json_object_get_boolean_member(args, "up"), error);
    return NULL;
}

COMMAND(query_isolation)
{
    const MonitorVm *vm = &s->monitor->vm;
    JsonBuilder *b = object();

    (void)args, (void)error;
    yes(b, "provides-isolation", vm->n_reasons == 0);
    str(b, "policy", vm->policy);
    json_builder_set_member_name(b, "reasons");
    json_builder_begin_array(b);
    for (size_t i = 0; i < vm->n_reasons; i++) {
        json_builder_begin_object(b);
        str(b, "kind", vm->reasons[i].kind);
        str(b, "type", vm->reasons[i].type);
        str(b, "why", vm->reasons[i].why);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
    return end_object(b);
}

/* ---- Control ---- */

COMMAND(qmp_stop)
{
    (void)args, (void)error;
    monitor_stop(s->monitor);
    return NULL;
}

COMMAND(qmp_cont)
{
    (void)args, (void)error;
    monitor_cont(s->monitor);
    return NULL;
}

COMMAND(qmp_system_reset)
{
    (void)args, (void)error;
    monitor_request(s->monitor, MACHINE_restart);
    return NULL;
}

COMMAND(qmp_powerdown)
{
    (void)args, (void)error;
    monitor_powerdown(s->monitor);
    return NULL;
}

COMMAND(qmp_quit)
{
    (void)args, (void)error;
    monitor_request(s->monitor, MACHINE_shutdown);
    return NULL;
}

static bool take_hart(MonitorSession *s, JsonObject *args, unsigned *hart, GError **error)
{
    gint64 index = json_object_get_int_member_with_default(args, "cpu-index", 0);

    if (index < 0 || index >= machine_harts(s->monitor->vm.machine)) {
        g_set_error(error, MONITOR_ERROR, 0, "Parameter 'cpu-index' expects a hart's number");
        return false;
    }
    *hart = (unsigned)index;
    return true;
}

COMMAND(qmp_human)
{
    unsigned hart;
    GString *out;
    JsonNode *node;

    if (!take_hart(s, args, &hart, error)) {
        return NULL;
    }
    out = g_string_new(NULL);
    hmp_human(s->monitor, hart, json_object_get_string_member(args, "command-line"), out);
    node = json_node_init_string(json_node_alloc(), out->str);
    g_string_free(out, TRUE);
    return node;
}

static JsonNode *save(MonitorSession *s, JsonObject *args, int hart, GError **error)
{
    gint64 size = json_object_get_int_member(args, "size");

    if (size < 0) {
        g_set_error(error, MONITOR_ERROR, 0, "Parameter 'size' expects a number of bytes");
        return NULL;
    }
    (void)!monitor_save(s->monitor, hart, (uint64_t)json_object_get_int_member(args, "val"),
                        (uint64_t)size, json_object_get_string_member(args, "filename"), error);
    return NULL;
}

COMMAND(qmp_memsave)
{
    unsigned hart;

    return take_hart(s, args, &hart, error) ? save(s, args, (int)hart, error) : NULL;
}

COMMAND(qmp_pmemsave)
{
    return save(s, args, -1, error);
}
