/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/monitor/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "ui/monitor/snapshot_disks.h"
#include "ui/monitor/state.h"

enum {
    VERSION = 2,
    CHUNK = 1 << 20, /* bytes of memory in a section */
    LEVEL = 1,       /* of zstd: the disk is slower than more of it gains */
    MAX_THREADS = 8,
    NAME = 256,
};

static const char magic[8] = "KETCHVM\n";

typedef enum Kind {
    KIND_about = 1,
    KIND_clock,
    KIND_hart,
    KIND_device,
    KIND_ram,
    KIND_end,
    KIND_disk,
    KIND_memory,
} Kind;

typedef struct SectionHeader {
    uint32_t kind, name_size;
    uint64_t size;
    uint32_t check, zero;
} SectionHeader;

typedef struct FieldHeader {
    uint32_t name_size, size, count;
} FieldHeader;

static bool fail(GError **error, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

static bool fail(GError **error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    *error = g_error_new_valist(MONITOR_ERROR, 0, fmt, args);
    va_end(args);
    return false;
}

/* CRC-32 of a section: its header with no check, its name, its data. */
static uint32_t check_of(SectionHeader h, const char *name, const void *data)
{
    uLong crc;

    h.check = 0;
    crc = crc32(0, (const Bytef *)&h, sizeof(h));
    crc = crc32(crc, (const Bytef *)name, h.name_size);
    return (uint32_t)(h.size ? crc32_z(crc, data, h.size) : crc);
}

/* ---- What a machine consists of, in one order ---- */

static char *about(const MonitorVm *vm)
{
    return g_strdup_printf("board=%s\nharts=%u\nram=%" PRIu64 "\nisolation=%s\n", vm->board,
                           machine_harts(vm->machine), vm->ram_size,
                           vm->n_reasons ? "none" : "provided");
}

typedef void FieldFn(void *opaque, const DevField *field, void *data);

/* The registers and the rest of a hart. */
static void each_hart_field(const MonitorVm *vm, unsigned hart, FieldFn *fn, void *opaque)
{
    Vcpu *vcpu = machine_hart(vm->machine, hart);
    DevField field = { .count = 1 };
    uint64_t *value;

    for (unsigned i = 0; i < vm->frontend->guest->n_slots; i++) {
        field.name = vm->frontend->guest->slots[i].name;
        field.size = sizeof(vcpu->slot[0]);
        fn(opaque, &field, &vcpu->slot[i]);
    }
    for (unsigned i = 0; vm->system->field && vm->system->field(vcpu, i, &field.name, &value); i++) {
        field.size = sizeof(*value);
        fn(opaque, &field, value);
    }
    field = (DevField){ .name = "pc", .size = sizeof(vcpu->pc), .count = 1 };
    fn(opaque, &field, &vcpu->pc);
    field = (DevField){ .name = "fp_flags", .size = sizeof(vcpu->fp_flags), .count = 1 };
    fn(opaque, &field, &vcpu->fp_flags);
    field = (DevField){ .name = "fp_rm", .size = sizeof(vcpu->fp_rm), .count = 1 };
    fn(opaque, &field, &vcpu->fp_rm);
}

static size_t stride(const DevField *f)
{
    return f->stride ? f->stride : f->size;
}

/* Memory whose chunks are named by their addresses, behind an owner or none. */
typedef struct Memory {
    Kind kind;
    const char *owner;
    uint8_t *host;
    uint64_t base, size;
} Memory;

/* ---- Saving ---- */

typedef struct Writer {
    const MonitorVm *vm;
    FILE *file;
    pthread_mutex_t lock; /* the file and `sections` */
    uint64_t sections;
    bool failed;
    bool too_long; /* a name */
    GByteArray *fields; /* of the section that is being made */
    const Memory *memory; /* being compressed */
    _Atomic uint64_t next; /* chunk of it */
} Writer;

static void put(Writer *w, const void *bytes, size_t n)
{
    w->failed |= fwrite(bytes, 1, n, w->file) != n;
}

static void put_section(Writer *w, Kind kind, const char *name, const void *data, size_t size)
{
    SectionHeader h = { .kind = kind, .name_size = (uint32_t)strlen(name), .size = size };

    h.check = check_of(h, name, data);
    pthread_mutex_lock(&w->lock);
    w->too_long |= h.name_size >= NAME;
    put(w, &h, sizeof(h));
    put(w, name, h.name_size);
    put(w, data, size);
    w->sections++;
    pthread_mutex_unlock(&w->lock);
}

static void add_field(void *opaque, const DevField *field, void *data)
{
    Writer *w = opaque;
    FieldHeader h = { (uint32_t)strlen(field->name), field->size, field->count };

    g_byte_array_append(w->fields, (const guint8 *)&h, sizeof(h));
    g_byte_array_append(w->fields, (const guint8 *)field->name, h.name_size);
    for (uint32_t i = 0; i < field->count; i++) {
        g_byte_array_append(w->fields, (const guint8 *)data + i * stride(field), field->size);
    }
}

static void put_fields(Writer *w, Kind kind, const char *name)
{
    put_section(w, kind, name, w->fields->data, w->fields->len);
    g_byte_array_set_size(w->fields, 0);
}

static void put_device(void *opaque, Dev *dev, unsigned depth)
{
    Writer *w = opaque;

    (void)depth;
    pthread_mutex_lock(dev->lock);
    dev_each_field(dev, add_field, w);
    pthread_mutex_unlock(dev->lock);
    put_fields(w, KIND_device, dev->id);
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

static void *compress_chunks(void *opaque)
{
    Writer *w = opaque;
    const Memory *m = w->memory;
    size_t room = ZSTD_compressBound(CHUNK);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    uint8_t *out = g_malloc(room);
    uint64_t at;

    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
    while ((at = atomic_fetch_add(&w->next, CHUNK)) < m->size) {
        size_t n = MIN(CHUNK, m->size - at);
        char name[NAME];

        if (!is_zero(m->host + at, n)) {
            size_t size = ZSTD_compress2(context, out, room, m->host + at, n);

            if (snprintf(name, sizeof(name), "%s%" PRIx64, m->owner, m->base + at) < NAME) {
                put_section(w, m->kind, name, out, size);
            }
        }
    }
    g_free(out);
    ZSTD_freeCCtx(context);
    return NULL;
}

static void put_memory(Writer *w, const Memory *m)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t thread[MAX_THREADS];
    unsigned n = 0, wanted = (unsigned)CLAMP(cores, 1, MAX_THREADS) - 1;

    w->memory = m;
    atomic_store(&w->next, 0);
    while (n < wanted && pthread_create(&thread[n], NULL, compress_chunks, w) == 0) {
        n++;
    }
    compress_chunks(w);
    while (n) {
        pthread_join(thread[--n], NULL);
    }
}

static void put_device_memory(void *opaque, Dev *dev, unsigned depth)
{
    size_t size = 0;
    uint8_t *host = dev->type->memory ? dev->type->memory(dev, &size) : NULL;
    char *owner = g_strdup_printf("%s:", dev->id);
    Memory m = { KIND_memory, owner, host, 0, size };

    (void)depth;
    put_memory(opaque, &m);
    g_free(owner);
}

static void put_machine(Writer *w, const GArray *disks)
{
    const MonitorVm *vm = w->vm;
    uint32_t version = VERSION;
    char *text = about(vm), name[NAME];
    uint64_t ns = clock_ns(vm->clock);
    const PhysRegion *r;

    put(w, magic, sizeof(magic));
    put(w, &version, sizeof(version));
    put_section(w, KIND_about, "", text, strlen(text));
    put_section(w, KIND_clock, "", &ns, sizeof(ns));
    for (unsigned i = 0; disks && i < disks->len; i++) {
        const DiskSnapshot *d = &g_array_index(disks, DiskSnapshot, i);

        put_section(w, KIND_disk, d->drive->id, d->text, strlen(d->text));
    }
    for (unsigned i = 0; i < machine_harts(vm->machine); i++) {
        snprintf(name, sizeof(name), "%u", i);
        each_hart_field(vm, i, add_field, w);
        put_fields(w, KIND_hart, name);
    }
    dev_for_each(vm->root, put_device, w);
    for (unsigned i = 0; (r = phys_region(vm->mem, i)); i++) {
        if (r->kind == PHYS_ram) {
            put_memory(w, &(Memory){ KIND_ram, "", r->host, r->base, r->size });
        }
    }
    dev_for_each(vm->root, put_device_memory, w);
    put_section(w, KIND_end, "", &w->sections, sizeof(w->sections));
    g_free(text);
}

/* The file takes its place only when it is whole and on the disk. */
static bool finish(Writer *w, const char *part, const char *path, GError **error)
{
    bool good = !w->failed && fflush(w->file) == 0 && fsync(fileno(w->file)) == 0;

    good = fclose(w->file) == 0 && good;
    if (good && !w->too_long && rename(part, path) == 0) {
        return true;
    }
    fail(error, "the snapshot cannot be written to %s: %s", path,
         w->too_long ? "the id of a device is too long" : g_strerror(errno));
    unlink(part);
    return false;
}

/* No device or pipe goes when a snapshot takes its place. */
static bool is_replaceable(const char *path, GError **error)
{
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        fail(error, "the snapshot cannot be written to %s: it is no ordinary file", path);
        return false;
    }
    return true;
}

static bool save_to(const MonitorVm *vm, const char *path, const GArray *disks, GError **error)
{
    char *part = g_strconcat(path, ".part", NULL);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    Writer w = { .vm = vm, .file = fd < 0 ? NULL : fdopen(fd, "w") };
    bool good = w.file != NULL;

    if (!good) {
        fail(error, "the snapshot cannot be written to %s: %s", path, g_strerror(errno));
    } else {
        w.fields = g_byte_array_new();
        pthread_mutex_init(&w.lock, NULL);
        put_machine(&w, disks);
        pthread_mutex_destroy(&w.lock);
        g_byte_array_free(w.fields, TRUE);
        good = finish(&w, part, path, error);
    }
    g_free(part);
    return good;
}

bool snapshot_save(const MonitorVm *vm, const char *path, bool with_disks, GError **error)
{
    char *name = g_path_get_basename(path);
    GArray *disks = NULL;
    bool good;

    if (!is_replaceable(path, error)) {
        g_free(name);
        return false;
    }
    dev_pause(vm->root, true);
    disks = with_disks ? disk_snapshots_make(vm, name, error) : NULL;
    good = (disks || !with_disks) && save_to(vm, path, disks, error);
    dev_pause(vm->root, false);
    if (disks) {
        if (good) {
            disk_snapshots_keep(disks, name);
        } else {
            disk_snapshots_undo(disks);
        }
        g_array_free(disks, TRUE);
    }
    g_free(name);
    return good;
}

bool snapshot_save_then(const MonitorVm *vm, const char *path, bool (*then)(void *opaque, GError **error),
                        void *opaque, GError **error)
{
    bool good;

    dev_pause(vm->root, true);
    good = save_to(vm, path, NULL, error) && then(opaque, error);
    dev_pause(vm->root, false);
    return good;
}

/* ---- Loading ---- */

/* One section in the mapped file. */
typedef struct Section {
    Kind kind;
    char name[NAME];
    const uint8_t *data;
    uint64_t size;
} Section;

typedef struct Reader {
    const MonitorVm *vm;
    const char *path;
    const uint8_t *start, *at, *end;
    uint64_t sections;
    bool apply;       /* false: it is only looked at whether all of it fits */
    Section fields;   /* what field functions take from */
    const char *owner; /* of these: "hart 0" */
    uint64_t found;   /* harts and devices */
    GHashTable *seen; /* "kind name" of the sections so far */
    const GArray *given; /* disks to be taken back instead of those that the file names; NULL: these */
    GArray *disks;    /* DiskSnapshots that belong to it */
    bool has_end, has_about, has_clock;
    uint8_t *chunk;
    GError *error;
} Reader;

static bool take(const uint8_t **at, const uint8_t *end, void *to, size_t n)
{
    if ((size_t)(end - *at) < n) {
        return false;
    }
    memcpy(to, *at, n);
    *at += n;
    return true;
}

static bool damaged(Reader *r, const char *what)
{
    return fail(&r->error, "%s is damaged: %s", r->path, what);
}

static bool next_section(Reader *r, Section *s)
{
    SectionHeader h;

    if (!take(&r->at, r->end, &h, sizeof(h)) || h.name_size >= NAME ||
        !take(&r->at, r->end, s->name, h.name_size) || h.size > (uint64_t)(r->end - r->at)) {
        return damaged(r, "it ends in the middle of a section");
    }
    if (h.check != check_of(h, s->name, r->at)) {
        return damaged(r, "a section is not what was written");
    }
    s->kind = (Kind)h.kind;
    s->name[h.name_size] = '\0';
    s->data = r->at;
    s->size = h.size;
    r->at += h.size;
    return true;
}

static void take_field(void *opaque, const DevField *field, void *data)
{
    Reader *r = opaque;
    const uint8_t *end = r->fields.data + r->fields.size, *at = r->fields.data;
    char name[NAME] = "";
    FieldHeader h;

    if (r->error) {
        return;
    }
    if (!take(&at, end, &h, sizeof(h)) || h.name_size >= NAME || !take(&at, end, name, h.name_size) ||
        strcmp(name, field->name) != 0 || h.size != field->size || h.count != field->count ||
        (uint64_t)(end - at) < (uint64_t)h.size * h.count) {
        fail(&r->error, "%s does not fit this machine: %s has the field %s (%u x %u bytes), the file "
             "'%s'", r->path, r->owner, field->name, field->count, field->size, name);
        return;
    }
    for (uint32_t i = 0; i < h.count; i++, at += h.size) {
        if (field->is_bool && *at > 1) {
            fail(&r->error, "%s is damaged: the field %s of %s is neither on nor off", r->path, name,
                 r->owner);
            return;
        }
        if (r->apply) {
            memcpy((uint8_t *)data + i * stride(field), at, h.size);
        }
    }
    r->fields.size = (uint64_t)(end - at);
    r->fields.data = at;
}

static bool end_fields(Reader *r)
{
    if (!r->error && r->fields.size) {
        fail(&r->error, "%s does not fit this machine: %s has more fields there", r->path, r->owner);
    }
    r->found++;
    return !r->error;
}

static bool load_hart(Reader *r, const Section *s)
{
    guint64 hart;
    char *owner;
    bool good;

    if (!g_ascii_string_to_unsigned(s->name, 10, 0, machine_harts(r->vm->machine) - 1, &hart, NULL)) {
        return damaged(r, "it has a hart that this machine has not");
    }
    r->fields = *s;
    r->owner = owner = g_strdup_printf("hart %s", s->name);
    each_hart_field(r->vm, (unsigned)hart, take_field, r);
    good = end_fields(r);
    g_free(owner);
    if (good && r->apply && r->vm->system->loaded) {
        r->vm->system->loaded(machine_hart(r->vm->machine, (unsigned)hart));
    }
    return good;
}

static bool load_device(Reader *r, const Section *s)
{
    Dev *dev = dev_find(r->vm->root, s->name);
    char *owner;
    bool good;

    if (!dev) {
        return fail(&r->error, "%s does not fit this machine: it has no device %s", r->path, s->name);
    }
    r->fields = *s;
    r->owner = owner = g_strdup_printf("device %s (%s)", s->name, dev->type->name);
    pthread_mutex_lock(dev->lock);
    dev_each_field(dev, take_field, r);
    pthread_mutex_unlock(dev->lock);
    good = end_fields(r);
    g_free(owner);
    return good;
}

/* The memory that has the chunk at `addr`. */
static bool load_chunk(Reader *r, const Section *s, const Memory *m, uint64_t addr)
{
    uint64_t at = addr - m->base;
    size_t n = addr >= m->base && at < m->size ? MIN(CHUNK, m->size - at) : 0;

    if (n == 0) {
        return fail(&r->error, "%s does not fit this machine: there is no memory at %s", r->path,
                    s->name);
    }
    if (ZSTD_decompress(r->apply ? m->host + at : r->chunk, n, s->data, s->size) != n) {
        return damaged(r, "a piece of memory does not decompress");
    }
    return true;
}

static bool load_ram(Reader *r, const Section *s)
{
    Memory m = { .kind = KIND_ram };
    const PhysRegion *ram;
    guint64 addr;

    if (!g_ascii_string_to_unsigned(s->name, 16, 0, G_MAXUINT64, &addr, NULL)) {
        return damaged(r, "an address of RAM is none");
    }
    ram = phys_find(r->vm->mem, addr);
    if (ram && ram->kind == PHYS_ram) {
        m = (Memory){ KIND_ram, "", ram->host, ram->base, ram->size };
    }
    return load_chunk(r, s, &m, addr);
}

static bool load_memory(Reader *r, const Section *s)
{
    const char *colon = strrchr(s->name, ':');
    char *id = colon ? g_strndup(s->name, (gsize)(colon - s->name)) : NULL;
    Dev *dev = id ? dev_find(r->vm->root, id) : NULL;
    Memory m = { .kind = KIND_memory };
    guint64 at = 0;
    bool good = colon && g_ascii_string_to_unsigned(colon + 1, 16, 0, G_MAXUINT64, &at, NULL);

    g_free(id);
    if (dev && dev->type->memory) {
        m.host = dev->type->memory(dev, &m.size);
    }
    return good ? load_chunk(r, s, &m, at) : damaged(r, "an address of a device's memory is none");
}

static bool load_disk(Reader *r, const Section *s)
{
    char *text = g_strndup((const char *)s->data, s->size);
    bool good = r->apply || disk_snapshots_find(r->vm, s->name, text, r->disks, &r->error);

    if (!good) {
        g_prefix_error(&r->error, "%s does not fit: ", r->path);
    }
    g_free(text);
    return good;
}

static bool load_about(Reader *r, const Section *s)
{
    char *here = about(r->vm), *there = g_strndup((const char *)s->data, s->size);
    bool same = strcmp(here, there) == 0;

    if (!same) {
        g_strdelimit(here, "\n", ' ');
        g_strdelimit(there, "\n", ' ');
        fail(&r->error, "%s does not fit this machine: it is of %s, this is %s", r->path, there, here);
    }
    g_free(here);
    g_free(there);
    r->has_about = true;
    return same;
}

static bool load_clock(Reader *r, const Section *s)
{
    uint64_t ns;

    if (s->size != sizeof(ns)) {
        return damaged(r, "its time is none");
    }
    memcpy(&ns, s->data, sizeof(ns));
    if (r->apply) {
        clock_set(r->vm->clock, ns);
    }
    r->has_clock = true;
    return true;
}

static bool load_end(Reader *r, const Section *s)
{
    uint64_t sections;

    if (s->size != sizeof(sections) || memcmp(s->data, &r->sections, sizeof(sections)) != 0) {
        return damaged(r, "sections are missing");
    }
    r->has_end = true;
    return true;
}

static bool load_section(Reader *r, const Section *s)
{
    if (!g_hash_table_add(r->seen, g_strdup_printf("%d %s", (int)s->kind, s->name))) {
        return damaged(r, "a section is there twice");
    }
    switch (s->kind) {
    case KIND_about:
        return load_about(r, s);
    case KIND_clock:
        return load_clock(r, s);
    case KIND_hart:
        return load_hart(r, s);
    case KIND_device:
        return load_device(r, s);
    case KIND_ram:
        return load_ram(r, s);
    case KIND_memory:
        return load_memory(r, s);
    case KIND_disk:
        return load_disk(r, s);
    case KIND_end:
        return load_end(r, s);
    }
    return damaged(r, "it has a section of no known kind");
}

static void count_device(void *opaque, Dev *dev, unsigned depth)
{
    (void)dev, (void)depth;
    ++*(uint64_t *)opaque;
}

static bool load_all(Reader *r, bool apply)
{
    uint64_t wanted = machine_harts(r->vm->machine);
    Section s;

    r->apply = apply;
    r->at = r->start;
    r->sections = r->found = 0;
    r->has_end = false;
    g_hash_table_remove_all(r->seen);
    while (!r->has_end) {
        if (!next_section(r, &s) || !load_section(r, &s)) {
            return false;
        }
        r->sections++;
    }
    dev_for_each(r->vm->root, count_device, &wanted);
    if (!r->has_about || !r->has_clock || r->found != wanted) {
        return damaged(r, "it has not all harts and devices of this machine");
    }
    if (r->disks->len && !disk_snapshots_complete(r->vm, r->disks, &r->error)) {
        g_prefix_error(&r->error, "%s does not fit: ", r->path);
        return false;
    }
    return true;
}

static void call_loaded(void *opaque, Dev *dev, unsigned depth)
{
    (void)opaque, (void)depth;
    if (dev->type->loaded) {
        pthread_mutex_lock(dev->lock);
        dev->type->loaded(dev);
        pthread_mutex_unlock(dev->lock);
    }
}

static void clear_device_memory(void *opaque, Dev *dev, unsigned depth)
{
    size_t size = 0;
    uint8_t *host = dev->type->memory ? dev->type->memory(dev, &size) : NULL;

    (void)opaque, (void)depth;
    if (size) {
        memset(host, 0, size);
    }
}

/* Memory that the file leaves out is zero. */
static void clear_memory(const MonitorVm *vm)
{
    const PhysRegion *r;

    for (unsigned i = 0; (r = phys_region(vm->mem, i)); i++) {
        if (r->kind == PHYS_ram) {
            memset(r->host, 0, r->size);
            phys_written(vm->mem, r->base, r->size);
        }
    }
    dev_for_each(vm->root, clear_device_memory, NULL);
}

/* The disks first: if they cannot be taken back, the machine stays as it is. */
static bool apply(Reader *r)
{
    const GArray *disks = r->given ? r->given : r->disks;
    const MonitorVm *vm = r->vm;
    unsigned done;
    bool good;

    dev_pause(vm->root, true);
    done = disk_snapshots_apply(disks, &r->error);
    good = done == disks->len;
    if (good) {
        clear_memory(vm);
        good = load_all(r, true);
        machine_replaced(vm->machine);
        dev_for_each(vm->root, call_loaded, NULL);
    }
    if (!good && done > 0) {
        r->error->domain = SNAPSHOT_ERROR;
        r->error->code = SNAPSHOT_HALF;
        g_prefix_error(&r->error, "the machine is not what it was, and must be reset or loaded again: ");
    }
    dev_pause(vm->root, false);
    return good;
}

/* The reader is behind what stands before the sections. */
static bool begin_file(Reader *r)
{
    uint32_t version;

    if ((size_t)(r->end - r->start) < sizeof(magic) || memcmp(r->start, magic, sizeof(magic)) != 0) {
        return fail(&r->error, "%s is no snapshot of a machine", r->path);
    }
    r->start += sizeof(magic);
    if (!take(&r->start, r->end, &version, sizeof(version))) {
        return damaged(r, "it has no version");
    }
    if (version != VERSION) {
        return fail(&r->error, "%s is a snapshot of version %u; this Ketch reads version %d", r->path,
                    version, VERSION);
    }
    return true;
}

static bool load_file(Reader *r)
{
    return load_all(r, false) && apply(r);
}

/* Calls fn for what the file at `path` has; `given`: see Reader. */
static bool read_file(const MonitorVm *vm, const char *path, const GArray *given, bool (*fn)(Reader *r),
                      GError **error)
{
    GMappedFile *file = g_mapped_file_new(path, FALSE, error);
    Reader r = { .vm = vm, .path = path, .given = given };
    bool good;

    if (!file) {
        return false;
    }
    r.start = (const uint8_t *)g_mapped_file_get_contents(file);
    r.end = r.start + g_mapped_file_get_length(file);
    r.chunk = g_malloc(CHUNK);
    r.disks = disk_snapshots_new();
    r.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    good = begin_file(&r) && fn(&r);
    g_hash_table_destroy(r.seen);
    g_array_free(r.disks, TRUE);
    g_free(r.chunk);
    g_mapped_file_unref(file);
    if (r.error) {
        g_propagate_error(error, r.error);
    }
    return good;
}

bool snapshot_load(const MonitorVm *vm, const char *path, GError **error)
{
    return read_file(vm, path, NULL, load_file, error);
}

bool snapshot_load_disks(const MonitorVm *vm, const char *path, const GArray *disks, GError **error)
{
    return read_file(vm, path, disks, load_file, error);
}

/* ---- Deleting ---- */

static bool delete_disk(const Reader *r, const Section *s, GError **error)
{
    char *text = g_strndup((const char *)s->data, s->size);
    bool good = disk_snapshots_delete(r->vm, s->name, text, error);

    g_free(text);
    return good;
}

/* All sections are looked at before the first disk changes. */
static bool delete_disks(Reader *r)
{
    for (int delete = 0; delete < 2; delete++) {
        Section s = { .kind = KIND_about };

        r->at = r->start;
        while (s.kind != KIND_end) {
            if (!next_section(r, &s) ||
                (delete && s.kind == KIND_disk && !delete_disk(r, &s, &r->error))) {
                return false;
            }
        }
    }
    return true;
}

bool snapshot_delete(const MonitorVm *vm, const char *path, GError **error)
{
    if (!read_file(vm, path, NULL, delete_disks, error)) {
        return false;
    }
    return unlink(path) == 0 || fail(error, "%s cannot be deleted: %s", path, g_strerror(errno));
}
