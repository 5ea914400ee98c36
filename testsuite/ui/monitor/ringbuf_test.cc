/* SPDX-License-Identifier: Apache-2.0 */
/* Chardevs that keep what is written in memory. */
#include "testsuite/ui/monitor/harness.h"


extern "C" {
#include "devices/host/chardev.h"
}

namespace
{

class RingbufTest : public MonitorTest
{
  protected:
    IoLoop *loop = io_new();
    Chardev *ring = chardev_new(loop, "ring", "ringbuf,size=64", false, nullptr, nullptr);
    ChardevPort port = {};
    MonitorPeer peer = { "ring", "chardev", "ringbuf", nullptr, ring };

    void add_drives(MonitorVm &vm) override
    {
        vm.chardevs = &peer;
        vm.n_chardevs = 1;
    }
    void put(const std::string &text)
    {
        static const ChardevOps ops = { [](void *) -> size_t { return 0; },
                                        [](void *, const uint8_t *, size_t) {}, nullptr, nullptr };

        ASSERT_TRUE(chardev_attach(&port, ring, &ops, nullptr));
        EXPECT_EQ(text.size(), chardev_write(&port, text.data(), text.size()));
        chardev_detach(&port);
    }
    void TearDown() override
    {
        MonitorTest::TearDown();
        chardev_free(ring);
        io_free(loop);
    }
};

TEST_F(RingbufTest, IsWrittenByPrograms)
{
    qmp();
    EXPECT_EQ("{\"return\":{}}\r\n",
              ask("{\"execute\":\"ringbuf-write\",\"arguments\":{\"device\":\"ring\",\"data\":\"one \"}}"));
    EXPECT_EQ("{\"return\":{}}\r\n", ask("{\"execute\":\"ringbuf-write\",\"arguments\":{\"device\":\"ring\",\"data\":"
                                         "\"dHdv\",\"format\":\"base64\"}}"));
    EXPECT_EQ("{\"return\":\"one two\"}\r\n",
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":9}}"));
    EXPECT_EQ(error_of("DeviceNotFound", "Device 'none' not found"),
              ask("{\"execute\":\"chardev-send-break\",\"arguments\":{\"id\":\"none\"}}"));
}

TEST_F(RingbufTest, IsReadByProgramsAndPeople)
{
    put("one\ntwo\xff");
    qmp();
    EXPECT_EQ("{\"return\":\"one\"}\r\n",
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":3}}"));
    EXPECT_EQ("{\"return\":\"CnR3b/8=\"}\r\n",
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":1000000000000,"
                  "\"format\":\"base64\"}}"));
    EXPECT_EQ("{\"return\":\"\"}\r\n",
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":9}}"));
    EXPECT_EQ(error_of("DeviceNotFound", "Device 'none' not found"),
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"none\",\"size\":9}}"));
    EXPECT_EQ(error_of("GenericError", "Parameter 'size' expects a number of bytes"),
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":-1}}"));
    EXPECT_EQ(error_of("GenericError", "Parameter 'format' is utf8 or base64, not 'rot13'"),
              ask("{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"ring\",\"size\":1,"
                  "\"format\":\"rot13\"}}"));
    monitor_close(session);
    out.clear();
    open(MONITOR_hmp);
    put("three");
    EXPECT_EQ("thr\n", human("ringbuf_read ring 3"));
    EXPECT_EQ("ee\n", human("ringbuf_read ring 3"));
    EXPECT_NE(std::string::npos, human("ringbuf_read ring").find("NAME of a chardev"));
    EXPECT_NE(std::string::npos, human("ringbuf_read ring 0").find("NAME of a chardev"));
    EXPECT_EQ("Device 'none' not found\n", human("ringbuf_read none 1"));
}

} // namespace
