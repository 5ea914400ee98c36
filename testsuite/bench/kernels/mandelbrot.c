/* SPDX-License-Identifier: Apache-2.0 */
/* The Mandelbrot set in double precision. */
#include <stdio.h>

#include "kernel.h"

static int escape(double cr, double ci)
{
    double zr = 0, zi = 0;
    int n = 0;

    while (n < 200 && zr * zr + zi * zi <= 4) {
        double t = zr * zr - zi * zi + cr;

        zi = 2 * zr * zi + ci;
        zr = t;
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    long size = kernel_amount(argc, argv, 1600);
    long total = 0;

    for (long y = 0; y < size; y++) {
        for (long x = 0; x < size; x++) {
            total += escape(3.0 * (double)x / (double)size - 2.1, 2.4 * (double)y / (double)size - 1.2);
        }
    }
    /* The last bit of a product decides single points: a fused multiply-add may differ there. */
    printf("%.2f\n", (double)total / (double)(size * size));
    return 0;
}
