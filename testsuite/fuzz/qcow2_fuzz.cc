// SPDX-License-Identifier: Apache-2.0
// Any bytes as a qcow2 image: refused with a sentence, or read, written, checked and closed within bounds.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

extern "C" {
#include "devices/host/block/image.h"
}

namespace {

void use(Block *b)
{
  char bytes[4096] = {};
  struct iovec iov = { bytes, sizeof(bytes) };
  ImageCheck check = {};
  ImageSnapshot snapshot;

  (void)!block_read(b, 0, &iov, 1);
  (void)!block_write(b, 8192, &iov, 1);
  (void)!block_read(b, 1 << 20, &iov, 1);
  (void)!block_flush(b);
  for (unsigned i = 0; i < 8 && image_snapshot(b, i, &snapshot); i++) {
  }
  (void)!image_check(b, IMAGE_REPAIR_NONE, &check);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  int fd = memfd_create("image", MFD_CLOEXEC);
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  BlockOptions options = {};
  GError *error = nullptr;

  if (fd < 0 || write(fd, data, size) != ssize_t(size))
    abort();
  options.path = path.c_str();
  options.format = "qcow2";
  options.no_lock = true;
  if (Block *b = block_open(&options, &error)) {
    use(b);
    (void)!block_close(b);
  } else if (!error) {
    abort();
  }
  g_clear_error(&error);
  close(fd);
  return 0;
}
