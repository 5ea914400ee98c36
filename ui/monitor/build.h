/* SPDX-License-Identifier: Apache-2.0 */
/* ui/monitor/build.h - JSON, member by member: what commands of the monitor return, what `ketch image`
 * prints. */
#ifndef KETCH_UI_MONITOR_BUILD_H
#define KETCH_UI_MONITOR_BUILD_H

#include <json-glib/json-glib.h>
#include <stdint.h>

static inline JsonNode *build_finish(JsonBuilder *b)
{
    JsonNode *root = json_builder_get_root(b);

    g_object_unref(b);
    return root;
}

static inline JsonBuilder *build_object(void)
{
    return json_builder_begin_object(json_builder_new_immutable());
}

static inline JsonBuilder *build_array(void)
{
    return json_builder_begin_array(json_builder_new_immutable());
}

static inline JsonNode *build_end_object(JsonBuilder *b)
{
    return build_finish(json_builder_end_object(b));
}

static inline JsonNode *build_end_array(JsonBuilder *b)
{
    return build_finish(json_builder_end_array(b));
}

/* ---- Members ---- */

static inline void build_begin(JsonBuilder *b, const char *name)
{
    json_builder_set_member_name(b, name);
    json_builder_begin_object(b);
}

static inline void build_str(JsonBuilder *b, const char *name, const char *value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_string_value(b, value);
}

static inline void build_num(JsonBuilder *b, const char *name, uint64_t value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_int_value(b, (gint64)value);
}

static inline void build_bool(JsonBuilder *b, const char *name, gboolean value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_boolean_value(b, value);
}

#endif
