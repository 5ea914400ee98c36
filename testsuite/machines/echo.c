/* SPDX-License-Identifier: Apache-2.0 */
/* echo PORT: sends every UDP datagram back to where it came from, reversed. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    static unsigned char text[65536];
    struct sockaddr_in a = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    a.sin_port = htons((unsigned short)(argc == 2 ? atoi(argv[1]) : 0));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        perror("echo PORT");
        return 1;
    }
    for (;;) {
        socklen_t size = sizeof(a);
        ssize_t n = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&a, &size);

        for (ssize_t i = 0; i < n / 2; i++) {
            unsigned char c = text[i];

            text[i] = text[n - 1 - i];
            text[n - 1 - i] = c;
        }
        if (n < 0 || sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&a, size) != n) {
            perror("echo");
            return 1;
        }
    }
}
