/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/monitor/client.h"

#include <editline/readline.h>
#include <errno.h>
#include <json-glib/json-glib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unix_socket.h"

#define CLIENT_ERROR g_quark_from_static_string("ketch-monitor-client")

typedef struct Client {
    int fd;
    GString *in;    /* received, not a whole line yet */
    char **words;   /* that can be completed */
    bool over;      /* the machine has gone */
} Client;

static Client client = { .fd = -1 };

/* ---- The wire ---- */

static bool connect_to(const char *path, GError **error)
{
    client.fd = unix_connect(path);
    if (client.fd < 0) {
        g_set_error(error, CLIENT_ERROR, 0,
                    "no monitor answers at %s: %s (ketch vm -qmp unix:%s,server=on,wait=off "
                    "starts one)",
                    path, g_strerror(-client.fd), path);
    }
    return client.fd >= 0;
}

/* The next line, without its end; NULL when there will be none. */
static char *receive_line(void)
{
    for (;;) {
        char *end = memchr(client.in->str, '\n', client.in->len);
        char bytes[4096];
        ssize_t n;

        if (end) {
            char *line = g_strndup(client.in->str, (gsize)(end - client.in->str));

            g_string_erase(client.in, 0, end - client.in->str + 1);
            return line;
        }
        n = read(client.fd, bytes, sizeof(bytes));
        if (n <= 0) {
            client.over = true;
            return NULL;
        }
        g_string_append_len(client.in, bytes, n);
    }
}

static void show_event(JsonObject *object)
{
    JsonNode *data = json_object_get_member(object, "data");
    char *text = data ? json_to_string(data, FALSE) : g_strdup("");

    printf("[%s] %s\n", json_object_get_string_member(object, "event"), text);
    g_free(text);
}

/* The reply to the request that was sent last; events before it are shown.  NULL: no reply. */
static JsonNode *receive_reply(void)
{
    char *line;

    while ((line = receive_line())) {
        JsonNode *node = json_from_string(line, NULL);

        g_free(line);
        if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
            g_clear_pointer(&node, json_node_unref);
            continue;
        }
        if (!json_object_has_member(json_node_get_object(node), "event")) {
            return node;
        }
        show_event(json_node_get_object(node));
        json_node_unref(node);
    }
    return NULL;
}

static JsonNode *request(const char *text)
{
    char *line = g_strconcat(text, "\n", NULL);
    const char *at = line;
    size_t left = strlen(line);

    while (left) {
        ssize_t n = send(client.fd, at, left, MSG_NOSIGNAL);

        if (n <= 0) {
            client.over = true;
            break;
        }
        at += n;
        left -= (size_t)n;
    }
    g_free(line);
    return client.over ? NULL : receive_reply();
}

static JsonNode *human(const char *command)
{
    JsonBuilder *b = json_builder_new();
    JsonNode *root, *reply;
    char *text;

    json_builder_begin_object(b);
    json_builder_set_member_name(b, "execute");
    json_builder_add_string_value(b, "human-monitor-command");
    json_builder_set_member_name(b, "arguments");
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "command-line");
    json_builder_add_string_value(b, command);
    json_builder_end_object(b);
    json_builder_end_object(b);
    root = json_builder_get_root(b);
    text = json_to_string(root, FALSE);
    reply = request(text);
    g_free(text);
    json_node_unref(root);
    g_object_unref(b);
    return reply;
}

/* Prints it; false when it is an error. */
static bool show(JsonNode *reply)
{
    JsonObject *object = json_node_get_object(reply);
    JsonNode *value = json_object_get_member(object, "return");
    char *text;

    if (!value) {
        JsonObject *what = json_object_get_object_member(object, "error");

        fprintf(stderr, "%s\n", what ? json_object_get_string_member(what, "desc") : "no answer");
        return false;
    }
    if (JSON_NODE_HOLDS_VALUE(value) && json_node_get_value_type(value) == G_TYPE_STRING) {
        fputs(json_node_get_string(value), stdout);
        return true;
    }
    text = json_to_string(value, TRUE);
    puts(text);
    g_free(text);
    return true;
}

static bool execute(const char *line)
{
    JsonNode *reply = *line == '{' ? request(line) : human(line);
    bool good = reply && show(reply);

    fflush(stdout);
    g_clear_pointer(&reply, json_node_unref);
    return good || client.over;
}

static bool negotiate(GError **error)
{
    char *greeting = receive_line();
    JsonNode *reply = NULL;

    if (greeting && g_str_has_prefix(greeting, "{\"QMP\"")) {
        reply = request("{\"execute\": \"qmp_capabilities\"}");
    }
    g_free(greeting);
    if (!reply) {
        g_set_error(error, CLIENT_ERROR, 0,
                    "what answers there does not speak QMP (is it the socket of -qmp?)");
        return false;
    }
    json_node_unref(reply);
    return true;
}

/* ---- Typing ---- */

/* Names of the commands, and "info NAME": the first words of what `help` and `info` list. */
static void learn(GPtrArray *words, const char *command, unsigned per_line)
{
    JsonNode *reply = human(command);
    JsonObject *object = reply ? json_node_get_object(reply) : NULL;
    const char *text = object && json_object_has_member(object, "return")
                           ? json_object_get_string_member(object, "return") : "";
    char **lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        char **w = g_strsplit_set(*line, " |", -1);

        if (g_strv_length(w) > per_line && *w[0]) {
            g_ptr_array_add(words, per_line == 1 ? g_strdup(w[0])
                                                 : g_strconcat(w[0], " ", w[1], NULL));
        }
        g_strfreev(w);
    }
    g_strfreev(lines);
    g_clear_pointer(&reply, json_node_unref);
}

static char *next_word(const char *text, int state)
{
    static unsigned at;

    (void)text;
    at = state ? at : 0;
    while (client.words[at]) {
        const char *word = client.words[at++], *blank = strrchr(word, ' ');

        if (g_str_has_prefix(word, rl_line_buffer)) {
            return strdup(blank && strchr(rl_line_buffer, ' ') ? blank + 1 : word);
        }
    }
    return NULL;
}

static char **complete(const char *text, int start, int end)
{
    (void)start, (void)end;
    rl_attempted_completion_over = 1;
    return rl_completion_matches(text, next_word);
}

static char *history_path(void)
{
    char *folder = g_build_filename(g_get_user_data_dir(), "ketch", NULL);
    char *path = g_build_filename(folder, "monitor-history", NULL);

    g_mkdir_with_parents(folder, 0700);
    g_free(folder);
    return path;
}

/* Events that came while nobody typed. */
static void show_pending(void)
{
    struct pollfd ready = { .fd = client.fd, .events = POLLIN };

    while (!client.over && poll(&ready, 1, 0) > 0) {
        char *line = receive_line();
        JsonNode *node = line ? json_from_string(line, NULL) : NULL;

        if (node && JSON_NODE_HOLDS_OBJECT(node) &&
            json_object_has_member(json_node_get_object(node), "event")) {
            show_event(json_node_get_object(node));
        }
        g_clear_pointer(&node, json_node_unref);
        g_free(line);
    }
}

static void converse(void)
{
    GPtrArray *words = g_ptr_array_new();
    char *path = history_path(), *line;

    learn(words, "help", 1);
    learn(words, "info", 2);
    g_ptr_array_add(words, NULL);
    client.words = (char **)words->pdata;
    rl_attempted_completion_function = complete;
    read_history(path);
    while (!client.over && (line = readline("(ketch) "))) {
        if (*line) {
            add_history(line);
            execute(line);
        }
        free(line);
        show_pending();
    }
    write_history(path);
    puts(client.over ? "The machine has ended." : "");
    g_free(path);
    g_ptr_array_set_free_func(words, g_free);
    g_ptr_array_free(words, TRUE);
}

int monitor_client(const char *path, char *const *command, GError **error)
{
    bool good;

    client.in = g_string_new(NULL);
    good = connect_to(path, error) && negotiate(error);
    if (good && *command) {
        char *line = g_strjoinv(" ", (gchar **)command);

        good = execute(line);
        g_free(line);
    } else if (good) {
        converse();
    }
    if (client.fd >= 0) {
        close(client.fd);
    }
    g_string_free(client.in, TRUE);
    return good ? 0 : 1;
}
