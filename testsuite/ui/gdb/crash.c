/* SPDX-License-Identifier: Apache-2.0 */
/* Dies with a core file: two threads that wait, one that follows a bad pointer or calls abort(). */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CALLED __attribute__((noipa))

struct {
    char text[16];
    long number;
} *record;
char *shared;
volatile pid_t sleeping[2];
double fraction = 0.25;

CALLED void sleeper(void)
{
    pause();
}

static void *wait_for_ever(void *opaque)
{
    sleeping[opaque != NULL] = gettid();
    sleeper();
    return opaque;
}

static int sleeps(pid_t thread)
{
    char path[64], state = '?';
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    f = fopen(path, "r");
    if (f) {
        fscanf(f, "%*d (%*[^)]) %c", &state);
        fclose(f);
    }
    return state == 'S';
}

CALLED long follow(long *pointer, double scale)
{
    long value = *pointer;
    return value + (long)(scale * fraction);
}

int main(int argc, char **argv)
{
    pthread_t thread[2];

    record = malloc(sizeof(*record));
    strcpy(record->text, "in the heap");
    record->number = 0x123456789;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(shared, "shared page");
    for (int i = 0; i < 2; i++) {
        pthread_create(&thread[i], NULL, wait_for_ever, i ? "" : NULL);
    }
    while (!sleeping[0] || !sleeping[1] || !sleeps(sleeping[0]) || !sleeps(sleeping[1])) {
        usleep(10000);
    }
    if (argc > 1) {
        abort();
    }
    return (int)follow((long *)0xbad000, 4.0);
}
