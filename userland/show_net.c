/* SPDX-License-Identifier: Apache-2.0 */
/* userland/show_net.c - printers of socket addresses, buffers in lists and sets of numbers. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "userland/mem.h"
#include "userland/show.h"

enum {
    SHOW_PARTS = 8,     /* buffers of an iovec */
    SHOW_NUMBERS = 256, /* bits of a set */
};

void show_wstatus(Text *text, const Shown *s)
{
    uint32_t status;

    if (s->result <= 0 || !s->value || !mem_read_u32(s->value, &status)) {
        show_ptr(text, s);
    } else if (WIFEXITED(status)) {
        text_add(text, "[exited %d]", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        text_add(text, "[killed by ");
        show_signal(text, &(Shown){ .value = (uint64_t)WTERMSIG(status) });
        text_add(text, "]");
    } else {
        text_add(text, "[0x%" PRIx32 "]", status);
    }
}

/* The numbers of the bits that are set in `bytes` bytes at gaddr. */
static bool show_bits(Text *text, uint64_t gaddr, uint64_t bytes)
{
    uint8_t set[SHOW_NUMBERS / 8] = { 0 };
    const char *space = "";

    if (!mem_read(set, gaddr, bytes < sizeof(set) ? bytes : sizeof(set))) {
        return false;
    }
    text_add(text, "[");
    for (unsigned i = 0; i < SHOW_NUMBERS; i++) {
        if (set[i / 8] >> (i % 8) & 1) {
            text_add(text, "%s%u", space, i);
            space = " ";
        }
    }
    text_add(text, "]");
    return true;
}

void show_cpuset(Text *text, const Shown *s)
{
    uint64_t n = s->span < (uint64_t)s->result ? s->span : (uint64_t)s->result;

    if (s->result < 0 || !s->value || !show_bits(text, s->value, n)) {
        show_ptr(text, s);
    }
}

/* Of select(), whose first argument is the number of bits. */
void show_fdset(Text *text, const Shown *s)
{
    if (!s->value || !show_bits(text, s->value, (s->first + 63) / 64 * 8)) {
        show_ptr(text, s);
    }
}

static void show_parts(Text *text, uint64_t gaddr, uint64_t count)
{
    struct iovec part;

    text_add(text, "[");
    for (uint64_t i = 0; i < count; i++) {
        if (!mem_read(&part, gaddr + i * sizeof(part), sizeof(part)) || i == SHOW_PARTS) {
            text_add(text, ", ...");
            break;
        }
        text_add(text, "%s{", i ? ", " : "");
        show_data(text, &(Shown){ .value = mem_guest(part.iov_base),
                                  .span = part.iov_len,
                                  .result = INT64_MAX });
        text_add(text, ", %zu}", part.iov_len);
    }
    text_add(text, "]");
}

void show_iovec(Text *text, const Shown *s)
{
    if (s->value) {
        show_parts(text, s->value, s->span / sizeof(struct iovec));
    } else {
        show_ptr(text, s);
    }
}

static void show_inet(Text *text, const struct sockaddr_in *in)
{
    char name[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &in->sin_addr, name, sizeof(name));
    text_add(text, "{AF_INET, %s:%u}", name, ntohs(in->sin_port));
}

static void show_inet6(Text *text, const struct sockaddr_in6 *in)
{
    char name[INET6_ADDRSTRLEN];

    inet_ntop(AF_INET6, &in->sin6_addr, name, sizeof(name));
    text_add(text, "{AF_INET6, [%s]:%u}", name, ntohs(in->sin6_port));
}

void show_sockaddr(Text *text, const Shown *s)
{
    struct sockaddr_storage address = { 0 };
    uint64_t n = s->span < sizeof(address) ? s->span : sizeof(address);

    if (s->result < 0 || !s->value || n < 2 || !mem_read(&address, s->value, n)) {
        show_ptr(text, s);
        return;
    }
    switch (address.ss_family) {
    case AF_INET:
        show_inet(text, (struct sockaddr_in *)&address);
        break;
    case AF_INET6:
        show_inet6(text, (struct sockaddr_in6 *)&address);
        break;
    case AF_UNIX:
        text_add(text, "{AF_UNIX, \"%.*s\"}", (int)sizeof(((struct sockaddr_un *)0)->sun_path),
                 ((struct sockaddr_un *)&address)->sun_path);
        break;
    default:
        show_flags(text, &(Shown){ .value = address.ss_family, .set = FS_af });
        break;
    }
}

void show_msghdr(Text *text, const Shown *s)
{
    struct msghdr h;

    if (s->result < 0 || !mem_read(&h, s->value, sizeof(h))) {
        show_ptr(text, s);
        return;
    }
    text_add(text, "{msg_name=");
    show_sockaddr(text, &(Shown){ .value = mem_guest(h.msg_name), .span = h.msg_namelen });
    text_add(text, ", msg_iov=");
    show_parts(text, mem_guest(h.msg_iov), h.msg_iovlen);
    text_add(text, ", msg_controllen=%zu, msg_flags=", h.msg_controllen);
    show_flags(text, &(Shown){ .value = (unsigned)h.msg_flags, .set = FS_msg });
    text_add(text, "}");
}
