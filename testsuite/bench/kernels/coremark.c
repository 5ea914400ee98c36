/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mix like that of embedded benchmarks: a linked list that is searched and merge-sorted, a
 * product of small integer matrices, a state machine over text, and a CRC over everything.
 */
#include <stdio.h>
#include <string.h>

#include "kernel.h"

enum { NODES = 120, DIM = 12 };

typedef struct Node {
    struct Node *next;
    int16_t key, value;
} Node;

static uint16_t crc16(uint16_t crc, uint32_t data)
{
    for (int i = 0; i < 32; i++) {
        int carry = (int)(crc & 1) ^ (int)(data & 1);

        data >>= 1;
        crc >>= 1;
        if (carry) {
            crc ^= 0xa001;
        }
    }
    return crc;
}

static Node *merge(Node *a, Node *b, int by_value)
{
    Node head, *tail = &head;

    while (a && b) {
        int smaller = by_value ? a->value <= b->value : a->key <= b->key;
        Node **from = smaller ? &a : &b;

        tail->next = *from;
        tail = *from;
        *from = tail->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static Node *sort(Node *list, int length, int by_value)
{
    Node *half = list, *second;

    if (length < 2) {
        return list;
    }
    for (int i = 1; i < length / 2; i++) {
        half = half->next;
    }
    second = half->next;
    half->next = NULL;
    return merge(sort(list, length / 2, by_value), sort(second, length - length / 2, by_value),
                 by_value);
}

static uint16_t lists(uint16_t crc, uint32_t *seed)
{
    static Node nodes[NODES];
    Node *list = NULL, *reversed = NULL;

    for (int i = 0; i < NODES; i++) {
        uint32_t r = kernel_random(seed);

        nodes[i] = (Node){ list, (int16_t)r, (int16_t)(r >> 16) };
        list = &nodes[i];
    }
    list = sort(list, NODES, 1);
    for (int16_t wanted = 0; wanted < 20; wanted++) {
        const Node *n = list;

        while (n && (n->value & 63) != wanted) {
            n = n->next;
        }
        crc = crc16(crc, n ? (uint32_t)n->key : 0);
    }
    list = sort(list, NODES, 0);
    while (list) {
        Node *next = list->next;

        list->next = reversed;
        reversed = list;
        list = next;
    }
    return crc16(crc, (uint32_t)reversed->key);
}

static uint16_t matrices(uint16_t crc, uint32_t *seed)
{
    static int16_t a[DIM][DIM], b[DIM][DIM];
    int32_t sum = 0;

    for (int i = 0; i < DIM; i++) {
        for (int j = 0; j < DIM; j++) {
            a[i][j] = (int16_t)kernel_random(seed);
            b[i][j] = (int16_t)(a[i][j] >> 3 ^ j);
        }
    }
    for (int i = 0; i < DIM; i++) {
        for (int j = 0; j < DIM; j++) {
            int32_t c = 0;

            for (int k = 0; k < DIM; k++) {
                c += (a[i][k] * b[k][j]) >> 2 & 0x3ff;
            }
            sum = sum * 5 + c;
        }
    }
    return crc16(crc, (uint32_t)sum & 0x7fffffff);
}

typedef enum State { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, INVALID, STATES } State;

static State next_state(State s, char c)
{
    int digit = c >= '0' && c <= '9';

    switch (s) {
    case START: return digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
    case SIGN: return digit ? INTEGER : c == '.' ? POINT : INVALID;
    case INTEGER: return digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case POINT: return digit ? FRACTION : INVALID;
    case FRACTION: return digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case EXPONENT: return digit ? EXPONENT : c == '+' || c == '-' ? EXPONENT : INVALID;
    case INVALID:
    case STATES: break;
    }
    return INVALID;
}

static uint16_t states(uint16_t crc, uint32_t *seed)
{
    static const char text[] = "5012,1.25,-12.5e3,+7,.5,T0.3e-1F,-110.700,+0.64400,87830e-5,1-23,";
    char copy[sizeof(text)];
    uint32_t count[STATES] = { 0 };
    State s = START;

    memcpy(copy, text, sizeof(copy));
    copy[kernel_random(seed) % (sizeof(copy) - 1)] ^= 2;
    for (int repeat = 0; repeat < 6; repeat++) {
        for (const char *c = copy; *c; c++) {
            if (*c == ',') {
                count[s]++;
                s = START;
            } else {
                s = next_state(s, *c);
            }
        }
    }
    for (int i = 0; i < STATES; i++) {
        crc = crc16(crc, count[i]);
    }
    return crc;
}

int main(int argc, char **argv)
{
    long rounds = kernel_amount(argc, argv, 40000);
    uint32_t seed = 314159;
    uint16_t crc = 0xffff;

    for (long r = 0; r < rounds; r++) {
        crc = lists(crc, &seed);
        crc = matrices(crc, &seed);
        crc = states(crc, &seed);
    }
    printf("%04x\n", crc);
    return 0;
}
