/* SPDX-License-Identifier: Apache-2.0 */
/* SKIP-COMPARE: RISC-V only.
 * LR/SC between threads: counters with plain and with unusual code between the two, and a
 * lock-free stack whose pop is correct only if SC notices that the head went away and came back.
 */
#include <pthread.h>
#include <stdio.h>

#ifdef __riscv
enum { THREADS = 4, ROUNDS = 20000, NODES = 6 };

static long simple, unusual;

static void add_simple(void)
{
    long old, failed;

    __asm__ volatile("1: lr.d %0, (%2)\n addi %0, %0, 1\n sc.d %1, %0, (%2)\n bnez %1, 1b"
                     : "=&r"(old), "=&r"(failed)
                     : "r"(&simple)
                     : "memory");
}

/* A store and a load between LR and SC, as unoptimised code has them. */
static void add_unusual(void)
{
    long old, failed, spill;

    __asm__ volatile("1: lr.d.aq %0, (%3)\n sd %0, %2\n ld %0, %2\n addi %0, %0, 1\n"
                     "sc.d.rl %1, %0, (%3)\n bnez %1, 1b"
                     : "=&r"(old), "=&r"(failed), "=m"(spill)
                     : "r"(&unusual)
                     : "memory");
}

typedef struct Node {
    struct Node *next;
    long owner; /* of the thread that has it popped */
} Node;

static Node nodes[NODES];
static Node *head;
static long clashes;

static Node *pop(void)
{
    Node *node, *next;
    long failed;

    __asm__ volatile("1: lr.d %0, (%3)\n li %2, 0\n beqz %0, 2f\n ld %1, 0(%0)\n"
                     "sc.d %2, %1, (%3)\n bnez %2, 1b\n 2:"
                     : "=&r"(node), "=&r"(next), "=&r"(failed)
                     : "r"(&head)
                     : "memory");
    return node;
}

static void push(Node *node)
{
    Node *old = __atomic_load_n(&head, __ATOMIC_RELAXED);

    do {
        node->next = old;
    } while (!__atomic_compare_exchange_n(&head, &old, node, 1, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

static void *work(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        Node *mine[2];

        add_simple();
        add_unusual();
        mine[0] = pop();
        mine[1] = pop();
        for (int k = 0; k < 2; k++) {
            if (mine[k] && __atomic_exchange_n(&mine[k]->owner, (long)arg, __ATOMIC_ACQ_REL)) {
                __atomic_add_fetch(&clashes, 1, __ATOMIC_RELAXED);
            }
        }
        for (int k = 0; k < 2; k++) {
            if (mine[k]) {
                __atomic_store_n(&mine[k]->owner, 0, __ATOMIC_RELEASE);
                push(mine[k]);
            }
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t thread[THREADS];
    int left = 0;

    for (int i = 0; i < NODES; i++) {
        push(&nodes[i]);
    }
    for (long i = 0; i < THREADS; i++) {
        pthread_create(&thread[i], NULL, work, (void *)(i + 1));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    for (; left < NODES + 1 && pop(); left++) {
    }
    printf("simple %ld unusual %ld clashes %ld nodes left %d\n", simple, unusual, clashes, left);
    return simple != THREADS * ROUNDS || unusual != THREADS * ROUNDS || clashes || left != NODES;
}
#else
int main(void)
{
    return 0;
}
#endif
