// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

extern "C" {
#include "devices/clock.h"
}

namespace {

struct Fixture {
  Clock *clock = clock_new();
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  ClockTimer timer;
  std::atomic<int> runs{0};

  Fixture()
  {
    clock_timer_init(&timer, clock, &lock, [](void *f) { static_cast<Fixture *>(f)->runs++; },
                     this);
  }
  ~Fixture()
  {
    clock_timer_fini(&timer);
    clock_free(clock);
  }
  void set(uint64_t ns)
  {
    pthread_mutex_lock(&lock);
    clock_timer_set(&timer, ns);
    pthread_mutex_unlock(&lock);
  }
  void cancel()
  {
    pthread_mutex_lock(&lock);
    clock_timer_cancel(&timer);
    pthread_mutex_unlock(&lock);
  }
  // Up to 10 seconds; a timer that comes is there at once.
  bool comes(int n)
  {
    for (int i = 0; i < 10000 && runs < n; i++)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return runs >= n;
  }
};

TEST(Clock, StandsStillWhilePaused)
{
  Fixture f;
  EXPECT_EQ(0u, clock_ns(f.clock));
  clock_set(f.clock, 77);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(77u, clock_ns(f.clock));
  clock_resume(f.clock);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_GE(clock_ns(f.clock), 2000077u);
  clock_pause(f.clock);
  uint64_t at = clock_ns(f.clock);
  EXPECT_EQ(at, clock_ns(f.clock));
}

TEST(Clock, TimerComesOnceAndOnlyWhenTimeGoes)
{
  Fixture f;
  f.set(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(0, f.runs);
  clock_resume(f.clock);
  EXPECT_TRUE(f.comes(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(1, f.runs);
}

TEST(Clock, LaterAndEarlierReplaceCancelTakesBack)
{
  Fixture f;
  clock_resume(f.clock);
  f.set(clock_ns(f.clock) + UINT64_C(3600000000000));
  f.set(clock_ns(f.clock) + 1000);
  EXPECT_TRUE(f.comes(1));
  uint64_t due;
  int before;
  do {  // again where cancelling came too late
    before = f.runs;
    due = clock_ns(f.clock) + 20000000;
    f.set(due);
    f.cancel();
  } while (clock_ns(f.clock) >= due);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(before, f.runs);
}

TEST(Clock, SurvivesThreadsThatSetAndCancel)
{
  Fixture f;
  clock_resume(f.clock);
  std::thread threads[2];
  for (auto &t : threads)
    t = std::thread([&f] {
      for (int i = 0; i < 5000; i++) {
        f.set(clock_ns(f.clock) + uint64_t(i % 7) * 1000);
        if (i % 3 == 0)
          f.cancel();
      }
    });
  for (auto &t : threads)
    t.join();
  int before = f.runs;
  f.set(0);
  EXPECT_TRUE(f.comes(before + 1));
}

}  // namespace
