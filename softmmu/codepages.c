/* SPDX-License-Identifier: Apache-2.0 */
#include "softmmu/codepages.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { HAS_CODE = 1, WRITTEN = 2, MAX_RAMS = 16 };

typedef struct Ram {
    uint64_t base, size;
    _Atomic uint8_t *flags; /* these two by page */
    _Atomic uint64_t *writer;
} Ram;

struct CodePages {
    Ram ram[MAX_RAMS];
    unsigned n_rams;
    pthread_mutex_t lock; /* the list */
    uint64_t *written;    /* physical addresses */
    size_t n_written, cap_written;
    _Atomic size_t any;
};

CodePages *codepages_new(PhysMem *mem)
{
    CodePages *code = calloc(1, sizeof(*code));
    const PhysRegion *r;

    if (!code) {
        return NULL;
    }
    pthread_mutex_init(&code->lock, NULL);
    for (unsigned i = 0; (r = phys_region(mem, i)) != NULL; i++) {
        Ram *ram = &code->ram[code->n_rams];

        if (r->kind != PHYS_ram || code->n_rams == MAX_RAMS) {
            continue;
        }
        *ram = (Ram){ r->base, r->size, calloc(r->size / PHYS_PAGE, sizeof(*ram->flags)),
                      calloc(r->size / PHYS_PAGE, sizeof(*ram->writer)) };
        if (!ram->flags || !ram->writer) {
            return NULL;
        }
        code->n_rams++;
    }
    return code;
}

static const Ram *ram_of(const CodePages *code, uint64_t paddr)
{
    for (unsigned i = 0; i < code->n_rams; i++) {
        if (paddr - code->ram[i].base < code->ram[i].size) {
            return &code->ram[i];
        }
    }
    return NULL;
}

static _Atomic uint8_t *flags_of(const CodePages *code, uint64_t paddr)
{
    const Ram *ram = ram_of(code, paddr);

    return ram ? &ram->flags[(paddr - ram->base) / PHYS_PAGE] : NULL;
}

static _Atomic uint64_t *writer_of(const CodePages *code, uint64_t paddr)
{
    const Ram *ram = ram_of(code, paddr);

    return ram ? &ram->writer[(paddr - ram->base) / PHYS_PAGE] : NULL;
}

bool codepages_guarded(const CodePages *code, uint64_t paddr)
{
    const _Atomic uint8_t *flags = flags_of(code, paddr);

    return flags && atomic_load(flags) == HAS_CODE;
}

bool codepages_has(const CodePages *code, uint64_t paddr)
{
    const _Atomic uint8_t *flags = flags_of(code, paddr);

    return !flags || atomic_load(flags) & HAS_CODE; /* ROM is never written */
}

void codepages_add(CodePages *code, uint64_t paddr)
{
    _Atomic uint8_t *flags = flags_of(code, paddr);

    if (flags) {
        atomic_fetch_or(flags, HAS_CODE);
    }
}

static void append_locked(CodePages *code, uint64_t paddr)
{
    if (code->n_written == code->cap_written) {
        code->cap_written = code->cap_written ? code->cap_written * 2 : 64;
        code->written = realloc(code->written, code->cap_written * sizeof(*code->written));
        CHECK(code->written, "out of memory for the list of written pages");
    }
    code->written[code->n_written++] = paddr;
    atomic_store(&code->any, code->n_written);
}

void codepages_written(CodePages *code, uint64_t paddr, uint64_t size)
{
    uint64_t page = paddr & ~(uint64_t)(PHYS_PAGE - 1), end = paddr + size;

    for (; page < end; page += PHYS_PAGE) {
        _Atomic uint8_t *flags = flags_of(code, page);

        if (flags && atomic_load(flags) == HAS_CODE) {
            uint8_t before = HAS_CODE;

            pthread_mutex_lock(&code->lock);
            if (atomic_compare_exchange_strong(flags, &before, HAS_CODE | WRITTEN)) {
                append_locked(code, page);
            }
            pthread_mutex_unlock(&code->lock);
        }
    }
}

bool codepages_any_written(const CodePages *code)
{
    return atomic_load(&code->any) != 0;
}

bool codepages_take(CodePages *code, uint64_t *paddr)
{
    bool any;

    pthread_mutex_lock(&code->lock);
    any = code->n_written != 0;
    if (any) {
        *paddr = code->written[--code->n_written];
        atomic_store(&code->any, code->n_written);
        atomic_fetch_and(flags_of(code, *paddr), (uint8_t)~WRITTEN);
    }
    pthread_mutex_unlock(&code->lock);
    return any;
}

void codepages_remove(CodePages *code, uint64_t paddr)
{
    _Atomic uint8_t *flags = flags_of(code, paddr);

    if (flags) {
        atomic_fetch_and(flags, (uint8_t)~HAS_CODE);
    }
}

void codepages_note_writer(CodePages *code, uint64_t paddr, uint64_t who)
{
    _Atomic uint64_t *writer = writer_of(code, paddr);
    uint64_t before = 0;

    if (writer && !atomic_compare_exchange_strong(writer, &before, who) && before != who) {
        atomic_store(writer, CODEPAGES_MANY);
    }
}

uint64_t codepages_writer(const CodePages *code, uint64_t paddr)
{
    const _Atomic uint64_t *writer = writer_of(code, paddr);

    return writer ? atomic_load(writer) : 0;
}

void codepages_forget_writer(CodePages *code, uint64_t paddr)
{
    _Atomic uint64_t *writer = writer_of(code, paddr);

    if (writer) {
        atomic_store(writer, 0);
    }
}
