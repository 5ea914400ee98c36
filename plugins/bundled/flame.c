/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/bundled/flame.h"

#include <inttypes.h>
#include <string.h>

#include <glib.h>

/* The picture's measures, in pixels. */
enum { WIDTH = 1200, ROW = 17, MARGIN = 10, TITLE = 30, LETTER = 7, MIN_WIDTH = 1 };

FlameNode *flame_new(const char *function)
{
    FlameNode *node = g_new0(FlameNode, 1);

    node->function = function;
    return node;
}

FlameNode *flame_child(FlameNode *parent, const char *function)
{
    FlameNode *node;

    for (node = parent->children; node; node = node->next) {
        if (node->function == function) {
            return node;
        }
    }
    node = flame_new(function);
    node->next = parent->children;
    parent->children = node;
    return node;
}

/* Puts a node into the list of its siblings, largest total first. */
static FlameNode *insert_sorted(FlameNode *list, FlameNode *node)
{
    FlameNode **at = &list;

    while (*at && (*at)->total >= node->total) {
        at = &(*at)->next;
    }
    node->next = *at;
    *at = node;
    return list;
}

uint64_t flame_total(FlameNode *node)
{
    FlameNode *sorted = NULL;
    FlameNode *next;

    node->total = node->self;
    for (FlameNode *child = node->children; child; child = next) {
        next = child->next;
        node->total += flame_total(child);
        sorted = insert_sorted(sorted, child);
    }
    node->children = sorted;
    return node->total;
}

static void write_folded(const FlameNode *node, GString *stack, FILE *file)
{
    size_t length = stack->len;

    g_string_append_printf(stack, "%s%s", length ? ";" : "", node->function);
    if (node->self) {
        fprintf(file, "%s %" PRIu64 "\n", stack->str, node->self);
    }
    for (const FlameNode *child = node->children; child; child = child->next) {
        write_folded(child, stack, file);
    }
    g_string_truncate(stack, length);
}

void flame_write_folded(const FlameNode *root, FILE *file)
{
    GString *stack = g_string_new(NULL);

    for (const FlameNode *child = root->children; child; child = child->next) {
        write_folded(child, stack, file);
    }
    g_string_free(stack, TRUE);
}

typedef struct Picture {
    FILE *file;
    const char *unit;
    double scale; /* pixels for one count */
    double total;
    int height;
} Picture;

static int depth_shown(const FlameNode *node, double scale)
{
    int deepest = 0;

    for (const FlameNode *child = node->children; child; child = child->next) {
        if ((double)child->total * scale >= MIN_WIDTH) {
            int depth = depth_shown(child, scale);

            deepest = MAX(deepest, depth);
        }
    }
    return deepest + 1;
}

/* A warm colour that is the same for each use of a function. */
static unsigned colour(const char *function)
{
    guint hash = g_str_hash(function);

    return (205 + hash % 50) << 16 | (80 + hash / 50 % 130) << 8 | (hash / 6500 % 55);
}

static void write_box(const Picture *p, const FlameNode *node, double x, int depth)
{
    double width = (double)node->total * p->scale;
    int y = p->height - MARGIN - (depth + 1) * ROW;
    int letters = (int)(width - 6) / LETTER;
    char *label = g_markup_escape_text(node->function, -1);

    fprintf(p->file,
            "<g><title>%s: %" PRIu64 " %s, %.2f%%</title>"
            "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"#%06x\"/>",
            label, node->total, p->unit, 100.0 * (double)node->total / p->total, x, y, width,
            ROW - 1, colour(node->function));
    if (letters >= 3) {
        char *cut = g_strndup(node->function, (gsize)letters);
        char *text = g_markup_escape_text(cut, -1);

        fprintf(p->file, "<text x=\"%.1f\" y=\"%d\">%s</text>", x + 3, y + ROW - 5, text);
        g_free(text);
        g_free(cut);
    }
    fprintf(p->file, "</g>\n");
    g_free(label);
}

static void write_boxes(const Picture *p, const FlameNode *node, double x, int depth)
{
    write_box(p, node, x, depth);
    for (const FlameNode *child = node->children; child; child = child->next) {
        double width = (double)child->total * p->scale;

        if (width >= MIN_WIDTH) {
            write_boxes(p, child, x, depth + 1);
        }
        x += width;
    }
}

void flame_write_svg(const FlameNode *root, const char *unit, FILE *file)
{
    double total = root->total ? (double)root->total : 1;
    Picture p = { file, unit, (WIDTH - 2 * MARGIN) / total, total, 0 };

    p.height = TITLE + 2 * MARGIN + depth_shown(root, p.scale) * ROW;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"monospace\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fdfdf6\"/>\n"
            "<text x=\"%d\" y=\"22\" font-size=\"15\">%" PRIu64 " %s</text>\n",
            WIDTH, p.height, MARGIN, root->total, unit);
    write_boxes(&p, root, MARGIN, 0);
    fprintf(file, "</svg>\n");
}
