/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <fstream>

#include "testsuite/devices/virtio/machine.h"

extern "C" {
#include "devices/virtio/p9.h"
}

using namespace virtio_test;
namespace fs = std::filesystem;

namespace
{

enum : uint8_t {
    kStatfs = 8, kLopen = 12, kLcreate = 14, kSymlink = 16, kMknod = 18, kReadlink = 22, kGetattr = 24,
    kSetattr = 26, kXattrwalk = 30, kXattrcreate = 32, kReaddir = 40, kLink = 70, kMkdir = 72, kRenameat = 74, kUnlinkat = 76, kVersion = 100,
    kAttach = 104, kWalk = 110, kRead = 116, kWrite = 118, kClunk = 120,
};

/* A message being made. */
struct Message {
    Message &number(uint64_t v, unsigned size)
    {
        bytes.append((char *)&v, size);
        return *this;
    }
    Message &u16(uint64_t v) { return number(v, 2); }
    Message &u32(uint64_t v) { return number(v, 4); }
    Message &u64(uint64_t v) { return number(v, 8); }
    Message &text(const std::string &s)
    {
        u16(s.size());
        bytes += s;
        return *this;
    }
    std::string whole(uint8_t type) const
    {
        Message m;
        m.u32(7 + bytes.size()).number(type, 1).u16(42);
        return m.bytes + bytes;
    }
    std::string bytes;
};

/* A folder to share, with a secret beside it. */
struct Folder {
    Folder()
    {
        char name[] = "/tmp/p9-XXXXXX";
        top = mkdtemp(name);
        path = top + "/share";
        fs::create_directories(path + "/sub");
        std::ofstream(top + "/secret") << "secret";
        std::ofstream(path + "/hello") << "hello world";
        std::ofstream(path + "/sub/file") << "in sub";
        fs::create_symlink("../secret", path + "/evil");
        fs::create_symlink(top, path + "/evildir");
        mkfifo((path + "/fifo").c_str(), 0600);
    }
    ~Folder()
    {
        fs::remove_all(top);
    }
    std::string top, path;
};

class Server : public testing::Test
{
  protected:
    void open(bool writable)
    {
        s = p9_new(folder.path.c_str(), writable);
        ASSERT_NE(s, nullptr);
        EXPECT_EQ(call(kVersion, Message().u32(65536).text("9P2000.L")), 0u);
        EXPECT_EQ(call(kAttach, Message().u32(0).u32(UINT32_MAX).text("root").text("").u32(0)), 0u);
    }
    void TearDown() override
    {
        p9_free(s);
    }
    /* The errno; `reply` is what comes behind the header. */
    uint32_t call(uint8_t type, const Message &m)
    {
        std::string request = m.whole(type);
        uint8_t out[65536];
        size_t n = p9_serve(s, (const uint8_t *)request.data(), request.size(), out, sizeof(out));
        uint32_t length, error = 0;

        EXPECT_GE(n, 7u);
        memcpy(&length, out, 4);
        EXPECT_EQ(length, n);
        EXPECT_EQ(out[5], 42) << "tag";
        reply = std::string((char *)out + 7, n - 7);
        if (out[4] == 7) {
            memcpy(&error, out + 7, 4);
            EXPECT_NE(error, 0u);
        } else {
            EXPECT_EQ(out[4], type + 1);
        }
        return error;
    }
    uint32_t walk(uint32_t from, uint32_t to, const std::vector<std::string> &names)
    {
        Message m;
        m.u32(from).u32(to).u16(names.size());
        for (const auto &n : names) {
            m.text(n);
        }
        return call(kWalk, m);
    }
    std::string read(uint32_t fid, uint64_t offset = 0, uint32_t count = 1000)
    {
        EXPECT_EQ(call(kRead, Message().u32(fid).u64(offset).u32(count)), 0u);
        return reply.substr(4);
    }
    unsigned walked()
    {
        return (uint8_t)reply[0];
    }

    Folder folder;
    P9 *s = nullptr;
    std::string reply;
};

TEST_F(Server, ReadsFiles)
{
    open(false);
    ASSERT_EQ(walk(0, 1, { "sub", "file" }), 0u);
    EXPECT_EQ(walked(), 2u);
    ASSERT_EQ(call(kLopen, Message().u32(1).u32(O_RDONLY)), 0u);
    EXPECT_EQ(read(1), "in sub");
    EXPECT_EQ(read(1, 3, 2), "su");
    EXPECT_EQ(read(1, 100), "");
    EXPECT_EQ(call(kGetattr, Message().u32(1).u64(0x7ff)), 0u);
    EXPECT_EQ(reply.size(), 8u + 13 + 12 + 8 * 15);
    EXPECT_EQ(call(kClunk, Message().u32(1)), 0u);
    EXPECT_EQ(call(kClunk, Message().u32(1)), (uint32_t)EBADF);
    EXPECT_EQ(call(kStatfs, Message().u32(0)), 0u);
}

TEST_F(Server, ListsFolders)
{
    open(false);
    ASSERT_EQ(walk(0, 1, {}), 0u);
    ASSERT_EQ(call(kLopen, Message().u32(1).u32(O_RDONLY)), 0u);
    std::set<std::string> names;
    uint64_t offset = 0;
    for (;;) {
        ASSERT_EQ(call(kReaddir, Message().u32(1).u64(offset).u32(60)), 0u);
        if (reply.size() == 4) {
            break;
        }
        for (size_t at = 4; at < reply.size();) {
            uint16_t length;
            memcpy(&offset, &reply[at + 13], 8);
            memcpy(&length, &reply[at + 22], 2);
            EXPECT_TRUE(names.insert(reply.substr(at + 24, length)).second);
            at += 24 + length;
        }
    }
    EXPECT_EQ(names, (std::set<std::string>{ ".", "..", "hello", "sub", "evil", "evildir", "fifo" }));
}

TEST_F(Server, NothingOutsideIsReached)
{
    open(true);
    EXPECT_EQ(walk(0, 1, { ".." }), (uint32_t)ENOENT);
    EXPECT_EQ(walk(0, 1, { "." }), (uint32_t)ENOENT);
    EXPECT_EQ(walk(0, 1, { "" }), (uint32_t)ENOENT);
    EXPECT_EQ(walk(0, 1, { "../secret" }), (uint32_t)ENOENT);
    EXPECT_EQ(walk(0, 1, { "sub/file" }), (uint32_t)ENOENT);
    EXPECT_EQ(walk(0, 1, { std::string("hello\0x", 7) }), (uint32_t)EINVAL);
    ASSERT_EQ(walk(0, 1, { "evildir", "secret" }), 0u);
    EXPECT_EQ(walked(), 1u) << "the link itself, no further";
    EXPECT_EQ(call(kGetattr, Message().u32(1).u64(0x7ff)), (uint32_t)EBADF) << "no fid was made";
    ASSERT_EQ(walk(0, 1, { "evil" }), 0u);
    EXPECT_EQ(call(kLopen, Message().u32(1).u32(O_RDONLY)), (uint32_t)EACCES);
    EXPECT_EQ(call(kReadlink, Message().u32(1)), 0u);
    EXPECT_EQ(reply.substr(2), "../secret");
    EXPECT_NE(call(kSetattr, Message().u32(1).u32(8).u32(0).u32(0).u32(0).u64(0).u64(0).u64(0).u64(0).u64(0)), 0u);
    ASSERT_EQ(walk(0, 2, {}), 0u);
    EXPECT_NE(call(kLcreate, Message().u32(2).text("evil").u32(O_WRONLY | O_TRUNC).u32(0644).u32(0)), 0u);
    EXPECT_NE(call(kLcreate, Message().u32(2).text("../new").u32(O_WRONLY).u32(0644).u32(0)), 0u);
    EXPECT_EQ(call(kMkdir, Message().u32(2).text("../d").u32(0755).u32(0)), (uint32_t)EINVAL);
    EXPECT_EQ(call(kUnlinkat, Message().u32(2).text("../secret").u32(0)), (uint32_t)EINVAL);
    EXPECT_EQ(call(kRenameat, Message().u32(2).text("hello").u32(2).text("../hello")), (uint32_t)EINVAL);
    EXPECT_EQ(call(kSymlink, Message().u32(2).text("../l").text("/etc").u32(0)), (uint32_t)EINVAL);
    EXPECT_EQ(call(kMknod, Message().u32(2).text("../n").u32(S_IFIFO | 0600).u32(0).u32(0).u32(0)), (uint32_t)EINVAL);
    EXPECT_EQ(call(kMknod, Message().u32(2).text("n").u32(S_IFCHR | 0600).u32(1).u32(3).u32(0)), (uint32_t)EPERM);
    EXPECT_EQ(call(kMknod, Message().u32(2).text("n").u32(S_IFBLK | 0600).u32(1).u32(3).u32(0)), (uint32_t)EPERM);
    EXPECT_NE(call(kLink, Message().u32(0).u32(1).text("hard")), 0u) << "of the link to the secret";
    EXPECT_NE(call(kXattrwalk, Message().u32(1).u32(3).text("user.x")), 0u);
    ASSERT_EQ(walk(0, 3, { "hello" }), 0u);
    EXPECT_EQ(call(kLink, Message().u32(0).u32(3).text("../hard")), (uint32_t)EINVAL);
    EXPECT_EQ(call(kLink, Message().u32(0).u32(0).text("folder")), (uint32_t)EPERM);
    EXPECT_EQ(call(kXattrcreate, Message().u32(3).text("security.capability").u64(20).u32(0)), (uint32_t)EOPNOTSUPP);
    EXPECT_EQ(call(kXattrwalk, Message().u32(3).u32(4).text("trusted.x")), (uint32_t)EOPNOTSUPP);
    std::ifstream secret(folder.top + "/secret");
    std::string text;
    secret >> text;
    EXPECT_EQ(text, "secret");
}

TEST_F(Server, OnlyFilesAndFoldersAreOpened)
{
    open(false);
    ASSERT_EQ(walk(0, 1, { "fifo" }), 0u);
    EXPECT_EQ(call(kLopen, Message().u32(1).u32(O_RDONLY)), (uint32_t)EACCES);
}

/* Opening a device or a FIFO has effects, also when it is closed at once. */
TEST_F(Server, CreatingOpensNothingElseThatIsThere)
{
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    char events[4096];

    open(true);
    ASSERT_GE(inotify_add_watch(watch, (folder.path + "/fifo").c_str(), IN_OPEN), 0);
    for (uint32_t flags : { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_TRUNC }) {
        EXPECT_EQ(call(kLcreate, Message().u32(0).text("fifo").u32(flags).u32(0644).u32(0)), (uint32_t)EACCES);
    }
    EXPECT_EQ(::read(watch, events, sizeof(events)), -1) << "it was opened";
    close(watch);
    EXPECT_EQ(call(kLcreate, Message().u32(0).text("sub").u32(O_RDONLY).u32(0644).u32(0)), (uint32_t)EISDIR);
    EXPECT_EQ(call(kLcreate, Message().u32(0).text("hello").u32(O_RDWR | O_EXCL).u32(0644).u32(0)), (uint32_t)EEXIST);
    ASSERT_EQ(call(kLcreate, Message().u32(0).text("hello").u32(O_RDWR).u32(0644).u32(0)), 0u);
    EXPECT_EQ(read(0), "hello world");
}

TEST_F(Server, ReadOnlyMeansIt)
{
    open(false);
    ASSERT_EQ(walk(0, 1, { "hello" }), 0u);
    for (uint32_t flags : { O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC }) {
        EXPECT_EQ(call(kLopen, Message().u32(1).u32(flags)), (uint32_t)EROFS);
    }
    EXPECT_EQ(call(kMkdir, Message().u32(0).text("d").u32(0755).u32(0)), (uint32_t)EROFS);
    EXPECT_EQ(call(kUnlinkat, Message().u32(0).text("hello").u32(0)), (uint32_t)EROFS);
    EXPECT_EQ(call(kLcreate, Message().u32(0).text("n").u32(1).u32(0644).u32(0)), (uint32_t)EROFS);
    EXPECT_EQ(call(kRenameat, Message().u32(0).text("hello").u32(0).text("h")), (uint32_t)EROFS);
    EXPECT_EQ(call(kWrite, Message().u32(1).u64(0).u32(1).number('x', 1)), (uint32_t)EROFS);
    EXPECT_EQ(call(kSymlink, Message().u32(0).text("l").text("hello").u32(0)), (uint32_t)EROFS);
    EXPECT_EQ(call(kMknod, Message().u32(0).text("n").u32(S_IFIFO).u32(0).u32(0).u32(0)), (uint32_t)EROFS);
    EXPECT_EQ(call(kLink, Message().u32(0).u32(1).text("l")), (uint32_t)EROFS);
    EXPECT_EQ(call(kXattrcreate, Message().u32(1).text("user.x").u64(1).u32(0)), (uint32_t)EROFS);
}

TEST_F(Server, LinksAndSpecialFiles)
{
    struct stat a, b;
    open(true);
    EXPECT_EQ(call(kSymlink, Message().u32(0).text("l").text("/no/where").u32(0)), 0u);
    EXPECT_EQ(reply.size(), 13u);
    EXPECT_EQ((uint8_t)reply[0], 2u) << "the qid of a link";
    EXPECT_EQ(fs::read_symlink(folder.path + "/l"), "/no/where");
    EXPECT_EQ(call(kSymlink, Message().u32(0).text("long").text(std::string(3000, 'x')).u32(0)), 0u);
    EXPECT_EQ(call(kSymlink, Message().u32(0).text("l").text("x").u32(0)), (uint32_t)EEXIST);
    ASSERT_EQ(walk(0, 1, { "hello" }), 0u);
    EXPECT_EQ(call(kLink, Message().u32(0).u32(1).text("hard")), 0u);
    ASSERT_EQ(lstat((folder.path + "/hello").c_str(), &a) | lstat((folder.path + "/hard").c_str(), &b), 0);
    EXPECT_EQ(a.st_ino, b.st_ino);
    EXPECT_EQ(call(kMknod, Message().u32(0).text("pipe").u32(S_IFIFO | 04640).u32(0).u32(0).u32(0)), 0u);
    ASSERT_EQ(lstat((folder.path + "/pipe").c_str(), &a), 0);
    EXPECT_TRUE(S_ISFIFO(a.st_mode));
    EXPECT_EQ(a.st_mode & 07000, 0u);
    EXPECT_EQ(call(kMknod, Message().u32(0).text("file").u32(S_IFREG | 0600).u32(0).u32(0).u32(0)), 0u);
    EXPECT_TRUE(fs::is_regular_file(folder.path + "/file"));
}

TEST_F(Server, Owners)
{
    auto owner = [&](uint32_t uid, uint32_t gid) {
        return call(kSetattr, Message().u32(1).u32(6).u32(0).u32(uid).u32(gid).u64(0).u64(0).u64(0).u64(0).u64(0));
    };
    open(true);
    ASSERT_EQ(walk(0, 1, { "hello" }), 0u);
    EXPECT_EQ(owner(getuid(), getgid()), 0u);
    EXPECT_EQ(owner(getuid() + 1, getgid()), (uint32_t)EPERM);
    EXPECT_EQ(owner(getuid(), getgid() + 1), (uint32_t)EPERM);
}

TEST_F(Server, ExtendedAttributes)
{
    open(true);
    std::string file = folder.path + "/hello";
    if (setxattr(file.c_str(), "user.old", "value", 5, 0) < 0) {
        GTEST_SKIP() << "the file system of /tmp has none";
    }
    ASSERT_EQ(walk(0, 1, { "hello" }), 0u);
    ASSERT_EQ(call(kXattrwalk, Message().u32(1).u32(2).text("user.old")), 0u);
    EXPECT_EQ((uint8_t)reply[0], 5u);
    EXPECT_EQ(read(2), "value");
    EXPECT_EQ(read(2, 2, 2), "lu");
    EXPECT_EQ(read(2, 900), "");
    EXPECT_NE(call(kWrite, Message().u32(2).u64(0).u32(1).number('x', 1)), 0u);
    EXPECT_EQ(call(kClunk, Message().u32(2)), 0u);
    EXPECT_EQ(call(kXattrwalk, Message().u32(1).u32(2).text("user.none")), (uint32_t)ENODATA);

    ASSERT_EQ(walk(0, 3, { "hello" }), 0u);
    ASSERT_EQ(call(kXattrcreate, Message().u32(3).text("user.new").u64(4).u32(0)), 0u);
    EXPECT_EQ(call(kWrite, Message().u32(3).u64(0).u32(2).number('n' | 'e' << 8, 2)), 0u);
    EXPECT_EQ(call(kWrite, Message().u32(3).u64(2).u32(3).number(0, 3)), (uint32_t)EINVAL) << "too long";
    EXPECT_EQ(call(kWrite, Message().u32(3).u64(2).u32(2).number('w' | '!' << 8, 2)), 0u);
    EXPECT_EQ(call(kClunk, Message().u32(3)), 0u);
    char value[10] = { 0 };
    EXPECT_EQ(getxattr(file.c_str(), "user.new", value, sizeof(value)), 4);
    EXPECT_STREQ(value, "new!");
    ASSERT_EQ(call(kXattrwalk, Message().u32(1).u32(2).text("")), 0u);
    std::string names = read(2);
    EXPECT_NE(names.find(std::string("user.old\0", 9)), std::string::npos);
    EXPECT_NE(names.find(std::string("user.new\0", 9)), std::string::npos);

    ASSERT_EQ(walk(0, 3, { "hello" }), 0u);
    ASSERT_EQ(call(kXattrcreate, Message().u32(3).text("user.new").u64(4).u32(0)), 0u);
    EXPECT_EQ(call(kClunk, Message().u32(3)), (uint32_t)EINVAL) << "nothing was written";
    EXPECT_EQ(getxattr(file.c_str(), "user.new", value, sizeof(value)), 4) << "it is as it was";
    ASSERT_EQ(walk(0, 3, { "hello" }), 0u);
    ASSERT_EQ(call(kXattrcreate, Message().u32(3).text("user.new").u64(4).u32(XATTR_CREATE)), 0u);
    EXPECT_EQ(call(kWrite, Message().u32(3).u64(0).u32(4).u32(0)), 0u);
    EXPECT_EQ(call(kClunk, Message().u32(3)), (uint32_t)EEXIST);
    ASSERT_EQ(walk(0, 3, { "hello" }), 0u);
    ASSERT_EQ(call(kXattrcreate, Message().u32(3).text("user.new").u64(0).u32(XATTR_REPLACE)), 0u);
    EXPECT_EQ(call(kClunk, Message().u32(3)), 0u);
    EXPECT_LT(getxattr(file.c_str(), "user.new", value, sizeof(value)), 0) << "no bytes: removed";
    ASSERT_EQ(walk(0, 3, { "hello" }), 0u);
    EXPECT_EQ(call(kXattrcreate, Message().u32(3).text("user.big").u64(1 << 20).u32(0)), (uint32_t)E2BIG);
    uint32_t error = 0;
    for (uint32_t i = 10; i < 200 && !error; i++) {
        error = call(kXattrwalk, Message().u32(1).u32(i).text("user.old"));
    }
    EXPECT_EQ(error, (uint32_t)ENFILE);
}

TEST_F(Server, WritesWhenAllowed)
{
    open(true);
    ASSERT_EQ(walk(0, 1, {}), 0u);
    ASSERT_EQ(call(kLcreate, Message().u32(1).text("new").u32(O_RDWR).u32(04755).u32(0)), 0u);
    EXPECT_EQ(call(kWrite, Message().u32(1).u64(2).u32(3).number(0x636261, 3)), 0u);
    EXPECT_EQ(call(kWrite, Message().u32(1).u64(0).u32(900).number(0, 1)), (uint32_t)EINVAL);
    EXPECT_EQ(read(1), std::string("\0\0abc", 5));
    struct stat st;
    ASSERT_EQ(stat((folder.path + "/new").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07000, 0u) << "no set-user-id";
    EXPECT_EQ(call(kSetattr, Message().u32(1).u32(9).u32(0600).u32(0).u32(0).u64(3).u64(0).u64(0).u64(0).u64(0)), 0u);
    ASSERT_EQ(stat((folder.path + "/new").c_str(), &st), 0);
    EXPECT_EQ(st.st_size, 3);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    EXPECT_EQ(call(kMkdir, Message().u32(0).text("d").u32(0755).u32(0)), 0u);
    ASSERT_EQ(walk(0, 2, { "d" }), 0u);
    EXPECT_EQ(call(kRenameat, Message().u32(0).text("new").u32(2).text("n2")), 0u);
    EXPECT_TRUE(fs::exists(folder.path + "/d/n2"));
    EXPECT_EQ(call(kUnlinkat, Message().u32(2).text("n2").u32(0)), 0u);
    EXPECT_EQ(call(kUnlinkat, Message().u32(0).text("d").u32(0x200)), 0u);
    EXPECT_FALSE(fs::exists(folder.path + "/d"));
}

TEST_F(Server, FidsAreLimited)
{
    open(false);
    uint32_t error = 0;
    for (uint32_t i = 1; i < 10000 && !error; i++) {
        error = walk(0, i, {});
    }
    EXPECT_NE(error, 0u);
    EXPECT_EQ(call(kVersion, Message().u32(65536).text("9P2000.L")), 0u);
    EXPECT_EQ(call(kAttach, Message().u32(0).u32(UINT32_MAX).text("").text("").u32(0)), 0u);
    EXPECT_EQ(walk(0, 1, { "hello" }), 0u);
}

/* Messages with wrong lengths, cut short, of random words. */
TEST_F(Server, RandomMessages)
{
    std::mt19937_64 random(11);
    open(true);
    static const uint8_t types[] = { 8, 12, 14, 16, 18, 22, 24, 26, 30, 32, 40, 50, 52, 54, 70, 72, 74, 76,
                                     100, 104, 108, 110, 116, 118, 120, 122 };
    static const char *const names[] = { "hello", "sub", "evil", "evildir", "..", "x", "fifo" };
    for (int i = 0; i < 60000; i++) {
        Message m;
        std::string request;
        uint8_t out[8192];

        for (unsigned k = 0; k < random() % 6; k++) {
            switch (random() % 4) {
            case 0: m.u32(random() % 6); break;
            case 1: m.text(names[random() % 7]); break;
            case 2: m.number(random(), 1 + random() % 8); break;
            default: m.u64(random() % 100); break;
            }
        }
        request = m.whole(types[random() % sizeof(types)]);
        if (random() % 8 == 0) {
            request.resize(random() % request.size());
        } else if (random() % 8 == 0) {
            request[random() % request.size()] = (char)random();
        }
        size_t room = random() % 8 ? sizeof(out) : random() % 64;
        EXPECT_LE(p9_serve(s, (const uint8_t *)request.data(), request.size(), out, room), room);
    }
    EXPECT_TRUE(fs::exists(folder.top + "/secret"));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.top), fs::directory_iterator()), 2);
}

class Device9p : public testing::TestWithParam<virtio_test::Setup>
{
  protected:
    Folder folder;
    Machine m{ GetParam(), "virtio-9p", ",mount_tag=share,path=" + folder.path };
};

TEST_P(Device9p, Talks)
{
    EXPECT_EQ(m.config(0, 2), 5u);
    EXPECT_EQ(m.config(2, 1), (unsigned)'s');
    m.start(1);
    std::string hello = Message().u32(8192).text("9P2000.L").whole(kVersion);
    uint64_t in = m.ram.alloc(100);
    EXPECT_EQ(m.request(0, { { m.ram.text(hello), (uint32_t)hello.size() } }, { { in, 50 }, { in + 50, 50 } }),
              hello.size());
    EXPECT_EQ(m.ram.get<uint8_t>(in + 4), kVersion + 1);
}

TEST_P(Device9p, Fuzz)
{
    fuzz_device(
        m, 1, 200,
        [&] {
            m.start(1);
            std::string hello = Message().u32(8192).text("9P2000.L").whole(kVersion);
            EXPECT_GT(m.request(0, { { m.ram.text(hello), (uint32_t)hello.size() } },
                                { { m.ram.alloc(100), 100 } }), 7u);
        },
        [](std::mt19937_64 &random, uint8_t *p, size_t n) {
            if (n >= 16) {
                uint32_t size = (uint32_t)(random() % 64);
                memcpy(p, &size, 4);
                p[4] = (uint8_t)(100 + random() % 22);
            }
        });
}

INSTANTIATE_TEST_SUITE_P(Setups, Device9p, testing::ValuesIn(all_setups()), setup_name);

TEST(Options9p, Errors)
{
    virtio_test::Setup s = { false, false, false, false };
    Machine a(s, "virtio-9p", ",mount_tag=x");
    EXPECT_NE(a.refusal.find("path=FOLDER"), std::string::npos) << a.refusal;
    Machine b(s, "virtio-9p", ",mount_tag=x,path=/nonexistent");
    EXPECT_NE(b.refusal.find("No such file"), std::string::npos) << b.refusal;
    Machine c(s, "virtio-9p", ",mount_tag=x,path=/dev/null");
    EXPECT_NE(c.refusal.find("Not a directory"), std::string::npos) << c.refusal;
}

} // namespace
