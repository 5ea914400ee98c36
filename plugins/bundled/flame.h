/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/bundled/flame.h - a tree of calls with counts, as folded stacks or as a flame graph.
 *
 * Threading: none; callers lock around flame_child().  `self` may be added to atomically.
 */
#ifndef KETCH_PLUGINS_BUNDLED_FLAME_H
#define KETCH_PLUGINS_BUNDLED_FLAME_H

#include <stdint.h>
#include <stdio.h>

typedef struct FlameNode FlameNode;

struct FlameNode {
    const char *function;
    uint64_t self;  /* counted in the function itself, called this way */
    uint64_t total; /* with what it called; set by flame_total() */
    FlameNode *children;
    FlameNode *next; /* of the same caller */
};

/* A node without children.  `function` must live as long as the tree, which is never freed. */
FlameNode *flame_new(const char *function);

/* The child with this function, the same pointer; made when there is none. */
FlameNode *flame_child(FlameNode *parent, const char *function);

/* Sets `total` everywhere, sorts children by it, and gives the root's. */
uint64_t flame_total(FlameNode *node);

/* One line for each stack with a count, without the root: "main;parse;read 1234". */
void flame_write_folded(const FlameNode *root, FILE *file);

/* The picture; `unit` is what was counted.  What is narrower than a pixel is left out. */
void flame_write_svg(const FlameNode *root, const char *unit, FILE *file);

#endif
