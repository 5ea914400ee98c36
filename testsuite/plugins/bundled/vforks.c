/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that share the memory of their parent, and make more accesses than fit into its buffers.  With
 * an argument each is killed, at any instruction, by another thread of the parent.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long cells[64];

__attribute__((noipa)) static void store(long n)
{
    for (long i = 0; i < n; i++) {
        cells[i % 64] = i;
    }
}

static volatile pid_t victim;

static void *kill_children(void *unused)
{
    for (;;) {
        pid_t child = victim;

        if (child) {
            kill(child, SIGTERM);
        }
        usleep(3000);
    }
    return unused;
}

static void lose_children(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, kill_children, NULL);
    for (int i = 0; i < 60; i++) {
        pid_t child = vfork();

        if (child == 0) {
            victim = getpid();
            for (;;) {
                store(1000);
            }
        }
        victim = 0;
        waitpid(child, NULL, 0);
        store(1000);
    }
    puts("done");
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        lose_children();
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        pid_t child = vfork();

        if (child == 0) {
            store(900000);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        store(100000);
    }
    puts("done");
    return 0;
}
