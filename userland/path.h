/* SPDX-License-Identifier: Apache-2.0 */
/* userland/path.h - symbolic links below the sysroot. */
#ifndef KETCH_USERLAND_PATH_H
#define KETCH_USERLAND_PATH_H

/* `path` (PATH_MAX bytes) lies below the sysroot.  When it is a symbolic link, it becomes what the
 * link leads to with the sysroot as the root; it stays when that does not exist there. */
void path_follow(char *path);

#endif
