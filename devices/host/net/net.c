/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/host/net/net.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/host/net/net_impl.h"

/* Frames that wait for the device at most, and their bytes. */
enum { MAX_BACKLOG = 1024, MAX_BACKLOG_BYTES = 4 << 20 };

typedef struct Frame {
    struct Frame *next;
    NetHeader header;
    size_t size;
    uint8_t bytes[];
} Frame;

struct Netdev {
    char *id;
    const char *name;
    const NetdevKind *kind;
    pthread_t thread;
    int wake;
    atomic_bool quit;
    pthread_mutex_t lock; /* all below */
    void *state;
    NetPeer peer;
    bool connected, up;
    unsigned taken;    /* NET_OFFLOAD_... of the peer */
    bool sends_partly; /* the kind makes checksums itself */
    Frame *first, **last;
    unsigned backlog;
    size_t backlog_bytes;
};

/* ---- Kinds and options ---- */

typedef struct Kind {
    const char *name, *help;
    const NetdevKind *kind;
} Kind;

static const Kind kinds[] = {
#define NETDEV(kind, help) { #kind, help, &netdev_kind_##kind },
#define OPTION(...)
#include "devices/host/net/netdevs.def"
};

typedef struct Option {
    const char *kind, *name, *value, *help;
} Option;

static const Option all_options[] = {
#define NETDEV(...)
#define OPTION(kind, name, value, help) { #kind, name, value, help },
#include "devices/host/net/netdevs.def"
};

void netdev_help(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_print("%s: %s\n", kinds[i].name, kinds[i].help);
        for (size_t k = 0; k < G_N_ELEMENTS(all_options); k++) {
            const Option *o = &all_options[k];

            if (!strcmp(o->kind, kinds[i].name)) {
                g_print("  %s=%s: %s\n", o->name, o->value, o->help);
            }
        }
    }
}

static const Kind *find_kind(const char *name, GError **error)
{
    GString *known = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].name, name)) {
            g_string_free(known, TRUE);
            return &kinds[i];
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", kinds[i].name);
    }
    g_set_error(error, NETDEV_ERROR, 0, "there is no netdev '%s'; there are: %s", name, known->str);
    g_string_free(known, TRUE);
    return NULL;
}

static bool is_option(const char *kind, const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(all_options); i++) {
        size_t n = strlen(all_options[i].name);

        if (!strcmp(all_options[i].kind, kind) && !strncmp(all_options[i].name, text, n) &&
            text[n] == '=') {
            return true;
        }
    }
    return false;
}

static bool check_options(const char *kind, char **options, GError **error)
{
    GString *known;

    while (*options && is_option(kind, *options)) {
        options++;
    }
    if (!*options) {
        return true;
    }
    known = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(all_options); i++) {
        if (!strcmp(all_options[i].kind, kind)) {
            g_string_append_printf(known, "%s%s=", known->len ? ", " : "", all_options[i].name);
        }
    }
    g_set_error(error, NETDEV_ERROR, 0, "netdev '%s' has no option '%s'; it has: %s", kind,
                *options, known->len ? known->str : "none");
    g_string_free(known, TRUE);
    return false;
}

const char *netdev_option_next(char ***options, const char *name)
{
    size_t n = strlen(name);

    while (**options) {
        const char *text = *(*options)++;

        if (!strncmp(text, name, n) && text[n] == '=') {
            return text + n + 1;
        }
    }
    return NULL;
}

const char *netdev_option(char **options, const char *name)
{
    return netdev_option_next(&options, name);
}

bool netdev_option_bool(char **options, const char *name, bool otherwise, bool *value,
                        GError **error)
{
    const char *text = netdev_option(options, name);

    if (text && strcmp(text, "on") && strcmp(text, "off") && strcmp(text, "yes") &&
        strcmp(text, "no")) {
        g_set_error(error, NETDEV_ERROR, 0, "%s is on or off, not '%s'", name, text);
        return false;
    }
    *value = text ? !strcmp(text, "on") || !strcmp(text, "yes") : otherwise;
    return true;
}

/* ---- Frames for the device ---- */

void *netdev_state(Netdev *nd)
{
    return nd->state;
}

void netdev_set_state(Netdev *nd, void *state)
{
    nd->state = state;
}

static bool offer_locked(Netdev *nd, const NetHeader *h, const uint8_t *frame, size_t size)
{
    return nd->peer.receive(nd->peer.opaque, h, frame, size);
}

static void flush_locked(Netdev *nd)
{
    while (nd->first && nd->connected &&
           offer_locked(nd, &nd->first->header, nd->first->bytes, nd->first->size)) {
        Frame *f = nd->first;

        nd->first = f->next;
        nd->last = f->next ? nd->last : &nd->first;
        nd->backlog--;
        nd->backlog_bytes -= f->size;
        free(f);
    }
}

bool netdev_backlog(const Netdev *nd)
{
    return nd->first != NULL;
}

static bool enqueue_locked(Netdev *nd, const NetHeader *h, const uint8_t *frame, size_t size)
{
    Frame *f = NULL;

    if (nd->backlog < MAX_BACKLOG && nd->backlog_bytes + size <= MAX_BACKLOG_BYTES) {
        f = malloc(sizeof(*f) + size);
    }
    if (!f) {
        return false;
    }
    f->next = NULL;
    f->header = *h;
    f->size = size;
    memcpy(f->bytes, frame, size);
    *nd->last = f;
    nd->last = &f->next;
    nd->backlog++;
    nd->backlog_bytes += size;
    return true;
}

bool netdev_deliver(Netdev *nd, const NetHeader *h, const uint8_t *frame, size_t size)
{
    NetHeader taken = nd->taken & NET_OFFLOAD_csum ? *h : (NetHeader){ 0 };

    if (!nd->connected || !nd->up) {
        return false;
    }
    if (!nd->first && offer_locked(nd, &taken, frame, size)) {
        return true;
    }
    return enqueue_locked(nd, &taken, frame, size);
}

/* ---- The thread ---- */

int netpoll_add(NetPoll *p, int fd, short events)
{
    if (p->n == p->room) {
        unsigned room = p->room ? 2 * p->room : 16;
        struct pollfd *fds = realloc(p->fds, room * sizeof(*fds));

        if (!fds) {
            return -1;
        }
        p->fds = fds;
        p->room = room;
    }
    p->fds[p->n] = (struct pollfd){ fd, events, 0 };
    return (int)p->n++;
}

static void prepare(Netdev *nd, NetPoll *p)
{
    p->n = 0;
    p->timeout = -1;
    CHECK(netpoll_add(p, nd->wake, POLLIN) == 0, "out of memory");
    pthread_mutex_lock(&nd->lock);
    if (nd->kind->wait) {
        nd->kind->wait(nd, p);
    }
    pthread_mutex_unlock(&nd->lock);
}

static void *run(void *opaque)
{
    Netdev *nd = opaque;
    NetPoll p = { 0 };
    eventfd_t count;

    while (!atomic_load(&nd->quit)) {
        prepare(nd, &p);
        if (poll(p.fds, p.n, p.timeout) < 0) {
            continue; /* EINTR */
        }
        if (p.fds[0].revents) {
            eventfd_read(nd->wake, &count);
        }
        pthread_mutex_lock(&nd->lock);
        flush_locked(nd);
        if (nd->kind->act) {
            nd->kind->act(nd, &p);
        }
        pthread_mutex_unlock(&nd->lock);
    }
    free(p.fds);
    return NULL;
}

static void wake(Netdev *nd)
{
    CHECK(eventfd_write(nd->wake, 1) == 0, "eventfd");
}

/* Signals of the process are for other threads. */
static bool start(Netdev *nd, GError **error)
{
    sigset_t all, old;
    int result;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    result = pthread_create(&nd->thread, NULL, run, nd);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (result) {
        g_set_error(error, NETDEV_ERROR, 0, "no thread could be made: %s", g_strerror(result));
    }
    return result == 0;
}

/* ---- Life ---- */

static void release(Netdev *nd)
{
    while (nd->first) {
        Frame *f = nd->first;

        nd->first = f->next;
        free(f);
    }
    if (nd->wake >= 0) {
        close(nd->wake);
    }
    pthread_mutex_destroy(&nd->lock);
    g_free(nd->id);
    g_free(nd);
}

static Netdev *make(const char *id, const Kind *kind, char **options, GError **error)
{
    Netdev *nd = g_new0(Netdev, 1);

    nd->id = g_strdup(id);
    nd->name = kind->name;
    nd->kind = kind->kind;
    nd->up = true;
    nd->last = &nd->first;
    nd->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&nd->lock, NULL);
    if (nd->wake < 0) {
        g_set_error(error, NETDEV_ERROR, 0, "no eventfd: %s", g_strerror(errno));
    } else if (nd->kind->open(nd, options, error)) {
        if (start(nd, error)) {
            return nd;
        }
        nd->kind->close(nd);
    }
    release(nd);
    return NULL;
}

Netdev *netdev_new(const char *id, const char *text, GError **error)
{
    char **parts = g_strsplit(text, ",", -1);
    const Kind *kind = find_kind(parts[0] ? parts[0] : "", error);
    Netdev *nd = NULL;

    if (kind && check_options(kind->name, parts + 1, error)) {
        nd = make(id, kind, parts + 1, error);
    }
    if (!nd) {
        g_prefix_error(error, "netdev '%s': ", id);
    }
    g_strfreev(parts);
    return nd;
}

void netdev_free(Netdev *nd)
{
    if (!nd) {
        return;
    }
    CHECK(!nd->connected, "%s", nd->id);
    atomic_store(&nd->quit, true);
    wake(nd);
    pthread_join(nd->thread, NULL);
    nd->kind->close(nd);
    release(nd);
}

const char *netdev_id(const Netdev *nd)
{
    return nd->id;
}

const char *netdev_kind(const Netdev *nd)
{
    return nd->name;
}

bool netdev_connect(Netdev *nd, const NetPeer *peer)
{
    bool fits;

    pthread_mutex_lock(&nd->lock);
    fits = !peer || !nd->connected;
    if (fits) {
        nd->connected = peer != NULL;
        nd->taken = 0;
        nd->peer = peer ? *peer : (NetPeer){ 0 };
    }
    pthread_mutex_unlock(&nd->lock);
    return fits;
}

void netdev_set_link(Netdev *nd, bool up)
{
    pthread_mutex_lock(&nd->lock);
    if (nd->up != up) {
        nd->up = up;
        if (nd->connected && nd->peer.link) {
            nd->peer.link(nd->peer.opaque, up);
        }
    }
    pthread_mutex_unlock(&nd->lock);
}

bool netdev_link(Netdev *nd)
{
    bool up;

    pthread_mutex_lock(&nd->lock);
    up = nd->up;
    pthread_mutex_unlock(&nd->lock);
    return up;
}

/* RFC 1071.  False: its place is not in the frame. */
static bool fill_in_checksum(const NetHeader *h, uint8_t *frame, size_t size)
{
    size_t at = (size_t)h->sum_start + h->sum_offset;
    uint64_t sum = 0;
    uint16_t word;

    if (at + sizeof(word) > size) {
        return false;
    }
    for (size_t i = h->sum_start; i + 1 < size; i += 2) {
        memcpy(&word, frame + i, 2);
        sum += word;
    }
    if ((size - h->sum_start) % 2) {
        sum += frame[size - 1]; /* little-endian: a zero follows */
    }
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    word = (uint16_t)~(sum + (sum >> 16));
    word = word ? word : UINT16_MAX; /* of UDP, zero means that there is none */
    memcpy(frame + at, &word, 2);
    return true;
}

static bool prepare_locked(Netdev *nd, const NetHeader *h, uint8_t *frame, size_t size)
{
    return nd->up && nd->kind->send &&
           (nd->sends_partly || !(h->flags & NET_NEEDS_CSUM) || fill_in_checksum(h, frame, size));
}

void netdev_send(Netdev *nd, const NetHeader *h, uint8_t *frame, size_t size)
{
    pthread_mutex_lock(&nd->lock);
    if (prepare_locked(nd, h, frame, size)) {
        nd->kind->send(nd, h, frame, size);
    }
    pthread_mutex_unlock(&nd->lock);
    if (nd->kind->wait) {
        wake(nd);
    }
}

unsigned netdev_offloads(Netdev *nd)
{
    unsigned all = NET_OFFLOAD_csum;

    pthread_mutex_lock(&nd->lock);
    all |= nd->kind->offloads ? nd->kind->offloads(nd) : 0;
    pthread_mutex_unlock(&nd->lock);
    return all;
}

void netdev_set_offloads(Netdev *nd, unsigned taken)
{
    pthread_mutex_lock(&nd->lock);
    nd->taken = taken;
    nd->sends_partly = nd->kind->set_offloads && nd->kind->set_offloads(nd, taken);
    pthread_mutex_unlock(&nd->lock);
}

void netdev_ready(Netdev *nd)
{
    wake(nd);
}

char *netdev_connections(Netdev *nd)
{
    char *text;

    pthread_mutex_lock(&nd->lock);
    text = nd->kind->connections ? nd->kind->connections(nd) : NULL;
    pthread_mutex_unlock(&nd->lock);
    return text;
}

bool netdev_forward(Netdev *nd, const char *text, bool add, GError **error)
{
    bool (*fn)(Netdev *nd, const char *text, GError **error) = add ? nd->kind->add_forward : nd->kind->remove_forward;
    bool ok;

    if (!fn) {
        g_set_error(error, NETDEV_ERROR, 0, "netdev '%s' is of kind %s, which forwards no ports", nd->id, nd->name);
        return false;
    }
    pthread_mutex_lock(&nd->lock);
    ok = fn(nd, text, error);
    pthread_mutex_unlock(&nd->lock);
    wake(nd); /* it has another descriptor to wait for */
    return ok;
}

/* ---- null ---- */

static bool null_open(Netdev *nd, char **options, GError **error)
{
    (void)nd, (void)options, (void)error;
    return true;
}

static void null_close(Netdev *nd)
{
    (void)nd;
}

const NetdevKind netdev_kind_null = { .open = null_open, .close = null_close };
