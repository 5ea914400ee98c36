/* SPDX-License-Identifier: Apache-2.0 */
/* Five bodies that attract each other: double precision with square roots and divisions. */
#include <math.h>
#include <stdio.h>

#include "kernel.h"

enum { BODIES = 5 };

typedef struct Body {
    double p[3], v[3], mass;
} Body;

static Body bodies[BODIES];

static void place(void)
{
    uint32_t seed = 12345;

    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < 3; k++) {
            bodies[i].p[k] = (double)(kernel_random(&seed) % 1000) / 50.0 - 10.0 + 5.0 * i;
            bodies[i].v[k] = (double)(kernel_random(&seed) % 1000) / 5000.0 - 0.1;
        }
        bodies[i].mass = i == 0 ? 40.0 : 0.01 * (i + 1);
    }
}

static __attribute__((noinline)) void advance(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        Body *a = &bodies[i];

        for (int j = i + 1; j < BODIES; j++) {
            Body *b = &bodies[j];
            double d[3], square = 0.01, scale;

            for (int k = 0; k < 3; k++) {
                d[k] = a->p[k] - b->p[k];
                square += d[k] * d[k];
            }
            scale = dt / (square * sqrt(square));
            for (int k = 0; k < 3; k++) {
                a->v[k] -= d[k] * b->mass * scale;
                b->v[k] += d[k] * a->mass * scale;
            }
        }
    }
    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < 3; k++) {
            bodies[i].p[k] += dt * bodies[i].v[k];
        }
    }
}

static double energy(void)
{
    double e = 0;

    for (int i = 0; i < BODIES; i++) {
        const double *v = bodies[i].v;

        e += 0.5 * bodies[i].mass * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    }
    return e;
}

int main(int argc, char **argv)
{
    long steps = kernel_amount(argc, argv, 5000000);

    place();
    for (long i = 0; i < steps; i++) {
        advance(0.00001);
    }
    printf("%.3f\n", energy());
    return 0;
}
