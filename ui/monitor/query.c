/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of qmp.def: each builds what its row of types.def describes. */
#include <string.h>

#include "devices/host/block/image.h"
#include "ui/cli/version.h"
#include "ui/monitor/build.h"
#include "ui/monitor/state.h"

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
    JsonBuilder *b = build_object();

    (void)s, (void)args, (void)error;
    build_begin(b, "qemu");
    build_num(b, "major", QMP_MAJOR);
    build_num(b, "minor", QMP_MINOR);
    build_num(b, "micro", QMP_MICRO);
    json_builder_end_object(b);
    build_str(b, "package", "ketch " KETCH_VERSION);
    return build_end_object(b);
}

COMMAND(query_commands)
{
    JsonBuilder *b = build_array();

    (void)s, (void)args, (void)error;
    for (const QmpCommand *c = qmp_commands; c->name; c++) {
        json_builder_begin_object(b);
        build_str(b, "name", c->name);
        json_builder_end_object(b);
    }
    return build_end_array(b);
}

COMMAND(query_status)
{
    const char *status = monitor_status(s->monitor);
    JsonBuilder *b = build_object();

    (void)args, (void)error;
    build_bool(b, "running", strcmp(status, "running") == 0);
    build_str(b, "status", status);
    return build_end_object(b);
}

COMMAND(query_name)
{
    JsonBuilder *b = build_object();

    (void)args, (void)error;
    if (s->monitor->vm.name) {
        build_str(b, "name", s->monitor->vm.name);
    }
    return build_end_object(b);
}

COMMAND(query_uuid)
{
    JsonBuilder *b = build_object();

    (void)args, (void)error;
    build_str(b, "UUID", monitor_uuid(s->monitor));
    return build_end_object(b);
}

COMMAND(query_kvm)
{
    JsonBuilder *b = build_object();

    (void)s, (void)args, (void)error;
    build_bool(b, "enabled", false);
    build_bool(b, "present", false);
    return build_end_object(b);
}

COMMAND(query_target)
{
    JsonBuilder *b = build_object();

    (void)args, (void)error;
    build_str(b, "arch", s->monitor->vm.frontend->name);
    return build_end_object(b);
}

COMMAND(query_machines)
{
    JsonBuilder *b = build_array();

    (void)args, (void)error;
    json_builder_begin_object(b);
    build_str(b, "name", s->monitor->vm.board);
    build_bool(b, "is-default", true);
    build_num(b, "cpu-max", MACHINE_HARTS);
    build_bool(b, "hotpluggable-cpus", false);
    build_bool(b, "numa-mem-supported", false);
    build_bool(b, "deprecated", false);
    json_builder_end_object(b);
    return build_end_array(b);
}

COMMAND(query_cpus)
{
    Monitor *m = s->monitor;
    JsonBuilder *b = build_array();

    (void)args, (void)error;
    for (unsigned i = 0; i < machine_harts(m->vm.machine); i++) {
        char *path = g_strdup_printf("/machine/hart[%u]", i);

        json_builder_begin_object(b);
        build_num(b, "cpu-index", i);
        build_str(b, "qom-path", path);
        build_num(b, "thread-id", (uint64_t)machine_thread(m->vm.machine, i));
        build_str(b, "target", m->vm.frontend->name);
        build_begin(b, "props");
        build_num(b, "core-id", i);
        json_builder_end_object(b);
        json_builder_end_object(b);
        g_free(path);
    }
    return build_end_array(b);
}

COMMAND(query_memory)
{
    JsonBuilder *b = build_object();

    (void)args, (void)error;
    build_num(b, "base-memory", s->monitor->vm.ram_size);
    return build_end_object(b);
}

/* ---- Drives ---- */

void monitor_build_snapshot(JsonBuilder *b, const ImageSnapshot *s)
{
    build_str(b, "id", s->id);
    build_str(b, "name", s->name);
    build_num(b, "vm-state-size", s->vm_state_size);
    build_num(b, "date-sec", s->date_s);
    build_num(b, "date-nsec", s->date_ns);
    build_num(b, "vm-clock-sec", s->vm_clock_ns / 1000000000);
    build_num(b, "vm-clock-nsec", s->vm_clock_ns % 1000000000);
}

static void add_snapshots(JsonBuilder *b, Block *block)
{
    ImageSnapshot s;

    json_builder_set_member_name(b, "snapshots");
    json_builder_begin_array(b);
    for (unsigned i = 0; image_snapshot(block, i, &s); i++) {
        json_builder_begin_object(b);
        monitor_build_snapshot(b, &s);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
}

static void add_image(JsonBuilder *b, Block *block, const BlockInfo *info)
{
    ImageQcow2Info qcow2;

    build_begin(b, "image");
    build_str(b, "filename", info->path);
    build_str(b, "format", info->format);
    build_num(b, "virtual-size", info->virtual_size);
    build_num(b, "actual-size", info->disk_size);
    if (info->cluster_size) {
        build_num(b, "cluster-size", info->cluster_size);
    }
    if (image_qcow2_info(block, &qcow2)) {
        add_snapshots(b, block);
    }
    json_builder_end_object(b);
}

static uint64_t depth_of(const Block *block)
{
    uint64_t depth = 0;

    while ((block = block_backing(block))) {
        depth++;
    }
    return depth;
}

static void add_cache(JsonBuilder *b, BlockCache cache)
{
    build_begin(b, "cache");
    build_bool(b, "writeback", cache != BLOCK_CACHE_WRITETHROUGH && cache != BLOCK_CACHE_DIRECTSYNC);
    build_bool(b, "direct", cache == BLOCK_CACHE_NONE || cache == BLOCK_CACHE_DIRECTSYNC);
    build_bool(b, "no-flush", cache == BLOCK_CACHE_UNSAFE);
    json_builder_end_object(b);
}

/* Members of "BlockDeviceInfo". */
static void add_node(JsonBuilder *b, const MonitorDrive *drive, const BlockInfo *info)
{
    static const char *const unlimited[] = { "write_threshold", "bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr" };

    build_str(b, "file", info->path);
    build_str(b, "node-name", drive->node ? drive->node : drive->id);
    build_bool(b, "ro", info->read_only);
    build_str(b, "drv", info->format);
    build_bool(b, "encrypted", info->encrypted);
    if (info->backing_path) {
        build_str(b, "backing_file", info->backing_path);
    }
    build_num(b, "backing_file_depth", depth_of(drive->block));
    build_str(b, "detect_zeroes", "off");
    add_cache(b, info->cache);
    for (size_t i = 0; i < G_N_ELEMENTS(unlimited); i++) {
        build_num(b, unlimited[i], 0);
    }
    add_image(b, drive->block, info);
}

COMMAND(query_nodes)
{
    const MonitorVm *vm = &s->monitor->vm;
    JsonBuilder *b = build_array();

    (void)args, (void)error;
    for (size_t i = 0; i < vm->n_drives; i++) {
        BlockInfo info;

        if (block_info(vm->drives[i].block, &info) == 0) {
            json_builder_begin_object(b);
            add_node(b, &vm->drives[i], &info);
            json_builder_end_object(b);
        }
    }
    return build_end_array(b);
}

COMMAND(query_block)
{
    const MonitorVm *vm = &s->monitor->vm;
    JsonBuilder *b = build_array();

    (void)args, (void)error;
    for (size_t i = 0; i < vm->n_drives; i++) {
        BlockInfo info;

        if (block_info(vm->drives[i].block, &info) != 0) {
            continue;
        }
        json_builder_begin_object(b);
        build_str(b, "device", vm->drives[i].id);
        if (vm->drives[i].device) {
            build_str(b, "qdev", vm->drives[i].device);
        }
        build_str(b, "type", "unknown");
        build_bool(b, "removable", false);
        build_bool(b, "locked", false);
        build_str(b, "io-status", "ok");
        build_begin(b, "inserted");
        add_node(b, &vm->drives[i], &info);
        json_builder_end_object(b);
        json_builder_end_object(b);
    }
    return build_end_array(b);
}

COMMAND(query_blockstats)
{
    const MonitorVm *vm = &s->monitor->vm;
    bool by_node = json_object_get_boolean_member_with_default(args, "query-nodes", FALSE);
    JsonBuilder *b = build_array();

    (void)error;
    for (size_t i = 0; i < vm->n_drives; i++) {
        const MonitorDrive *d = &vm->drives[i];
        BlockStats stats;

        block_stats(d->block, &stats);
        json_builder_begin_object(b);
        if (!by_node) {
            build_str(b, "device", g_strcmp0(d->id, d->node) ? d->id : ""); /* of -blockdev: has no other name */
        }
        if (d->device && *d->device) {
            char *path = g_strdup_printf("/machine/peripheral/%s/virtio-backend", d->device);

            build_str(b, "qdev", path); /* QEMU's device within the device */
            g_free(path);
        }
        build_str(b, "node-name", d->node ? d->node : d->id);
        build_begin(b, "stats");
        build_num(b, "rd_bytes", stats.read_bytes);
        build_num(b, "wr_bytes", stats.write_bytes);
        build_num(b, "unmap_bytes", stats.unmap_bytes);
        build_num(b, "rd_operations", stats.read_operations);
        build_num(b, "wr_operations", stats.write_operations);
        build_num(b, "flush_operations", stats.flush_operations);
        build_num(b, "unmap_operations", stats.unmap_operations);
        json_builder_end_object(b);
        json_builder_end_object(b);
    }
    return build_end_array(b);
}

COMMAND(query_chardev)
{
    const MonitorVm *vm = &s->monitor->vm;
    JsonBuilder *b = build_array();

    (void)args, (void)error;
    for (size_t i = 0; i < vm->n_chardevs; i++) {
        json_builder_begin_object(b);
        build_str(b, "label", vm->chardevs[i].id);
        build_str(b, "filename", vm->chardevs[i].text);
        build_bool(b, "frontend-open", true);
        json_builder_end_object(b);
    }
    return build_end_array(b);
}

COMMAND(qmp_ringbuf_read)
{
    const char *format = json_object_get_string_member_with_default(args, "format", "utf8");
    gint64 size = json_object_get_int_member(args, "size");
    JsonNode *node = NULL;
    uint8_t *bytes;
    size_t n;

    if (size <= 0) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Parameter 'size' expects a number of bytes");
        return NULL;
    }
    if (strcmp(format, "utf8") && strcmp(format, "base64")) {
        g_set_error(error, MONITOR_ERROR, MONITOR_GenericError, "Parameter 'format' is utf8 or base64, not '%s'",
                    format);
        return NULL;
    }
    bytes = monitor_ringbuf_read(s->monitor, json_object_get_string_member(args, "device"), (size_t)size, &n,
                                 error);
    if (bytes) {
        char *text = strcmp(format, "utf8") ? g_base64_encode(bytes, n)
                                            : g_utf8_make_valid((const char *)bytes, (gssize)n);

        node = json_node_init_string(json_node_alloc(), text);
        g_free(text);
    }
    g_free(bytes);
    return node;
}

COMMAND(query_balloon)
{
    JsonBuilder *b;
    uint64_t bytes;

    (void)args;
    if (!monitor_balloon_get(s->monitor, &bytes, error)) {
        return NULL;
    }
    b = build_object();
    build_num(b, "actual", bytes);
    return build_end_object(b);
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
    JsonBuilder *b = build_object();

    (void)args, (void)error;
    build_bool(b, "provides-isolation", vm->n_reasons == 0);
    build_str(b, "policy", vm->policy);
    json_builder_set_member_name(b, "reasons");
    json_builder_begin_array(b);
    for (size_t i = 0; i < vm->n_reasons; i++) {
        json_builder_begin_object(b);
        build_str(b, "kind", vm->reasons[i].kind);
        build_str(b, "type", vm->reasons[i].type);
        build_str(b, "why", vm->reasons[i].why);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
    return build_end_object(b);
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
    (void)args;
    if (monitor_can_go_on(s->monitor, error)) {
        monitor_cont(s->monitor);
    }
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
