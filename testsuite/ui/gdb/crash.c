/* SPDX-License-Identifier: Apache-2.0 */
/* Dies with a core file: two threads that wait, one that follows a bad pointer or calls abort(). */
#include <pthread.h>
#include <signal.h>
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
double fraction = 0.25;

CALLED void sleeper(void)
{
    pause();
}

static void *wait_for_ever(void *opaque)
{
    sleeper();
    return opaque;
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
        pthread_create(&thread[i], NULL, wait_for_ever, NULL);
    }
    usleep(200000);
    if (argc > 1) {
        abort();
    }
    return (int)follow((long *)0xbad000, 4.0);
}
