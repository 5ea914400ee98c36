/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/vm/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "ui/vm/keys.h"

static int parent = -1; /* a pipe to it, for one byte: the status that it ends with */
static char *pidfile; /* whole name; NULL: none */

_Noreturn static void wait_for_child(int fd)
{
    uint8_t status = 1;

    while (read(fd, &status, 1) < 0 && errno == EINTR) {
    }
    _exit(status);
}

bool vm_daemonize(GError **error)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        g_set_error(error, VM_ERROR, 0, "-daemonize: no pipe: %s", g_strerror(errno));
        return false;
    }
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        g_set_error(error, VM_ERROR, 0, "-daemonize: no process: %s", g_strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    close(ends[pid ? 1 : 0]);
    if (pid) {
        wait_for_child(ends[0]);
    }
    setsid();
    parent = ends[1];
    return true;
}

static void tell_parent(int status)
{
    uint8_t byte = (uint8_t)status;

    if (parent >= 0) {
        while (write(parent, &byte, 1) < 0 && errno == EINTR) {
        }
        close(parent);
        parent = -1;
    }
}

void vm_daemon_ready(void)
{
    int null = parent < 0 ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd <= 2 && null >= 0; fd++) {
        dup2(null, fd);
    }
    if (null > 2) {
        close(null);
    }
    tell_parent(0);
}

void vm_daemon_failed(int status)
{
    tell_parent(status);
}

bool vm_pidfile(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600); /* stays open: the lock is its */
    char text[32];
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        g_set_error(error, VM_ERROR, 0, "-pidfile %s: %s", path,
                    errno == EWOULDBLOCK ? "another process has it" : g_strerror(errno));
    } else if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)n) != n) {
        g_set_error(error, VM_ERROR, 0, "-pidfile %s: %s", path, g_strerror(errno));
    } else {
        pidfile = realpath(path, NULL); /* the file is removed wherever Ketch is then */
        return true;
    }
    if (fd >= 0) {
        close(fd);
    }
    return false;
}

void vm_pidfile_remove(void)
{
    if (pidfile) {
        unlink(pidfile);
    }
    free(pidfile);
    pidfile = NULL;
}
