/* SPDX-License-Identifier: Apache-2.0 */
/* C++ exceptions through a few frames with destructors. */
#include <cstdio>
#include <stdexcept>
#include <string>

#include "kernel.h"

namespace
{

long alive;

struct Guard {
    Guard() { alive++; }
    ~Guard() { alive--; }
};

__attribute__((noinline)) long dive(int depth, long value)
{
    Guard guard;

    if (depth == 0) {
        if (value % 3 == 0) {
            throw std::runtime_error("three");
        }
        throw value;
    }
    return dive(depth - 1, value) + 1;
}

} // namespace

int main(int argc, char **argv)
{
    long n = kernel_amount(argc, argv, 100000);
    long total = 0;

    for (long i = 0; i < n; i++) {
        try {
            total += dive(static_cast<int>(i & 7), i);
        } catch (const std::runtime_error &e) {
            total += e.what()[0];
        } catch (long value) {
            total += value & 15;
        }
    }
    std::printf("%ld %ld\n", total, alive);
    return 0;
}
