// SPDX-License-Identifier: Apache-2.0
// A temporary image with short calls on it, for the tests of this folder.
#ifndef KETCH_TESTSUITE_DEVICES_HOST_BLOCK_DISK_H
#define KETCH_TESTSUITE_DEVICES_HOST_BLOCK_DISK_H

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "devices/host/block/block.h"
#include "devices/host/block/image.h"

using Bytes = std::vector<uint8_t>;

// A folder that goes with its files.
class Folder
{
  public:
    Folder()
    {
        std::string name = testing::TempDir() + "/ketch-block-XXXXXX";
        path_ = mkdtemp(name.data());
    }
    ~Folder()
    {
        int r = system(("rm -rf '" + path_ + "'").c_str());
        EXPECT_EQ(r, 0);
    }
    std::string operator/(const std::string &name) const
    {
        return path_ + "/" + name;
    }

  private:
    std::string path_;
};

// The text of an error, which goes; "" when there is none.
inline std::string Take(GError *&error)
{
    std::string text = error ? error->message : "";
    g_clear_error(&error);
    return text;
}

class Disk
{
  public:
    Disk(const BlockOptions &options)
    {
        GError *error = nullptr;
        block_ = block_open(&options, &error);
        this->error = Take(error);
    }
    Disk(const std::string &path, const char *format, bool read_only = false)
        : Disk([&] {
              BlockOptions o = {};
              o.path = path.c_str();
              o.format = format;
              o.read_only = read_only;
              o.backing = BLOCK_BACKING_FOLLOW;
              o.discard = true;
              o.cache = BLOCK_CACHE_UNSAFE; // what a flush writes is tested, not that disks keep it
              return o;
          }())
    {
    }
    ~Disk()
    {
        Close();
    }
    Disk(const Disk &) = delete;
    int Close()
    {
        Block *b = block_;
        block_ = nullptr;
        return block_close(b);
    }
    explicit operator bool() const
    {
        return block_ != nullptr;
    }
    operator Block *() const
    {
        return block_;
    }
    int Write(uint64_t offset, const Bytes &data)
    {
        iovec iov = {const_cast<uint8_t *>(data.data()), data.size()};
        return block_write(block_, offset, &iov, 1);
    }
    int Fill(uint64_t offset, size_t bytes, uint8_t value)
    {
        return Write(offset, Bytes(bytes, value));
    }
    Bytes Read(uint64_t offset, size_t bytes, int want = 0)
    {
        Bytes data(bytes, 0xee);
        iovec iov = {data.data(), data.size()};
        EXPECT_EQ(want, block_read(block_, offset, &iov, 1));
        return data;
    }
    std::string error;

  private:
    Block *block_ = nullptr;
};

// The first offset where two differ, -1 when they do not: failures are short to read.
inline long Difference(const Bytes &a, const Bytes &b)
{
    size_t n = std::min(a.size(), b.size());
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i]) {
            return (long)i;
        }
    }
    return a.size() == b.size() ? -1 : (long)n;
}

inline void WriteFile(const std::string &path, const Bytes &data)
{
    std::ofstream(path, std::ios::binary).write((const char *)data.data(), (long)data.size());
}

inline Bytes ReadFile(const std::string &path)
{
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
}

// Runs qemu-img where it is installed; "" when it is content, or absent.
inline std::string QemuImg(const std::string &arguments)
{
    static const bool present = system("qemu-img --version >/dev/null 2>&1") == 0;
    if (!present) {
        static const int said = printf("qemu-img (package qemu-utils) is not here: its opinion is missing\n");
        (void)said;
        return "";
    }
    std::string text, command = "qemu-img " + arguments + " 2>&1";
    FILE *out = popen(command.c_str(), "r");
    char line[256];
    while (fgets(line, sizeof(line), out)) {
        text += line;
    }
    int status = pclose(out);
    return status == 0 ? "" : command + ": status " + std::to_string(WEXITSTATUS(status)) + "\n" + text;
}

#endif
