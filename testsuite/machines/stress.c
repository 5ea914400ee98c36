/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machines/stress - what strains a machine with several harts, and knows its results.
 *
 *   stress run SECONDS [PROGRAM]   all jobs side by side, round after round, and PROGRAM (which is given
 *                                  a folder of its own) as one more; then a line for each:
 *                                  JOB ROUNDS DIGEST, and "stress: ok"
 *   stress check JOB ROUNDS        the digest of so many rounds: the same on every machine
 *
 * A job that finds an error says so and ends the program; one that makes no round in HANG seconds is
 * named.  A digest depends on the numbers of jobs and rounds only, never on who comes first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, HANG = 3000, THREADS = 3 };

typedef uint64_t (*Job)(uint64_t seed);

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "stress: FAILED: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, " (errno %d)\n", errno);
    va_end(args);
    _exit(1);
}

#define NEED(condition)                              \
    do {                                             \
        if (!(condition)) {                          \
            fail("line %d: %s", __LINE__, #condition); \
        }                                            \
    } while (0)

static uint64_t mix(uint64_t a, uint64_t b)
{
    a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    return a ^ a >> 29;
}

static uint64_t next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state, UINT64_C(0xbf58476d1ce4e5b9));
}

/* The sum of what THREADS threads find, each with a seed of its own. */
typedef struct Share {
    pthread_t thread;
    Job job;
    uint64_t seed, result;
} Share;

static void *share_main(void *opaque)
{
    Share *s = opaque;

    s->result = s->job(s->seed);
    return NULL;
}

static uint64_t in_threads(Job job, uint64_t seed)
{
    Share share[THREADS];
    uint64_t sum = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        share[i] = (Share){ .job = job, .seed = mix(seed, i) };
        NEED(pthread_create(&share[i].thread, NULL, share_main, &share[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(share[i].thread, NULL);
        sum += share[i].result;
    }
    return sum;
}

/* ---- Mappings come and go; every access that must fault does ---- */

static _Thread_local sigjmp_buf fault_way;
static _Thread_local void *volatile fault_at;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    fault_at = info->si_addr;
    siglongjmp(fault_way, 1);
}

static void must_fault(volatile uint64_t *p, bool write)
{
    fault_at = NULL;
    if (sigsetjmp(fault_way, 1) == 0) {
        if (write) {
            *p = 1;
        } else {
            (void)*p;
        }
        fail("%s of %p did not fault", write ? "store" : "load", (void *)p);
    }
    NEED(fault_at == (void *)p);
}

static uint64_t sum_of(const uint64_t *p, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum = sum * 31 + p[i];
    }
    return sum;
}

static uint64_t map_once(uint64_t *state)
{
    size_t pages = 1 + next(state) % 24, n = pages * PAGE / 8, at = next(state) % n;
    uint64_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t sum;

    NEED(p != MAP_FAILED);
    for (size_t i = 0; i < n; i++) {
        NEED(p[i] == 0);
        p[i] = next(state);
    }
    sum = sum_of(p, n);
    NEED(mprotect(p, pages * PAGE, PROT_READ) == 0);
    must_fault(p + at, true);
    NEED(sum_of(p, n) == sum);
    NEED(mprotect(p, pages * PAGE, PROT_NONE) == 0);
    must_fault(p + at, false);
    NEED(mprotect(p, pages * PAGE, PROT_READ | PROT_WRITE) == 0);
    p = mremap(p, pages * PAGE, pages * 2 * PAGE, MREMAP_MAYMOVE);
    NEED(p != MAP_FAILED && sum_of(p, n) == sum && p[n] == 0);
    NEED(madvise(p, PAGE, MADV_DONTNEED) == 0);
    NEED(p[0] == 0 && p[PAGE / 8 - 1] == 0);
    NEED(munmap(p, pages * 2 * PAGE) == 0);
    return sum;
}

static uint64_t map_thread(uint64_t seed)
{
    uint64_t state = seed, sum = 0;

    for (unsigned i = 0; i < 4; i++) {
        sum = mix(sum, map_once(&state));
    }
    return sum;
}

static uint64_t job_map(uint64_t seed)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
    return in_threads(map_thread, seed);
}

/* ---- Children that change what they share with their parent ---- */

static uint64_t job_fork(uint64_t seed)
{
    enum { CHILDREN = 4, WORDS = 32 * PAGE / 8 };
    uint64_t state = seed, *p = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), before, total = 0;
    int pipes[2];

    NEED(p != MAP_FAILED && pipe(pipes) == 0);
    for (unsigned i = 0; i < WORDS; i++) {
        p[i] = next(&state);
    }
    before = sum_of(p, WORDS);
    for (unsigned c = 0; c < CHILDREN; c++) {
        pid_t child = fork();

        NEED(child >= 0);
        if (child == 0) {
            uint64_t sum;

            for (unsigned i = c; i < WORDS; i += 7) {
                p[i] ^= c + 1;
            }
            sum = sum_of(p, WORDS);
            NEED(write(pipes[1], &sum, sizeof(sum)) == sizeof(sum));
            _exit(0);
        }
    }
    for (unsigned c = 0; c < CHILDREN; c++) {
        uint64_t sum;
        int status;

        NEED(read(pipes[0], &sum, sizeof(sum)) == sizeof(sum));
        total += mix(sum, seed);
        NEED(wait(&status) > 0 && status == 0);
    }
    NEED(sum_of(p, WORDS) == before);
    close(pipes[0]);
    close(pipes[1]);
    munmap(p, WORDS * 8);
    return total;
}

/* ---- Signals in the middle of computing ---- */

static _Atomic uint64_t received, ticks;

static void on_signal(int sig, siginfo_t *info, void *context)
{
    volatile double spoil = 1.0 / (double)(sig + 1);

    (void)context;
    if (sig == SIGALRM) {
        atomic_fetch_add(&ticks, spoil > 0);
    } else {
        atomic_fetch_add(&received, (uint64_t)info->si_value.sival_int);
    }
}

static uint64_t compute(uint64_t state, unsigned n)
{
    double x = (double)(state % 1000), y = 1;

    for (unsigned i = 0; i < n; i++) {
        state = mix(state, i);
        x = x * 0.999 + (double)(state & 0xff);
        y = y * 0.5 + x;
    }
    return state ^ (uint64_t)(x * 1024) ^ (uint64_t)(y * 16);
}

static _Atomic bool computing;

static void *computer(void *opaque)
{
    uint64_t seed = *(uint64_t *)opaque, want = compute(seed, 2000);

    while (atomic_load(&computing)) {
        NEED(compute(seed, 2000) == want);
    }
    return NULL;
}

static uint64_t job_signal(uint64_t seed)
{
    enum { SENT = 300 };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
    struct itimerval tick = { { 0, 700 }, { 0, 700 } }, none = { 0 };
    uint64_t state = seed, sum = 0;
    pthread_t thread;

    sigaction(SIGRTMIN, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    atomic_store(&computing, true);
    atomic_store(&received, 0);
    NEED(pthread_create(&thread, NULL, computer, &seed) == 0);
    for (unsigned i = 0; i < SENT; i++) {
        union sigval value = { .sival_int = (int)(next(&state) % 100000) };

        sum += (uint64_t)value.sival_int;
        if (i % 2) {
            while (pthread_sigqueue(thread, SIGRTMIN, value) == EAGAIN) {
                sched_yield();
            }
        } else {
            NEED(sigqueue(getpid(), SIGRTMIN, value) == 0);
        }
    }
    while (atomic_load(&received) != sum) {
        sched_yield();
    }
    setitimer(ITIMER_REAL, &none, NULL);
    atomic_store(&computing, false);
    pthread_join(thread, NULL);
    return mix(sum, compute(seed, 100));
}

/* ---- Locks, conditions, atomics ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    unsigned turn;
    uint64_t plain, sum;
    _Atomic uint64_t counter, swapped;
    _Atomic uint32_t small;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER };

static _Atomic unsigned lock_number;

static uint64_t lock_thread(uint64_t seed)
{
    enum { TURNS = 30, EACH = 40 };
    unsigned me = atomic_fetch_add(&lock_number, 1) % THREADS;

    (void)seed;
    for (unsigned i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&shared.lock);
        while (shared.turn % THREADS != me) {
            pthread_cond_wait(&shared.turned, &shared.lock);
        }
        shared.sum = mix(shared.sum, shared.turn++);
        pthread_cond_broadcast(&shared.turned);
        pthread_mutex_unlock(&shared.lock);
        for (unsigned k = 0; k < EACH; k++) {
            uint64_t old = atomic_load(&shared.swapped);

            pthread_mutex_lock(&shared.lock);
            shared.plain++;
            pthread_mutex_unlock(&shared.lock);
            atomic_fetch_add(&shared.counter, k);
            atomic_fetch_xor(&shared.small, 1u << (k % 32));
            while (!atomic_compare_exchange_weak(&shared.swapped, &old, old * 1 + 3)) {
            }
        }
    }
    return 0;
}

static uint64_t job_lock(uint64_t seed)
{
    shared.turn = 0;
    shared.plain = shared.counter = shared.swapped = 0;
    shared.sum = seed;
    atomic_store(&lock_number, 0);
    in_threads(lock_thread, seed);
    NEED(shared.plain == THREADS * 30 * 40 && shared.swapped == 3 * shared.plain);
    return mix(shared.sum, shared.counter + shared.small);
}

/* ---- Code that changes ---- */

static size_t emit(uint8_t *at, uint32_t value)
{
#if defined(__riscv)
    uint32_t high = (value + 0x800) & 0xfffff000, code[] = {
        high | 0x537,                          /* lui a0, high */
        (value & 0xfff) << 20 | 0x5051b,       /* addiw a0, a0, low */
        0x8067,                                /* ret */
    };

    memcpy(at, code, sizeof(code));
    return sizeof(code);
#elif defined(__x86_64__)
    at[0] = 0xb8; /* mov eax, value */
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
    return 6;
#endif
}

static void flush(void *at, size_t size, bool all_threads)
{
#if defined(__riscv)
    NEED(syscall(SYS_riscv_flush_icache, at, (char *)at + size, all_threads ? 0 : 1) == 0);
#else
    (void)at, (void)size, (void)all_threads;
#endif
}

static uint32_t call(const void *at)
{
    return ((uint32_t(*)(void))(uintptr_t)at)();
}

enum { FUNCTIONS = 8, SPACING = 640 };

/* Code of its own, in memory that is another one each time but at the same address often. */
static uint64_t own_code(uint64_t seed)
{
    uint64_t state = seed, sum = 0;

    for (unsigned i = 0; i < 5; i++) {
        uint8_t *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        NEED(p != MAP_FAILED);
        for (unsigned k = 0; k < 40; k++) {
            uint32_t value = (uint32_t)next(&state);
            uint8_t *at = p + k % FUNCTIONS * SPACING + PAGE - 4 * SPACING;
            size_t size = emit(at, value);

            flush(at, size, false);
            NEED(call(at) == value);
            sum = mix(sum, value);
        }
        munmap(p, 2 * PAGE);
    }
    return sum;
}

/* Code that one thread writes and others call: what they see is never older than what they know of.
 * Two copies, so that nobody calls what is being written. */
static struct {
    uint8_t *code;
    _Atomic uint32_t generation;
    _Atomic bool done;
} published;

static void *caller(void *opaque)
{
    uint64_t *calls = opaque;

    while (!atomic_load(&published.done)) {
        uint32_t before = atomic_load(&published.generation), got, after;

        got = call(published.code + before % 4 * PAGE);
        after = atomic_load(&published.generation);
        if (after - before < 3) {
            NEED(got == before);
        }
        ++*calls;
    }
    return NULL;
}

static void publish_code(void)
{
    enum { GENERATIONS = 60 };
    uint64_t calls[THREADS] = { 0 };
    pthread_t thread[THREADS];

    published.code = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(published.code != MAP_FAILED);
    for (uint32_t g = 0; g < 4; g++) {
        emit(published.code + g * PAGE, g);
    }
    flush(published.code, 4 * PAGE, true);
    atomic_store(&published.generation, 3);
    atomic_store(&published.done, false);
    for (unsigned i = 0; i < THREADS; i++) {
        NEED(pthread_create(&thread[i], NULL, caller, &calls[i]) == 0);
    }
    for (uint32_t g = 4; g < GENERATIONS; g++) {
        uint8_t *at = published.code + g % 4 * PAGE;

        flush(at, emit(at, g), true);
        atomic_store(&published.generation, g);
        if (g % 8 == 0) {
            sched_yield();
        }
    }
    atomic_store(&published.done, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    munmap(published.code, 4 * PAGE);
}

static uint64_t job_code(uint64_t seed)
{
    publish_code();
    return in_threads(own_code, seed);
}

/* ---- Pipes from process to process ---- */

static void copy_through(int from, int to, uint64_t key)
{
    uint64_t block[512];
    ssize_t n;

    while ((n = read(from, block, sizeof(block))) > 0) {
        NEED(n % 8 == 0);
        for (ssize_t i = 0; i < n / 8; i++) {
            block[i] ^= key;
        }
        for (ssize_t at = 0, m; at < n; at += m) {
            NEED((m = write(to, (char *)block + at, (size_t)(n - at))) > 0 && m % 8 == 0);
        }
    }
    _exit(n < 0);
}

static uint64_t job_pipe(uint64_t seed)
{
    enum { STAGES = 3, WORDS = 16384 };
    int first[2], from, status;
    uint64_t state = seed, sum = 0, word;
    FILE *in;

    NEED(pipe(first) == 0);
    from = first[0];
    for (unsigned s = 0; s < STAGES; s++) {
        int between[2];

        NEED(pipe(between) == 0);
        if (fork() == 0) {
            close(first[1]);
            copy_through(from, between[1], s * 77 + 1);
        }
        close(from);
        close(between[1]);
        from = between[0];
    }
    if (fork() == 0) {
        FILE *out = fdopen(first[1], "w");

        for (unsigned i = 0; i < WORDS; i++) {
            word = next(&state);
            NEED(fwrite(&word, 8, 1, out) == 1);
        }
        fclose(out);
        _exit(0);
    }
    close(first[1]);
    in = fdopen(from, "r");
    for (unsigned i = 0; i < WORDS; i++) {
        NEED(fread(&word, 8, 1, in) == 1);
        sum = mix(sum, word);
    }
    NEED(fread(&word, 1, 1, in) == 0);
    fclose(in);
    for (unsigned s = 0; s < STAGES + 1; s++) {
        NEED(wait(&status) > 0 && status == 0);
    }
    return sum;
}

/* ---- All of them ---- */

#define JOBS(J) J(map) J(fork) J(signal) J(lock) J(code) J(pipe)

enum {
#define J(name) JOB_##name,
    JOBS(J)
#undef J
    JOB_COUNT
};

static const struct {
    const char *name;
    Job job;
} jobs[JOB_COUNT] = {
#define J(name) { #name, job_##name },
    JOBS(J)
#undef J
};

typedef struct Progress {
    _Atomic uint64_t rounds, digest;
} Progress;

static uint64_t seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

static uint64_t round_of(unsigned job, uint64_t number)
{
    return jobs[job].job(mix(job + 1, number));
}

static int check(const char *name, uint64_t rounds)
{
    for (unsigned j = 0; j < JOB_COUNT; j++) {
        uint64_t digest = 0;

        if (strcmp(jobs[j].name, name) == 0) {
            for (uint64_t r = 0; r < rounds; r++) {
                digest = mix(digest, round_of(j, r));
            }
            printf("%s %llu %016llx\n", name, (unsigned long long)rounds, (unsigned long long)digest);
            return 0;
        }
    }
    return 2;
}

static void run_program(const char *program)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        execl(program, program, "/tmp/stress", (char *)NULL);
        _exit(127);
    }
    NEED(waitpid(child, &status, 0) == child);
    if (status) {
        fail("%s: status %x", program, (unsigned)status);
    }
}

static pid_t start(unsigned job, const char *program, Progress *progress, uint64_t end)
{
    pid_t child = fork();

    NEED(child >= 0);
    if (child) {
        return child;
    }
    for (uint64_t r = 0; r == 0 || seconds() < end; r++) {
        if (job == JOB_COUNT) {
            run_program(program);
        } else {
            atomic_store(&progress->digest, mix(progress->digest, round_of(job, r)));
        }
        atomic_fetch_add(&progress->rounds, 1);
    }
    _exit(0);
}

/* Ends when every job has; names one that makes no round for too long. */
static void watch(const Progress *progress, unsigned n)
{
    uint64_t seen[JOB_COUNT + 1] = { 0 }, when[JOB_COUNT + 1];
    unsigned left = n;

    for (unsigned j = 0; j < n; j++) {
        when[j] = seconds();
    }
    while (left) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);

        if (ended > 0) {
            if (status) {
                fail("a job ended with status %x", (unsigned)status);
            }
            left--;
            continue;
        }
        for (unsigned j = 0; j < n; j++) {
            if (progress[j].rounds != seen[j]) {
                seen[j] = progress[j].rounds;
                when[j] = seconds();
            } else if (seconds() - when[j] > HANG) {
                fail("%s makes no progress", j < JOB_COUNT ? jobs[j].name : "the program");
            }
        }
        sleep(1);
    }
}

static int run(uint64_t how_long, const char *program)
{
    unsigned n = JOB_COUNT + (program != NULL);
    Progress *progress = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t end = seconds() + how_long;

    NEED(progress != MAP_FAILED);
    for (unsigned j = 0; j < n; j++) {
        start(j, program, &progress[j], end);
    }
    watch(progress, n);
    for (unsigned j = 0; j < n; j++) {
        printf("%s %llu %016llx\n", j < JOB_COUNT ? jobs[j].name : "program",
               (unsigned long long)progress[j].rounds, (unsigned long long)progress[j].digest);
    }
    printf("stress: ok\n");
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 3 && strcmp(argv[1], "run") == 0) {
        return run(strtoull(argv[2], NULL, 0), argc > 3 ? argv[3] : NULL);
    }
    if (argc == 4 && strcmp(argv[1], "check") == 0) {
        return check(argv[2], strtoull(argv[3], NULL, 0));
    }
    fprintf(stderr, "stress run SECONDS [PROGRAM] | check JOB ROUNDS\n");
    return 2;
}
