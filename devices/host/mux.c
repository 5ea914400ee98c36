/* SPDX-License-Identifier: Apache-2.0 */
/* The Ctrl-a keys of a chardev that several share, as in QEMU. */
#include "devices/host/chardev_impl.h"

enum { ESCAPE = 1 }; /* Ctrl-a */

static void key_help(Chardev *c)
{
    chardev_print(c, "\r\n"
                     "C-a h    this help\r\n"
                     "C-a x    power the machine off and leave\r\n"
                     "C-a s    write what disks still hold back\r\n"
                     "C-a b    send a break\r\n"
                     "C-a c    from the console to the monitor and on\r\n"
                     "C-a C-a  send C-a\r\n");
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
        c->escape = byte == ESCAPE;
        return !c->escape;
    }
    c->escape = false;
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (keys[i].key == byte) {
            keys[i].fn(c);
            return false;
        }
    }
    return byte == ESCAPE;
}
