/* SPDX-License-Identifier: Apache-2.0 */
/* The Ctrl-a keys of a chardev that several share, as in QEMU. */
#include "devices/host/chardev_impl.h"

static uint8_t escape_of(const Chardev *c)
{
    return c->host && c->host->escape ? c->host->escape : 1; /* Ctrl-a */
}

/* "C-a", or the key itself. */
static void key_help(Chardev *c)
{
    uint8_t key = escape_of(c);
    char *name = key < 32 ? g_strdup_printf("C-%c", g_ascii_tolower(key + 64)) : g_strdup_printf("%c", key);
    char *text = g_strdup_printf("\r\n"
                                 "%1$s h    this help\r\n"
                                 "%1$s x    power the machine off and leave\r\n"
                                 "%1$s s    write what disks still hold back\r\n"
                                 "%1$s b    send a break\r\n"
                                 "%1$s c    from the console to the monitor and on\r\n"
                                 "%1$s %1$s  send %1$s\r\n", name);

    chardev_print(c, text);
    g_free(text);
    g_free(name);
}

static void key_quit(Chardev *c)
{
    if (c->host && c->host->quit) {
        chardev_print(c, "\r\nketch: terminated\r\n");
        c->host->quit(c->host->opaque);
    }
}

static void key_commit(Chardev *c)
{
    if (c->host && c->host->commit) {
        c->host->commit(c->host->opaque);
    }
}

static void key_break(Chardev *c)
{
    chardev_tell(c, CHARDEV_break, false);
}

static void key_switch(Chardev *c)
{
    chardev_tell(c, CHARDEV_focus_out, false);
    pthread_mutex_lock(&c->lock);
    c->focus = c->n_ports ? (c->focus + 1) % c->n_ports : 0;
    pthread_mutex_unlock(&c->lock);
    chardev_tell(c, CHARDEV_focus_in, false);
}

static const struct {
    uint8_t key;
    void (*fn)(Chardev *c);
} keys[] = {
    { 'h', key_help },  { '?', key_help },   { 'x', key_quit },
    { 's', key_commit }, { 'b', key_break }, { 'c', key_switch },
};

bool chardev_mux_key(Chardev *c, uint8_t byte)
{
    if (!c->escape) {
        c->escape = byte == escape_of(c);
        return !c->escape;
    }
    c->escape = false;
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (keys[i].key == byte) {
            keys[i].fn(c);
            return false;
        }
    }
    return byte == escape_of(c);
}
