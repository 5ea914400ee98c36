/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/boards/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static bool fail(GError **error, const char *path, const char *what)
{
    g_set_error(error, BOARD_ERROR, 0, "%s: %s", path, what);
    return false;
}

/* ---- Files ---- */

static bool read_all(int fd, uint8_t *to, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, to + done, size - done);

        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

GBytes *image_read(const char *path, uint64_t limit, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data = NULL;

    if (fd < 0 || fstat(fd, &st)) {
        fail(error, path, g_strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        fail(error, path, "is not a file");
    } else if ((uint64_t)st.st_size > limit) {
        fail(error, path, "is larger than the memory of the machine");
    } else {
        data = g_try_malloc((size_t)st.st_size + 1);
        if (!data || !read_all(fd, data, (size_t)st.st_size)) {
            fail(error, path, "cannot be read to its end");
            g_free(data);
            data = NULL;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return data ? g_bytes_new_take(data, (size_t)st.st_size) : NULL;
}

/* ---- Compression ---- */

enum { CHUNK = 1 << 20 };

/* Grows `out` for another chunk; false: past the limit. */
static bool more_room(GByteArray *out, size_t used, uint64_t limit)
{
    if (used > limit) {
        return false;
    }
    g_byte_array_set_size(out, (guint)(used + CHUNK));
    return true;
}

static bool gunzip(const uint8_t *data, size_t size, GByteArray *out, uint64_t limit)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size };
    size_t used = 0;
    int r = inflateInit2(&z, 16 + MAX_WBITS) == Z_OK ? Z_OK : Z_MEM_ERROR;

    while (r == Z_OK && more_room(out, used, limit)) {
        z.next_out = out->data + used;
        z.avail_out = CHUNK;
        r = inflate(&z, Z_NO_FLUSH);
        used += CHUNK - z.avail_out;
    }
    inflateEnd(&z);
    g_byte_array_set_size(out, (guint)used);
    return r == Z_STREAM_END && used <= limit;
}

static bool unzstd(const uint8_t *data, size_t size, GByteArray *out, uint64_t limit)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = { data, size, 0 };
    size_t used = 0, r = 1;

    while (z && r && !ZSTD_isError(r) && more_room(out, used, limit)) {
        ZSTD_outBuffer o = { out->data + used, CHUNK, 0 };

        r = ZSTD_decompressStream(z, &o, &in);
        used += o.pos;
        if (r && !ZSTD_isError(r) && in.pos == in.size && o.pos < o.size) {
            break; /* it ends before its end */
        }
    }
    ZSTD_freeDStream(z);
    g_byte_array_set_size(out, (guint)used);
    return z && r == 0 && used <= limit;
}

/* Linux, drivers/firmware/efi/libstub/zboot-header.S: MZ, "zimg", offset and size of what is packed,
 * and with what. */
typedef struct Zboot {
    char mz[4];
    char zimg[4];
    uint32_t offset, size;
    uint32_t reserved[2];
    char format[32];
} Zboot;

static GBytes *zboot_payload(GBytes *bytes, const char *path, GError **error)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    Zboot z;
    GBytes *payload = NULL;

    memcpy(&z, data, sizeof(z));
    z.format[sizeof(z.format) - 1] = 0;
    if (strcmp(z.format, "gzip") && strncmp(z.format, "zstd", 4)) {
        g_set_error(error, BOARD_ERROR, 0,
                    "%s: is an EFI zboot image packed with %s; gzip and zstd are understood", path,
                    z.format);
    } else if (z.offset > size || z.size > size - z.offset || z.size < 4 || z.offset < sizeof(z)) {
        fail(error, path, "is an EFI zboot image whose header points outside of it");
    } else {
        payload = g_bytes_new_from_bytes(bytes, z.offset, z.size);
    }
    g_bytes_unref(bytes);
    return payload;
}

static GBytes *decompress(GBytes *bytes, const char *path, const char *format,
                          bool (*fn)(const uint8_t *, size_t, GByteArray *, uint64_t),
                          uint64_t limit, GError **error)
{
    GByteArray *out = g_byte_array_new();
    size_t size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    bool ok = fn(data, size, out, limit < UINT32_MAX / 2 ? limit : UINT32_MAX / 2);

    g_bytes_unref(bytes);
    if (!ok) {
        g_set_error(error, BOARD_ERROR, 0, "%s: its %s data is damaged, or more than the memory of "
                    "the machine", path, format);
        g_byte_array_free(out, TRUE);
        return NULL;
    }
    return g_byte_array_free_to_bytes(out);
}

/* What is certainly no program for this machine, and would only be executed as if it were one. */
static const struct {
    size_t at;
    const char *magic;
    const char *what;
} foreign[] = {
    { 0, "\xfd" "7zXZ", "is packed with xz; gzip and zstd are understood" },
    { 0, "BZh", "is packed with bzip2; gzip and zstd are understood" },
    { 0, "\x04\x22\x4d\x18", "is packed with lz4; gzip and zstd are understood" },
    { 0, "\x02\x21\x4c\x18", "is packed with lz4; gzip and zstd are understood" },
    { 0, "\x89LZO", "is packed with lzop; gzip and zstd are understood" },
    { 0x38, "ARM\x64", "is a Linux kernel for another processor, not for RISC-V" },
    { 0x202, "HdrS", "is a Linux kernel for another processor, not for RISC-V" },
};

static bool is_foreign(const uint8_t *data, size_t size, const char *path, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(foreign); i++) {
        size_t n = strlen(foreign[i].magic);

        if (size >= foreign[i].at + n && !memcmp(data + foreign[i].at, foreign[i].magic, n)) {
            fail(error, path, foreign[i].what);
            return true;
        }
    }
    return false;
}

GBytes *image_unpack(GBytes *bytes, const char *path, uint64_t limit, GError **error)
{
    for (int layers = 0; bytes && layers < 4; layers++) {
        size_t size;
        const uint8_t *data = g_bytes_get_data(bytes, &size);

        if (size > sizeof(Zboot) && !memcmp(data, "MZ", 2) && !memcmp(data + 4, "zimg", 4)) {
            bytes = zboot_payload(bytes, path, error);
        } else if (size > 4 && !memcmp(data, "\x1f\x8b", 2)) {
            bytes = decompress(bytes, path, "gzip", gunzip, limit, error);
        } else if (size > 4 && !memcmp(data, "\x28\xb5\x2f\xfd", 4)) {
            bytes = decompress(bytes, path, "zstd", unzstd, limit, error);
        } else if (is_foreign(data, size, path, error)) {
            g_bytes_unref(bytes);
            bytes = NULL;
        } else {
            break;
        }
    }
    return bytes;
}

/* ---- Programs ---- */

static const char *elf_trouble(const Elf64_Ehdr *e, size_t size)
{
    if (size < sizeof(*e) || e->e_ident[EI_CLASS] != ELFCLASS64 ||
        e->e_ident[EI_DATA] != ELFDATA2LSB) {
        return "is an ELF file, but not of 64 bits, little-endian";
    }
    if (e->e_machine != EM_RISCV) {
        return "is a program for another processor, not for RISC-V";
    }
    if (e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phnum == 0 || e->e_phoff > size ||
        e->e_phnum * sizeof(Elf64_Phdr) > size - e->e_phoff) {
        return "is an ELF file with a damaged table of segments";
    }
    return NULL;
}

/* Linkers put the headers of the file into the page in front of a program, which here may be none of memory:
 * no program for a machine looks for them. */
static void skip_headers(const Board *b, Elf64_Phdr *p)
{
    uint64_t below = b->type->ram_base - p->p_paddr;

    if (p->p_offset == 0 && p->p_paddr < b->type->ram_base && p->p_filesz > below) {
        p->p_offset += below;
        p->p_vaddr += below;
        p->p_paddr += below;
        p->p_filesz -= below;
        p->p_memsz -= below;
    }
}

/* The `i`th segment; false and error: it is not in the file. */
static bool get_segment(const Board *b, GBytes *bytes, unsigned i, const char *path, Elf64_Phdr *p,
                        GError **error)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    Elf64_Ehdr e;

    memcpy(&e, data, sizeof(e));
    memcpy(p, data + e.e_phoff + i * sizeof(*p), sizeof(*p));
    if (p->p_type != PT_LOAD || p->p_memsz == 0) {
        p->p_memsz = 0;
        return true;
    }
    if (p->p_offset > size || p->p_filesz > size - p->p_offset || p->p_filesz > p->p_memsz ||
        p->p_paddr + p->p_memsz < p->p_paddr) {
        return fail(error, path, "is an ELF file with a segment outside of it");
    }
    skip_headers(b, p);
    return true;
}

/* Where it wants to be; *virtual is the lowest of its virtual addresses. */
static bool measure_elf(const Board *b, GBytes *bytes, const char *path, ImagePlace *place,
                        uint64_t *virtual, GError **error)
{
    Elf64_Ehdr e;

    memcpy(&e, g_bytes_get_data(bytes, NULL), sizeof(e));
    *place = (ImagePlace){ UINT64_MAX, 0, e.e_entry };
    *virtual = UINT64_MAX;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p;

        if (!get_segment(b, bytes, i, path, &p, error)) {
            return false;
        }
        if (p.p_memsz) {
            uint64_t end = p.p_paddr + p.p_memsz;

            place->start = p.p_paddr < place->start ? p.p_paddr : place->start;
            place->end = end > place->end ? end : place->end;
            *virtual = p.p_vaddr < *virtual ? p.p_vaddr : *virtual;
        }
    }
    return place->end ? true : fail(error, path, "is an ELF file with nothing to load");
}

/* Linux's vmlinux has physical addresses from 0, where there is no memory, and its entry is a
 * virtual address: it goes to `addr`, as an Image does. */
static uint64_t move_vmlinux(const Board *b, uint64_t addr, uint64_t virtual, ImagePlace *place)
{
    uint64_t shift = addr - place->start;

    if (!addr || place->end > b->type->ram_base) {
        return 0;
    }
    *place = (ImagePlace){ addr, place->end + shift, addr + (place->entry - virtual) };
    return shift;
}

static bool place_elf(Board *b, GBytes *bytes, const char *path, uint64_t addr, ImagePlace *place,
                      GError **error)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    Elf64_Ehdr e = { 0 };
    const char *trouble;
    uint64_t virtual, shift;

    memcpy(&e, data, size < sizeof(e) ? size : sizeof(e));
    trouble = elf_trouble(&e, size);
    if (trouble) {
        return fail(error, path, trouble);
    }
    if (!measure_elf(b, bytes, path, place, &virtual, error)) {
        return false;
    }
    shift = move_vmlinux(b, addr, virtual, place);
    if (place->entry < place->start || place->entry >= place->end) {
        return fail(error, path, "is an ELF file that starts outside of what it loads");
    }
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p;

        if (!get_segment(b, bytes, i, path, &p, error) ||
            (p.p_memsz && !board_add_blob(b, path, p.p_paddr + shift,
                                          g_bytes_new_from_bytes(bytes, p.p_offset, p.p_filesz),
                                          error))) {
            return false;
        }
    }
    return true;
}

/* Linux, Documentation/arch/riscv/boot-image-header.rst. */
enum { LINUX_SIZE_AT = 16, LINUX_MAGIC_AT = 56 };

static uint64_t size_in_memory(const uint8_t *data, size_t size)
{
    uint64_t image_size;

    if (size < LINUX_MAGIC_AT + 4 || memcmp(data + LINUX_MAGIC_AT, "RSC\x05", 4)) {
        return size;
    }
    memcpy(&image_size, data + LINUX_SIZE_AT, sizeof(image_size));
    return image_size > size ? image_size : size;
}

bool image_place(Board *b, GBytes *bytes, const char *path, uint64_t addr, ImagePlace *place,
                 GError **error)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    bool ok;

    if (size >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG)) {
        ok = place_elf(b, bytes, path, addr, place, error);
        g_bytes_unref(bytes);
        return ok;
    }
    if (!size) {
        g_bytes_unref(bytes);
        return fail(error, path, "is empty");
    }
    *place = (ImagePlace){ addr, addr + size_in_memory(data, size), addr };
    if (place->end < addr || place->end > b->type->ram_base + b->config.ram_size) {
        g_bytes_unref(bytes);
        g_set_error(error, BOARD_ERROR, 0, "%s: needs memory up to 0x%" PRIx64 "; the machine has it "
                    "up to 0x%" PRIx64 " (-m)", path, place->end,
                    b->type->ram_base + b->config.ram_size);
        return false;
    }
    return board_add_blob(b, path, addr, bytes, error);
}
