// SPDX-License-Identifier: Apache-2.0
// Interrupt controllers, timers, the real-time clock.
#include <cstring>
#include <ctime>
#include <thread>

#include "testsuite/devices/harness.h"

extern "C" {
#include "devices/aclint.h"
#include "devices/plic.h"
}

namespace {

constexpr uint64_t kBase = Harness::kDeviceBase;

// ---- PLIC ----

struct PlicTest : testing::Test {
  Harness h;
  Dev *plic = h.add(&dev_plic);
  enum { S0 = 1, M1 = 2 };

  PlicTest()
  {
    for (unsigned c = 0; c < PLIC_CONTEXTS; c++)
      h.connect(plic, c, c);
  }
  void raise(unsigned source, bool level)
  {
    Irq irq = plic_irq(plic, source);
    irq_set(&irq, level);
  }
  void priority(unsigned source, uint64_t p) { h.write(kBase + 4 * source, p); }
  void enable(unsigned context, unsigned source)
  {
    uint64_t at = kBase + 0x2000 + 0x80 * context + source / 32 * 4;
    h.write(at, h.read(at) | UINT64_C(1) << source % 32);
  }
  uint64_t claim(unsigned context) { return h.read(kBase + 0x200004 + 0x1000 * context); }
  void complete(unsigned context, uint64_t s) { h.write(kBase + 0x200004 + 0x1000 * context, s); }
  void threshold(unsigned context, uint64_t t) { h.write(kBase + 0x200000 + 0x1000 * context, t); }
};

TEST_F(PlicTest, HighestPriorityThenLowestNumberIsClaimed)
{
  for (unsigned source : {10, 33, 95}) {
    priority(source, source == 95 ? 7 : 3);
    enable(S0, source);
    raise(source, true);
  }
  EXPECT_TRUE(h.level[S0]);
  EXPECT_FALSE(h.level[M1]);
  EXPECT_EQ(95u, claim(S0));
  EXPECT_EQ(10u, claim(S0));
  EXPECT_EQ(33u, claim(S0));
  EXPECT_EQ(0u, claim(S0));
  EXPECT_FALSE(h.level[S0]);
}

TEST_F(PlicTest, LineStillHighAtCompletionComesAgain)
{
  priority(10, 1);
  enable(S0, 10);
  raise(10, true);
  EXPECT_EQ(10u, claim(S0));
  EXPECT_FALSE(h.level[S0]);
  complete(S0, 10);
  EXPECT_TRUE(h.level[S0]);
  EXPECT_EQ(10u, claim(S0));
  raise(10, false);
  complete(S0, 10);
  EXPECT_FALSE(h.level[S0]);
}

TEST_F(PlicTest, ThresholdMasksPriorityZeroNeverComes)
{
  enable(S0, 5);
  raise(5, true);
  EXPECT_FALSE(h.level[S0]);
  priority(5, 2);
  EXPECT_TRUE(h.level[S0]);
  threshold(S0, 2);
  EXPECT_FALSE(h.level[S0]);
  EXPECT_EQ(5u, claim(S0)) << "the threshold does not hide it from a claim";
}

TEST_F(PlicTest, CompletionByAContextThatMayNotIsIgnored)
{
  priority(7, 1);
  enable(S0, 7);
  raise(7, true);
  EXPECT_EQ(7u, claim(S0));
  complete(M1, 7);
  EXPECT_FALSE(h.level[S0]);
  complete(S0, 4000);
  complete(S0, 7);
  EXPECT_TRUE(h.level[S0]);
}

TEST_F(PlicTest, WidthsOtherThanAWordAreFaults)
{
  uint64_t v;
  EXPECT_FALSE(phys_load(h.mem, kBase + 4, 1, &v));
  EXPECT_FALSE(phys_store(h.mem, kBase + 8, 8, 1));
}

// ---- ACLINT ----

TEST(Aclint, SoftwareInterrupts)
{
  Harness h;
  Dev *mswi = h.add(&dev_aclint_mswi);
  h.connect(mswi, 0, 0);
  h.connect(mswi, 3, 3);
  h.write(kBase + 12, 0xffffffff);
  EXPECT_TRUE(h.level[3]);
  EXPECT_FALSE(h.level[0]);
  EXPECT_EQ(1u, h.read(kBase + 12));
  h.write(kBase + 12, 0);
  EXPECT_FALSE(h.level[3]);
}

TEST(Aclint, SoftwareInterruptsOfSupervisorsAreOnlySet)
{
  Harness h;
  Dev *sswi = h.add(&dev_aclint_sswi);
  h.connect(sswi, 2, 2);
  h.write(kBase + 8, 0xfffffffe);
  EXPECT_FALSE(h.level[2]);
  h.write(kBase + 8, 1);
  EXPECT_TRUE(h.level[2]);
  EXPECT_EQ(0u, h.read(kBase + 8));
  h.write(kBase + 8, 0);
  EXPECT_TRUE(h.level[2]);
}

struct MtimerTest : testing::Test {
  Harness h;
  Dev *mtimer = h.add(&dev_aclint_mtimer);
  MtimerTest() { h.connect(mtimer, 1, 1); }
  uint64_t time() { return h.read(kBase + 0x7ff8, 8); }
  bool comes()
  {
    for (int i = 0; i < 10000; i++) {
      pthread_mutex_lock(mtimer->lock);
      bool level = h.level[1];
      pthread_mutex_unlock(mtimer->lock);
      if (level)
        return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
};

TEST_F(MtimerTest, TimeIsTenMegahertz)
{
  clock_set(h.env.clock, 123456789);
  EXPECT_EQ(1234567u, time());
  EXPECT_EQ(1234567u, h.read(kBase + 0x7ff8, 4));
  EXPECT_EQ(0u, h.read(kBase + 0x7ffc, 4));
  EXPECT_EQ(1234567u, aclint_time(mtimer));
  h.write(kBase + 0x7ff8, UINT64_C(5) << 40, 8);
  EXPECT_EQ(UINT64_C(5) << 40, time());
}

TEST_F(MtimerTest, ComparatorRaisesAndLowersItsLine)
{
  clock_set(h.env.clock, 1000000);
  h.write(kBase + 8, 10000, 8);
  EXPECT_TRUE(h.level[1]);
  h.write(kBase + 8, 10001, 8);
  EXPECT_FALSE(h.level[1]);
  clock_resume(h.env.clock);
  EXPECT_TRUE(comes());
  h.write(kBase + 8, ~UINT64_C(0), 8);
  EXPECT_FALSE(h.level[1]);
}

TEST_F(MtimerTest, HalvesOfTheComparatorAreWrittenAlone)
{
  h.write(kBase + 8, 0xffffffff, 4);
  h.write(kBase + 12, 7, 4);
  EXPECT_EQ((UINT64_C(7) << 32) + 0xffffffff, h.read(kBase + 8, 8));
}

TEST_F(MtimerTest, AlarmsOfHartsThemselves)
{
  static std::atomic<int> fired;
  fired = 0;
  aclint_on_alarm(mtimer, [](void *, unsigned hart) { fired |= 1 << hart; }, nullptr);
  clock_resume(h.env.clock);
  aclint_alarm(mtimer, 2, aclint_time(mtimer) + 100);
  for (int i = 0; i < 10000 && !fired; i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(4, fired);
}

// ---- RTC ----

TEST(GoldfishRtc, TellsTheTimeAndTakesAnother)
{
  Harness h;
  h.add(&dev_goldfish_rtc);
  uint64_t low = h.read(kBase), high = h.read(kBase + 4);
  uint64_t now = uint64_t(time(nullptr)), got = (high << 32 | low) / 1000000000;
  EXPECT_LE(got, now + 1);
  EXPECT_GE(got + 300, now);
  h.write(kBase + 4, 1);
  h.write(kBase, 0);
  h.read(kBase);
  EXPECT_EQ(1u, h.read(kBase + 4));
}

// -rtc base=, clock=vm
TEST(GoldfishRtc, BeginsWhereItIsToldAndStandsWithTheMachine)
{
  Harness h;
  h.add(&dev_goldfish_rtc, [](Dev *d) {
    EXPECT_TRUE(dev_set(d, "base", "3600000000000", nullptr));
    EXPECT_TRUE(dev_set(d, "stands", "on", nullptr));
  });
  auto read = [&] {
    uint64_t low = h.read(kBase);
    return h.read(kBase + 4) << 32 | low;
  };
  uint64_t first = read(), now = uint64_t(time(nullptr));
  EXPECT_LE(first / 1000000000, now + 3601);
  EXPECT_GE(first / 1000000000 + 300, now + 3600);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(first, read());
  clock_resume(h.env.clock);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_LE(first + 5000000, read());
}

TEST(GoldfishRtc, AlarmInThePastComesAtOnce)
{
  Harness h;
  h.connect(h.add(&dev_goldfish_rtc), 0, 0);
  h.write(kBase + 0x10, 1);
  h.write(kBase + 0x0c, 1);
  h.write(kBase + 0x08, 5);
  EXPECT_TRUE(h.level[0]);
  EXPECT_EQ(0u, h.read(kBase + 0x18));
  h.write(kBase + 0x1c, 1);
  EXPECT_FALSE(h.level[0]);
}

}  // namespace
