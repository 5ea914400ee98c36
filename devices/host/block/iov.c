/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of scatter-gather lists. */
#include <string.h>

#include "devices/host/block/driver.h"

uint64_t block_iov_bytes(const struct iovec *iov, int n)
{
    uint64_t bytes = 0;

    for (int i = 0; i < n; i++) {
        if (__builtin_add_overflow(bytes, iov[i].iov_len, &bytes)) {
            return UINT64_MAX;
        }
    }
    return bytes;
}

int block_iov_part(struct iovec *out, const struct iovec *iov, int n, uint64_t from, uint64_t bytes)
{
    int count = 0;

    for (int i = 0; i < n && bytes > 0; i++) {
        size_t take;

        if (from >= iov[i].iov_len) {
            from -= iov[i].iov_len;
            continue;
        }
        take = (size_t)MIN(bytes, iov[i].iov_len - from);
        out[count++] = (struct iovec){ (char *)iov[i].iov_base + from, take };
        bytes -= take;
        from = 0;
    }
    return count;
}

/* Fills [from, from + bytes); data NULL is zeros. */
static void fill(const struct iovec *iov, int n, uint64_t from, const uint8_t *data, uint64_t bytes)
{
    for (int i = 0; i < n && bytes > 0; i++) {
        size_t take;
        char *at;

        if (from >= iov[i].iov_len) {
            from -= iov[i].iov_len;
            continue;
        }
        take = (size_t)MIN(bytes, iov[i].iov_len - from);
        at = (char *)iov[i].iov_base + from;
        if (!data) {
            memset(at, 0, take);
        } else {
            memcpy(at, data, take);
            data += take;
        }
        bytes -= take;
        from = 0;
    }
}

void block_iov_zero(const struct iovec *iov, int n, uint64_t from, uint64_t bytes)
{
    fill(iov, n, from, NULL, bytes);
}

void block_iov_from(const struct iovec *iov, int n, uint64_t from, const void *data, size_t bytes)
{
    fill(iov, n, from, data, bytes);
}

bool block_is_zero(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint64_t word, all = 0;

    while (bytes >= 64) {
        for (int i = 0; i < 8; i++) {
            memcpy(&word, p + 8 * i, 8);
            all |= word;
        }
        if (all) {
            return false;
        }
        p += 64;
        bytes -= 64;
    }
    while (bytes > 0) {
        all |= *p++;
        bytes--;
    }
    return all == 0;
}
