/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/unix_socket.h - UNIX stream sockets whose file is their owner's: who controls a program or a
 * machine may do so by nothing else than being the user who started it.
 *
 * Errors:    -errno, -ENAMETOOLONG for a path that no socket can have.
 * Threading: any thread.
 */
#ifndef KETCH_BASE_UNIX_SOCKET_H
#define KETCH_BASE_UNIX_SOCKET_H

#include <stdbool.h>

/* A descriptor that listens at `path`, whose mode is 0600 from the beginning.  A socket that nobody
 * listens to any more is replaced. */
int unix_listen(const char *path, int backlog);

/* A connected descriptor. */
int unix_connect(const char *path);

/* Whether the other end is this user, or root. */
bool unix_peer_is_ours(int fd);

#endif
