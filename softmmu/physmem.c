/* SPDX-License-Identifier: Apache-2.0 */
/* The regions lie in one array, sorted by base, that is replaced as a whole when it changes, so that
 * readers need no lock.  Changes are few (a PCI BAR); what was replaced is freed with the map. */
#include "softmmu/physmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_REGIONS = 128 };

/* Enabled regions by base. */
typedef struct View {
    struct View *older;
    unsigned n;
    const PhysRegion *region[MAX_REGIONS];
} View;

struct PhysMem {
    pthread_mutex_t lock; /* regions and the making of views */
    PhysRegion region[MAX_REGIONS];
    unsigned n_regions;
    _Atomic(View *) view;
    void (*written)(void *opaque, uint64_t addr, size_t size);
    void *written_opaque;
};

PhysMem *phys_new(void)
{
    PhysMem *mem = calloc(1, sizeof(*mem));
    View *view = calloc(1, sizeof(*view));

    if (!mem || !view) {
        free(mem);
        free(view);
        return NULL;
    }
    pthread_mutex_init(&mem->lock, NULL);
    atomic_init(&mem->view, view);
    return mem;
}

void phys_free(PhysMem *mem)
{
    View *view = atomic_load(&mem->view);

    while (view) {
        View *older = view->older;

        free(view);
        view = older;
    }
    for (unsigned i = 0; i < mem->n_regions; i++) {
        if (mem->region[i].host) {
            munmap(mem->region[i].host, mem->region[i].size);
        }
    }
    pthread_mutex_destroy(&mem->lock);
    free(mem);
}

uint8_t *phys_alloc(const char *name, uint64_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    uint8_t *host = MAP_FAILED;

    if (fd < 0) {
        return NULL;
    }
    if (ftruncate(fd, (off_t)size) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    }
    close(fd);
    return host == MAP_FAILED ? NULL : host;
}

uint8_t *phys_alloc_file(const char *path, bool shared, uint64_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), error;
    uint8_t *host = MAP_FAILED;
    struct stat st;

    if (fd < 0 && errno == EISDIR) {
        fd = open(path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    }
    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &st) == 0 && ((uint64_t)st.st_size >= size || ftruncate(fd, (off_t)size) == 0)) {
        host = mmap(NULL, size, PROT_READ | PROT_WRITE, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE, fd, 0);
    }
    error = errno;
    close(fd);
    errno = error;
    return host == MAP_FAILED ? NULL : host;
}

/* ---- Regions ---- */

static bool overlaps(const PhysRegion *a, const PhysRegion *b)
{
    return a->base < b->base + b->size && b->base < a->base + a->size;
}

static bool fits_locked(const PhysMem *mem, const PhysRegion *region)
{
    if (region->size == 0 || region->base + region->size - 1 < region->base) {
        return false;
    }
    for (unsigned i = 0; i < mem->n_regions; i++) {
        if (overlaps(region, &mem->region[i])) {
            return false;
        }
    }
    return true;
}

static int by_base(const void *a, const void *b)
{
    const PhysRegion *const *ra = a, *const *rb = b;

    return (*ra)->base < (*rb)->base ? -1 : 1;
}

static bool publish_locked(PhysMem *mem)
{
    View *view = calloc(1, sizeof(*view));

    if (!view) {
        return false;
    }
    view->older = atomic_load(&mem->view);
    for (unsigned i = 0; i < mem->n_regions; i++) {
        view->region[view->n++] = &mem->region[i];
    }
    qsort(view->region, view->n, sizeof(view->region[0]), by_base);
    atomic_store_explicit(&mem->view, view, memory_order_release);
    return true;
}

PhysRegion *phys_add(PhysMem *mem, const PhysRegion *region)
{
    PhysRegion *slot = NULL;

    pthread_mutex_lock(&mem->lock);
    if (mem->n_regions < MAX_REGIONS && fits_locked(mem, region)) {
        slot = &mem->region[mem->n_regions++];
        *slot = *region;
        if (!publish_locked(mem)) {
            mem->n_regions--;
            slot = NULL;
        }
    }
    pthread_mutex_unlock(&mem->lock);
    return slot;
}

const PhysRegion *phys_find(const PhysMem *mem, uint64_t addr)
{
    const View *view = atomic_load_explicit(&mem->view, memory_order_acquire);
    unsigned lo = 0, hi = view->n;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        const PhysRegion *r = view->region[mid];

        if (addr < r->base) {
            hi = mid;
        } else if (addr - r->base >= r->size) {
            lo = mid + 1;
        } else {
            return r;
        }
    }
    return NULL;
}

/* RAM is behind all else. */
bool phys_of_host(const PhysMem *mem, const uint8_t *host, uint64_t *addr)
{
    const View *view = atomic_load_explicit(&mem->view, memory_order_acquire);

    for (unsigned i = view->n; i-- > 0;) {
        const PhysRegion *r = view->region[i];

        if (r->host && host >= r->host && (uint64_t)(host - r->host) < r->size) {
            *addr = r->base + (uint64_t)(host - r->host);
            return true;
        }
    }
    return false;
}

const PhysRegion *phys_region(const PhysMem *mem, unsigned index)
{
    const View *view = atomic_load_explicit(&mem->view, memory_order_acquire);

    return index < view->n ? view->region[index] : NULL;
}

/* ---- DMA ---- */

static uint8_t *map(PhysMem *mem, uint64_t addr, size_t size, bool write)
{
    const PhysRegion *r = phys_find(mem, addr);

    if (!r || !r->host || (write && r->kind != PHYS_ram) || size > r->size - (addr - r->base)) {
        return NULL;
    }
    return r->host + (addr - r->base);
}

bool phys_read(PhysMem *mem, uint64_t addr, void *to, size_t size)
{
    const uint8_t *host = map(mem, addr, size, false);

    if (!host) {
        return false;
    }
    memcpy(to, host, size);
    return true;
}

bool phys_write(PhysMem *mem, uint64_t addr, const void *from, size_t size)
{
    uint8_t *host = map(mem, addr, size, true);

    if (!host) {
        return false;
    }
    memcpy(host, from, size);
    phys_written(mem, addr, size);
    return true;
}

uint8_t *phys_map(PhysMem *mem, uint64_t addr, size_t size)
{
    return map(mem, addr, size, true);
}

void phys_written(PhysMem *mem, uint64_t addr, size_t size)
{
    if (mem->written) {
        mem->written(mem->written_opaque, addr, size);
    }
}

void phys_on_write(PhysMem *mem, void (*fn)(void *opaque, uint64_t addr, size_t size),
                   void *opaque)
{
    mem->written_opaque = opaque;
    mem->written = fn;
}

/* ---- Vcpus ---- */

bool phys_load(PhysMem *mem, uint64_t addr, unsigned size, uint64_t *value)
{
    const PhysRegion *r = phys_find(mem, addr);
    uint64_t offset, v = 0;
    bool done;

    if (!r || size > r->size - (addr - r->base)) {
        return false;
    }
    offset = addr - r->base;
    if (r->host) {
        memcpy(&v, r->host + offset, size);
        *value = v;
        return true;
    }
    if (offset % size && r->code) { /* data between instructions */
        memcpy(&v, r->code + offset, size);
        *value = v;
        return true;
    }
    if (offset % size) {
        return false;
    }
    if (r->lock) {
        pthread_mutex_lock(r->lock);
    }
    done = r->ops->read(r->opaque, offset, size, value);
    if (r->lock) {
        pthread_mutex_unlock(r->lock);
    }
    return done;
}

bool phys_store(PhysMem *mem, uint64_t addr, unsigned size, uint64_t value)
{
    const PhysRegion *r = phys_find(mem, addr);
    uint64_t offset;
    bool done;

    if (!r || size > r->size - (addr - r->base)) {
        return false;
    }
    offset = addr - r->base;
    if (r->host) {
        if (r->kind == PHYS_ram) {
            memcpy(r->host + offset, &value, size);
            phys_written(mem, addr, size);
        }
        return true;
    }
    if (offset % size) {
        return false;
    }
    if (r->lock) {
        pthread_mutex_lock(r->lock);
    }
    done = r->ops->write(r->opaque, offset, size, value);
    if (r->lock) {
        pthread_mutex_unlock(r->lock);
    }
    if (__atomic_load_n(&r->executed, __ATOMIC_RELAXED)) {
        phys_written(mem, addr, size);
    }
    return done;
}

void phys_executed(PhysMem *mem, uint64_t addr)
{
    const PhysRegion *r = phys_find(mem, addr);

    for (unsigned i = 0; i < mem->n_regions; i++) {
        if (&mem->region[i] == r) {
            __atomic_store_n(&mem->region[i].executed, true, __ATOMIC_RELAXED);
        }
    }
}
