/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int close_failed(int fd)
{
    int error = errno;

    if (fd >= 0) {
        close(fd);
    }
    return -error;
}

static int make(const char *path, struct sockaddr_un *a)
{
    int fd;

    *a = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(a->sun_path)) {
        return -ENAMETOOLONG;
    }
    strcpy(a->sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int unix_connect(const char *path)
{
    struct sockaddr_un a;
    int fd = make(path, &a);

    return fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : close_failed(fd);
}

/* Left over from a process that was killed: nobody answers. */
static void remove_stale(const char *path)
{
    struct stat st;
    int fd = lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) ? unix_connect(path) : -EEXIST;

    if (fd == -ECONNREFUSED) {
        unlink(path);
    } else if (fd >= 0) {
        close(fd);
    }
}

int unix_listen(const char *path, int backlog)
{
    struct sockaddr_un a;
    int fd = make(path, &a);

    if (fd < 0) {
        return fd;
    }
    remove_stale(path);
    /* The mode of the socket becomes that of its file, so nobody else can connect in between. */
    return fchmod(fd, 0600) == 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
                   listen(fd, backlog) == 0
               ? fd
               : close_failed(fd);
}

bool unix_peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}
