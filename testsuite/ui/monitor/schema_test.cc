/* SPDX-License-Identifier: Apache-2.0 */
/* What commands return is what their rows in qmp.def and types.def say. */
#include "testsuite/ui/monitor/harness.h"

#include <algorithm>
#include <cstring>
#include <json-glib/json-glib.h>
#include <vector>

namespace
{

const struct {
    const char *name, *args, *result;
} commands[] = {
#define QMP(name, fn, args, result, help) { name, args, result },
#include "ui/monitor/qmp.def"
};

const struct {
    const char *name, *members;
} types[] = {
#define TYPE(name, members) { name, members },
#include "ui/monitor/types.def"
};

void check(JsonNode *node, std::string type);

void check_object(JsonNode *node, const std::string &type)
{
    std::string members;
    size_t known = 0;

    for (auto &t : types) {
        members = type == t.name ? t.members : members;
    }
    ASSERT_NE("", members) << type << " has no row";
    ASSERT_TRUE(JSON_NODE_HOLDS_OBJECT(node)) << type;
    for (size_t at = 0; at < members.size();) {
        size_t colon = members.find(':', at), end = std::min(members.find(',', at), members.size());
        std::string name = members.substr(at, colon - at);
        std::string of = members.substr(colon + 1, end - colon - 1);
        JsonNode *member = json_object_get_member(json_node_get_object(node), name.c_str());

        if (of.back() == '?') {
            of.pop_back();
        } else {
            EXPECT_NE(nullptr, member) << type << " has no " << name;
        }
        if (member) {
            check(member, of);
            known++;
        }
        at = end + 1;
    }
    if (type != "SchemaInfo") { /* which depends on its meta-type */
        EXPECT_EQ(known, json_object_get_size(json_node_get_object(node))) << type;
    }
}

void check(JsonNode *node, std::string type)
{
    if (type[0] == '[') {
        ASSERT_TRUE(JSON_NODE_HOLDS_ARRAY(node)) << type;
        JsonArray *array = json_node_get_array(node);
        for (guint i = 0; i < json_array_get_length(array); i++) {
            check(json_array_get_element(array, i), type.substr(1, type.size() - 2));
        }
    } else if (type == "str") {
        EXPECT_EQ(G_TYPE_STRING, json_node_get_value_type(node));
    } else if (type == "int") {
        EXPECT_EQ(G_TYPE_INT64, json_node_get_value_type(node));
    } else if (type == "bool") {
        EXPECT_EQ(G_TYPE_BOOLEAN, json_node_get_value_type(node));
    } else if (!type.empty()) {
        check_object(node, type);
    }
}

TEST_F(MonitorTest, QueriesReturnWhatTheirRowsSay)
{
    qmp();
    for (auto &c : commands) {
        if (strncmp(c.name, "query-", 6) != 0) {
            continue;
        }
        JsonNode *reply =
            json_from_string(ask(std::string("{\"execute\":\"") + c.name + "\"}").c_str(), nullptr);
        ASSERT_NE(nullptr, reply) << c.name;
        if (std::string("query-balloon") == c.name) {
            EXPECT_NE(std::string::npos, out.find("DeviceNotActive")) << out;
            json_node_unref(reply);
            continue; /* the machine has none */
        }
        JsonNode *value = json_object_get_member(json_node_get_object(reply), "return");
        ASSERT_NE(nullptr, value) << c.name;
        check(value, c.result);
        json_node_unref(reply);
    }
}

TEST_F(MonitorTest, TheSchemaNamesNothingThatItLacks)
{
    qmp();
    JsonNode *reply = json_from_string(ask("{\"execute\":\"query-qmp-schema\"}").c_str(), nullptr);
    JsonArray *array =
        json_object_get_array_member(json_node_get_object(reply), "return");
    std::vector<std::string> names;

    for (guint i = 0; i < json_array_get_length(array); i++) {
        names.push_back(
            json_object_get_string_member(json_array_get_object_element(array, i), "name"));
    }
    auto has = [&](const char *name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *info = json_array_get_object_element(array, i);
        for (const char *member : { "arg-type", "ret-type", "element-type" }) {
            if (json_object_has_member(info, member)) {
                EXPECT_TRUE(has(json_object_get_string_member(info, member)))
                    << json_object_get_string_member(info, member);
            }
        }
        if (json_object_has_member(info, "members")) {
            JsonArray *members = json_object_get_array_member(info, "members");
            for (guint k = 0; k < json_array_get_length(members); k++) {
                const char *type = json_object_get_string_member(
                    json_array_get_object_element(members, k), "type");
                EXPECT_TRUE(has(type)) << type;
            }
        }
    }
    for (auto &c : commands) {
        EXPECT_TRUE(has(c.name)) << c.name;
    }
    EXPECT_TRUE(has("SHUTDOWN"));
    json_node_unref(reply);
}

} // namespace
