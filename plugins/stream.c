/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/ownfd.h"
#include "plugins/stream_code.h"
#include "plugins/stream_file.h"

#define STREAM_ERROR g_quark_from_static_string("ketch-stream")

/* A vcpu holds one buffer; the rest are on their way to the file or back.  Waking up takes as long as
 * coding a quarter of a buffer: the thread is woken up for several, and so is a vcpu that waits for it. */
enum { MAX_WAITING = 16, FEW_WAITING = 4, WAKE_UP = 4 };

/* Of zstd: 0.5 ns for each byte that the code of stream_code.h leaves.  Level 1 halves them once more, in
 * ten times that. */
enum { LEVEL = -200 };

/* The file system gives room in pieces of so many bytes: one page at a time costs as much as the writing. */
enum { ROOM = 16 << 20 };

/* Bytes that go to the file at once, at a multiple of it: the kernel then takes 0.1 ns for each of them, with
 * chunks as they come 0.3 ns. */
enum { WRITE_SIZE = 256 << 10 };

/* After a chunk that compression made less than an eighth smaller so many are written as they are. */
enum { PLAIN_CHUNKS = 15 };

/* The upper half of an aligned block of memory, and STREAM_ROOM behind it. */
enum { BUFFER_SIZE = STREAM_HAS_ROOM + STREAM_ROOM };

_Static_assert(BUFFER_SIZE == STREAM_MAX_WORDS * sizeof(uint64_t), "the code takes a whole buffer");

typedef struct Buffer {
    struct Buffer *next;
    uint64_t *words; /* BUFFER_SIZE bytes */
    uint16_t type;
    unsigned vcpu;
    uint32_t size; /* bytes in use */
} Buffer;

struct Stream {
    Stream *next; /* all streams, for fork */
    char *path;
    char *kind;
    int fd;
    int error; /* errno of the first write that failed */

    pthread_mutex_t lock;
    pthread_cond_t full;  /* something is in the queue, or `ending` */
    pthread_cond_t empty; /* the queue has become short */
    pthread_t thread;
    bool running; /* the thread is there */
    pid_t pid;    /* of the process that it is in */
    bool ending;
    Buffer *queue, **queue_end;
    unsigned waiting;
    Buffer *spare;
    GByteArray *sites; /* all there ever were: a child's file needs them, too */
    guint sites_queued;
    GPtrArray *held;  /* Buffer that each vcpu fills; NULL: none */
    qemu_plugin_u64 position; /* see stream.h */
};

static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;
static Stream *streams;

/* ---- The file ---- */

static bool write_all(int fd, const void *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            data = (const char *)data + n;
            size -= (size_t)n;
        }
    }
    return true;
}

/* Opens the file of this process; false with errno. */
static bool open_file(Stream *s)
{
    StreamFileHeader header = { .magic = STREAM_MAGIC };
    char pid[24];
    char **parts = g_strsplit(s->path, "%p", -1);
    char *path;

    g_snprintf(pid, sizeof(pid), "%d", (int)getpid());
    path = g_strjoinv(pid, parts);
    memcpy(header.kind, s->kind, MIN(strlen(s->kind), sizeof(header.kind) - 1));
    s->fd = ownfd_take(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    g_strfreev(parts);
    g_free(path);
    return s->fd >= 0 && write_all(s->fd, &header, sizeof(header));
}

enum {
    MAX_CODED = STREAM_MAX_CODE(STREAM_MAX_WORDS),
    MAX_CHUNK = sizeof(StreamChunk) + ZSTD_COMPRESSBOUND(MAX_CODED),
};

/* What the thread works with. */
typedef struct Writer {
    ZSTD_CCtx *zstd;
    StreamEncoder encoder;
    unsigned plain; /* see PLAIN_CHUNKS */
    off_t at, room; /* in the file: where `out` goes, and how far there is room */
    size_t size;    /* bytes of `out`, below WRITE_SIZE between chunks */
    uint8_t content[MAX_CODED]; /* to be compressed */
    uint8_t out[WRITE_SIZE + MAX_CHUNK];
} Writer;

static Writer *writer_new(void)
{
    Writer *w = g_new0(Writer, 1);

    w->zstd = ZSTD_createCCtx();
    w->at = sizeof(StreamFileHeader);
    return w;
}

static void writer_free(Writer *w)
{
    ZSTD_freeCCtx(w->zstd);
    g_free(w);
}

/* The content of the buffer, before it is compressed: how many bytes. */
static size_t code(Writer *w, const Buffer *b, uint8_t *content)
{
    if (b->type == STREAM_RECORDS) {
        return stream_encode(&w->encoder, b->words, b->size / sizeof(uint64_t), content);
    }
    memcpy(content, b->words, b->size);
    return b->size;
}

/* The same, compressed: how many bytes are at `packed`, as many as *size when it is as it was. */
static size_t pack(Writer *w, const Buffer *b, uint8_t *packed, size_t *size)
{
    size_t n;

    if (w->plain) {
        w->plain--;
        return *size = code(w, b, packed);
    }
    *size = code(w, b, w->content);
    n = ZSTD_compressCCtx(w->zstd, packed, ZSTD_COMPRESSBOUND(MAX_CODED), w->content, *size, LEVEL);
    if (ZSTD_isError(n) || n > *size / 8 * 7) {
        w->plain = PLAIN_CHUNKS;
        memcpy(packed, w->content, *size);
        return *size;
    }
    return n;
}

/* Where there is no fallocate(), or no room, writing does what can be done. */
static void make_room(const Stream *s, Writer *w)
{
    if (w->at > w->room) {
        (void)fallocate(s->fd, FALLOC_FL_KEEP_SIZE, w->room, ROOM);
        w->room += ROOM;
    }
}

static bool write_out(const Stream *s, Writer *w, size_t size)
{
    w->at += (off_t)size;
    make_room(s, w);
    if (!write_all(s->fd, w->out, size)) {
        return false;
    }
    w->size -= size;
    memmove(w->out, w->out + size, w->size);
    return true;
}

static bool write_chunk(const Stream *s, Writer *w, const Buffer *b)
{
    uint8_t *start = w->out + w->size;
    size_t size, packed = pack(w, b, start + sizeof(StreamChunk), &size);
    StreamChunk chunk = { .type = b->type, .vcpu = b->vcpu, .size = (uint32_t)size,
                          .packed = (uint32_t)packed };

    memcpy(start, &chunk, sizeof(chunk));
    w->size += sizeof(chunk) + packed;
    while (w->size >= WRITE_SIZE) {
        if (!write_out(s, w, WRITE_SIZE - (size_t)w->at % WRITE_SIZE)) {
            return false;
        }
    }
    return true;
}

/* The rest; what is left of the room goes back.  A short file never had any: that takes longer than its writing. */
static bool end_file(const Stream *s, Writer *w)
{
    struct stat st;
    bool ok = write_all(s->fd, w->out, w->size);

    if (w->room && fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        (void)!ftruncate(s->fd, st.st_size);
    }
    return ok;
}

/* ---- The thread ---- */

/* The oldest buffer of the queue; NULL when the stream ends. */
static Buffer *take(Stream *s)
{
    Buffer *b;

    pthread_mutex_lock(&s->lock);
    while (!s->queue && !s->ending) {
        pthread_cond_wait(&s->full, &s->lock);
    }
    b = s->queue;
    if (b) {
        s->queue = b->next;
        if (!s->queue) {
            s->queue_end = &s->queue;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return b;
}

static void give_back(Stream *s, Buffer *b)
{
    pthread_mutex_lock(&s->lock);
    b->next = s->spare;
    s->spare = b;
    if (--s->waiting == FEW_WAITING) {
        pthread_cond_broadcast(&s->empty);
    }
    pthread_mutex_unlock(&s->lock);
}

static void *drain(void *stream)
{
    Stream *s = stream;
    Writer *w = writer_new();
    Buffer *b;

    while ((b = take(s)) != NULL) {
        if (s->fd >= 0 && !s->error && !write_chunk(s, w, b)) {
            s->error = errno;
        }
        give_back(s, b);
    }
    if (s->fd >= 0 && !s->error && !end_file(s, w)) {
        s->error = errno;
    }
    writer_free(w);
    return NULL;
}

/* The thread has no part in the guest's signals. */
static void start_thread_locked(Stream *s)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->running = pthread_create(&s->thread, NULL, drain, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!s->running) {
        s->error = EAGAIN;
    }
}

/* ---- Buffers ---- */

/* The lower half is never touched. */
static uint64_t *buffer_memory(void)
{
    void *block;

    CHECK(posix_memalign(&block, 2 * STREAM_HAS_ROOM, STREAM_HAS_ROOM + BUFFER_SIZE) == 0,
          "no memory for a buffer of a stream");
    return (uint64_t *)(void *)((char *)block + STREAM_HAS_ROOM);
}

static Buffer *buffer_new_locked(Stream *s, uint16_t type, unsigned vcpu)
{
    Buffer *b = s->spare;

    if (b) {
        s->spare = b->next;
    } else {
        b = g_new(Buffer, 1);
        b->words = buffer_memory();
    }
    *b = (Buffer){ .words = b->words, .type = type, .vcpu = vcpu };
    return b;
}

/* Until the queue is short.  The lock is let go meanwhile, so this comes before the caller looks at what
 * there is to queue: chunks are in the file in the order in which they became known. */
static void wait_for_room_locked(Stream *s)
{
    if (s->waiting >= MAX_WAITING && s->running) {
        do {
            pthread_cond_wait(&s->empty, &s->lock);
        } while (s->waiting > FEW_WAITING);
    }
}

/* Without a thread nothing is written: buffers go straight back.  A process that shares this one's memory,
 * as after vfork(), cannot have it: it would end with that process.  What is queued there this one writes. */
static void enqueue_locked(Stream *s, Buffer *b)
{
    bool own = getpid() == s->pid;

    if (!s->running && !s->error && own) {
        start_thread_locked(s);
    }
    if (!s->running && own) {
        b->next = s->spare;
        s->spare = b;
        return;
    }
    b->next = NULL;
    *s->queue_end = b;
    s->queue_end = &b->next;
    if (++s->waiting >= WAKE_UP) {
        pthread_cond_signal(&s->full);
    }
}

static void enqueue_sites_locked(Stream *s)
{
    while (s->sites_queued < s->sites->len) {
        Buffer *b = buffer_new_locked(s, STREAM_SITES, 0);

        b->size = MIN(s->sites->len - s->sites_queued, BUFFER_SIZE);
        memcpy(b->words, s->sites->data + s->sites_queued, b->size);
        s->sites_queued += b->size;
        enqueue_locked(s, b);
    }
}

void stream_site(Stream *s, const StreamSite *site)
{
    pthread_mutex_lock(&s->lock);
    g_byte_array_append(s->sites, (const guint8 *)site, sizeof(*site));
    pthread_mutex_unlock(&s->lock);
}

/* ---- What a vcpu fills ---- */

static Buffer **held_locked(Stream *s, unsigned vcpu)
{
    if (vcpu >= s->held->len) {
        g_ptr_array_set_size(s->held, (int)vcpu + 1);
    }
    return (Buffer **)&s->held->pdata[vcpu];
}

/* Hands over the vcpu's buffer, filled up to `position`.  A vcpu that runs meanwhile has told an old
 * one: what it holds is lost. */
static void hand_over_locked(Stream *s, unsigned vcpu, uint64_t position)
{
    Buffer **held = held_locked(s, vcpu);
    Buffer *b = *held;
    uint64_t size = b ? position - (uintptr_t)b->words : 0;

    if (size > 0 && size < BUFFER_SIZE) {
        *held = NULL;
        enqueue_sites_locked(s);
        b->size = (uint32_t)size;
        enqueue_locked(s, b);
    }
}

uint64_t stream_exchange(Stream *s, unsigned vcpu, uint64_t position)
{
    Buffer *b;

    pthread_mutex_lock(&s->lock);
    wait_for_room_locked(s);
    hand_over_locked(s, vcpu, position);
    b = buffer_new_locked(s, STREAM_RECORDS, vcpu);
    *held_locked(s, vcpu) = b;
    pthread_mutex_unlock(&s->lock);
    return (uintptr_t)b->words;
}

/* Twice without a record between is once: so one fits behind any block's records. */
static void note_stop(Stream *s, unsigned vcpu, const uint64_t words[STREAM_STOP_WORDS])
{
    uint64_t position = qemu_plugin_u64_get(s->position, vcpu);
    uint64_t *next = (uint64_t *)(uintptr_t)position;

    if (position % STREAM_HAS_ROOM != 0 && next[-STREAM_STOP_WORDS] != words[0]) {
        memcpy(next, words, STREAM_STOP_WORDS * sizeof(uint64_t));
        qemu_plugin_u64_set(s->position, vcpu, position + STREAM_STOP_WORDS * sizeof(uint64_t));
    }
}

void stream_stopped(Vcpu *vcpu, uint64_t vaddr)
{
    uint64_t words[STREAM_STOP_WORDS] = { ~(uint64_t)STREAM_STOP, vcpu->pc & STREAM_MAX_VALUE,
                                          vaddr & STREAM_MAX_VALUE };

    pthread_mutex_lock(&streams_lock);
    for (Stream *s = streams; s; s = s->next) {
        note_stop(s, vcpu->index, words);
    }
    pthread_mutex_unlock(&streams_lock);
}

qemu_plugin_u64 stream_position(const Stream *s)
{
    return s->position;
}

/* ---- fork ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&streams_lock);
    for (Stream *s = streams; s; s = s->next) {
        pthread_mutex_lock(&s->lock);
    }
}

static void after_fork(void)
{
    for (Stream *s = streams; s; s = s->next) {
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&streams_lock);
}

/* The queue is the parent's, and so is what the buffers hold.  Code that the child has inherited makes
 * records that need the sites. */
static void begin_anew(Stream *s)
{
    pthread_cond_init(&s->full, NULL);
    pthread_cond_init(&s->empty, NULL);
    s->running = false;
    s->pid = getpid();
    s->queue = NULL;
    s->queue_end = &s->queue;
    s->waiting = 0;
    s->sites_queued = 0;
    for (unsigned i = 0; i < s->held->len; i++) {
        const Buffer *b = s->held->pdata[i];

        if (b) {
            qemu_plugin_u64_set(s->position, i, (uintptr_t)b->words);
        }
    }
    ownfd_close(s->fd);
    s->fd = -1;
    if (strstr(s->path, "%p") && !open_file(s)) {
        s->error = errno;
    }
}

static void in_child(void)
{
    for (Stream *s = streams; s; s = s->next) {
        begin_anew(s);
    }
    after_fork();
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- Life ---- */

Stream *stream_new(const char *path, const char *kind, GError **error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    Stream *s = g_new0(Stream, 1);

    pthread_once(&once, watch_forks);
    s->path = g_strdup(path);
    s->kind = g_strdup(kind);
    if (!open_file(s)) {
        g_set_error(error, STREAM_ERROR, errno, "cannot write %s: %s", path, g_strerror(errno));
        g_free(s->path);
        g_free(s->kind);
        g_free(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->full, NULL);
    pthread_cond_init(&s->empty, NULL);
    s->pid = getpid();
    s->queue_end = &s->queue;
    s->held = g_ptr_array_new();
    s->sites = g_byte_array_new();
    s->position = qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
    pthread_mutex_lock(&streams_lock);
    s->next = streams;
    streams = s;
    pthread_mutex_unlock(&streams_lock);
    return s;
}

bool stream_close(Stream *s, GError **error)
{
    int why;

    if (getpid() != s->pid) {
        return true; /* the end of a process that shares the memory of the one that it belongs to */
    }
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->held->len; i++) {
        hand_over_locked(s, i, qemu_plugin_u64_get(s->position, i));
    }
    enqueue_sites_locked(s);
    if (s->queue && !s->running && !s->error) {
        start_thread_locked(s);
    }
    s->ending = true;
    pthread_cond_signal(&s->full);
    pthread_mutex_unlock(&s->lock);
    if (s->running) {
        pthread_join(s->thread, NULL);
    }
    why = s->error;
    if (why) {
        g_set_error(error, STREAM_ERROR, why, "%s is incomplete: %s", s->path, g_strerror(why));
    }
    return !why;
}
