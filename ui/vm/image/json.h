/* SPDX-License-Identifier: Apache-2.0 */
/* ui/vm/image/json.h - JSON as qemu-img prints it.  Threading: the main thread. */
#ifndef KETCH_UI_VM_IMAGE_JSON_H
#define KETCH_UI_VM_IMAGE_JSON_H

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

/* One line; json-glib has a space before the colon of a member, qemu-img none. */
static inline void json_print_line(const char *line)
{
    size_t quote = strspn(line, " "), end = quote + 1;

    if (line[quote] == '"') {
        while (line[end] && line[end] != '"') {
            end += line[end] == '\\' && line[end + 1] ? 2 : 1;
        }
        if (!strncmp(line + end, "\" : ", 4)) {
            printf("%.*s\":", (int)end, line);
            line += end + 3;
        }
    }
    puts(line);
}

/* What was built, with four spaces a level, as qemu-img prints it. */
static inline void json_print(JsonBuilder *j)
{
    JsonGenerator *generator = json_generator_new();
    JsonNode *root = json_builder_get_root(j);
    char *text, **lines;

    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    json_generator_set_indent(generator, 4);
    text = json_generator_to_data(generator, NULL);
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        json_print_line(*l);
    }
    g_strfreev(lines);
    g_free(text);
    json_node_unref(root);
    g_object_unref(generator);
}

#endif
