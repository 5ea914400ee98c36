/* SPDX-License-Identifier: Apache-2.0 */
/* C++ virtual dispatch over a mixed array of objects. */
#include <cstdio>
#include <memory>
#include <vector>

#include "kernel.h"

namespace
{

struct Shape {
    virtual ~Shape() = default;
    virtual long area() const = 0;
    virtual void grow(long by) = 0;
};

struct Square : Shape {
    long side = 3;
    long area() const override { return side * side; }
    void grow(long by) override { side = (side + by) & 1023; }
};

struct Box : Shape {
    long w = 2, h = 5;
    long area() const override { return w * h; }
    void grow(long by) override { w = (w + by) & 511, h ^= by; }
};

struct Triangle : Shape {
    long base = 4, height = 7;
    long area() const override { return base * height / 2; }
    void grow(long by) override { base = (base + 2 * by) & 255; }
};

struct Point : Shape {
    long area() const override { return 0; }
    void grow(long) override {}
};

} // namespace

int main(int argc, char **argv)
{
    long rounds = kernel_amount(argc, argv, 40000);
    std::vector<std::unique_ptr<Shape>> shapes;
    uint32_t seed = 7;
    long total = 0;

    for (int i = 0; i < 1000; i++) {
        switch (kernel_random(&seed) % 4) {
        case 0: shapes.push_back(std::make_unique<Square>()); break;
        case 1: shapes.push_back(std::make_unique<Box>()); break;
        case 2: shapes.push_back(std::make_unique<Triangle>()); break;
        default: shapes.push_back(std::make_unique<Point>()); break;
        }
    }
    for (long r = 0; r < rounds; r++) {
        for (const auto &s : shapes) {
            s->grow(r & 3);
            total += s->area();
        }
    }
    std::printf("%ld\n", total);
    return 0;
}
