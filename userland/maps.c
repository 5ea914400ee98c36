/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's view of /proc/self/maps: the host's, cut to the guest's space, with the guest's
 * protections and the names of its special areas. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "userland/mem.h"

typedef struct HostLine {
    uint64_t start, end, offset;
    char share;
    unsigned major, minor;
    unsigned long inode;
    const char *name;
} HostLine;

/* All of /proc/self/maps or a file like it, malloc'ed. */
static char *host_maps(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0, room = 1 << 16;
    char *text = malloc(room);
    ssize_t n = 0;

    while (fd >= 0 && text && (n = read(fd, text + size, room - size - 1)) > 0) {
        size += (size_t)n;
        if (room - size < 8192) {
            char *more = realloc(text, room *= 2);

            if (!more) {
                free(text);
            }
            text = more;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (text) {
        text[size] = '\0';
    }
    return text;
}

static bool parse_line(char *line, HostLine *l)
{
    unsigned long start, end, offset;
    char prot[5];
    int name = 0;

    if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &start, &end, prot, &offset, &l->major,
               &l->minor, &l->inode, &name) < 7) {
        return false;
    }
    l->start = start;
    l->end = end;
    l->offset = offset;
    l->share = prot[3];
    l->name = line + name;
    return true;
}

static void print_area(FILE *out, const HostLine *l, const MemArea *a)
{
    uint64_t start = a->start > l->start ? a->start : l->start;
    uint64_t end = a->end < l->end ? a->end : l->end;
    const char *name = a->name[0] ? a->name : l->name;
    int n = fprintf(out, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", (unsigned long)start,
                    (unsigned long)end, a->prot & PROT_READ ? 'r' : '-',
                    a->prot & PROT_WRITE ? 'w' : '-', a->prot & PROT_EXEC ? 'x' : '-', l->share,
                    (unsigned long)(l->inode ? l->offset + (start - l->start) : 0), l->major,
                    l->minor, l->inode);

    if (name[0]) {
        fprintf(out, "%*s%s", n < 73 ? 73 - n : 0, "", name);
    }
    fputc('\n', out);
}

/* Prints what the guest has in the host's mapping; false: nothing. */
static bool print_mapping(FILE *out, const HostLine *l)
{
    bool any = false;
    MemArea a;

    for (uint64_t at = l->start; l->start < mem_limit && mem_next_area(at, &a) && a.start < l->end;
         at = a.end) {
        print_area(out, l, &a);
        any = true;
    }
    return any;
}

/* Lines that follow a mapping's are about it. */
static char *guests_part(const char *path)
{
    char *host = host_maps(path), *text = NULL, *save = NULL;
    bool any = false;
    size_t size = 0;
    FILE *out = host ? open_memstream(&text, &size) : NULL;

    if (!out) {
        free(host);
        return NULL;
    }
    for (char *line = strtok_r(host, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        HostLine l;

        if (parse_line(line, &l)) {
            any = print_mapping(out, &l);
        } else if (any) {
            fprintf(out, "%s\n", line);
        }
    }
    fclose(out);
    free(host);
    return text;
}

char *mem_maps_text(void)
{
    return guests_part("/proc/self/maps");
}

char *mem_smaps_text(void)
{
    return guests_part("/proc/self/smaps");
}

bool mem_file_at(uint64_t addr, char *path, size_t size, uint64_t *offset)
{
    char *host = host_maps("/proc/self/maps"), *save = NULL;
    bool found = false;

    for (char *line = host ? strtok_r(host, "\n", &save) : NULL; line && !found;
         line = strtok_r(NULL, "\n", &save)) {
        HostLine l;

        if (parse_line(line, &l) && addr >= l.start && addr < l.end && l.name[0] == '/') {
            snprintf(path, size, "%s", l.name);
            *offset = l.offset + (addr - l.start);
            found = true;
        }
    }
    free(host);
    return found;
}
