// SPDX-License-Identifier: Apache-2.0
// Any text: it is no IR, or what it says is printed and read back as the same.
#include <cstdlib>
#include <string>

extern "C" {
#include "base/arena.h"
#include "ir/ir.h"
}

#include "testsuite/ir/guest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  std::string text(reinterpret_cast<const char *>(data), size), first;
  const IrGuest *guest = &ketch_test::TestGuest();
  const char *error = nullptr;
  Arena *arena = arena_new(1 << 30);

  if (IrFunc *f = ir_parse(text.c_str(), guest, arena, &error)) {
    first = ir_print(f, arena);
    f = ir_parse(first.c_str(), guest, arena, &error);
    if (!f || first != ir_print(f, arena))
      abort();
  } else if (!error) {
    abort();
  }
  arena_free(arena);
  return 0;
}
