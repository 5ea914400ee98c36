/* SPDX-License-Identifier: Apache-2.0 */
/* Product of two matrices of doubles; the elements are small integers, so that the sums are exact. */
#include <stdio.h>

#include "kernel.h"

enum { N = 256 };

static double a[N][N], b[N][N], c[N][N];

static __attribute__((noinline)) void multiply(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double sum = 0;

            for (int k = 0; k < N; k++) {
                sum += a[i][k] * b[k][j];
            }
            c[i][j] = sum;
        }
    }
}

int main(int argc, char **argv)
{
    long rounds = kernel_amount(argc, argv, 24);
    double total = 0;

    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                a[i][j] = (double)((i * 7 + j + r) % 13);
                b[i][j] = (double)((i + j * 5) % 11);
            }
        }
        multiply();
        for (int i = 0; i < N; i++) {
            total += c[i][(i * 31) % N];
        }
    }
    printf("%.1f\n", total);
    return 0;
}
