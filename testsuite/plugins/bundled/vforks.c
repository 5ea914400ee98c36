/* SPDX-License-Identifier: Apache-2.0 */
/* Children that share the memory of their parent, and make more accesses than fit into its buffers. */
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

int main(void)
{
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
