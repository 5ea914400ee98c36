// SPDX-License-Identifier: Apache-2.0
// The code of record streams: every record comes back, and damaged code is refused or at least bounded.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

extern "C" {
#include "plugins/stream_code.h"
}

namespace {

using Words = std::vector<uint64_t>;
using Bytes = std::vector<uint8_t>;

constexpr size_t kMax = STREAM_MAX_WORDS;
constexpr uint64_t kLargest = ~0ull >> 1;

class Stream : public testing::Test {
 protected:
  Bytes Encode(Words words) {
    size_t n = words.size();
    Bytes out(STREAM_MAX_CODE(n));
    words.push_back(0);
    out.resize(stream_encode(encoder_.get(), words.data(), n, out.data()));
    EXPECT_LE(out.size(), 8 * n);
    return out;
  }

  bool Decode(const Bytes &code, size_t max) {
    size_t n = 0;
    back_.assign(max, 0);
    bool good = stream_decode(code.data(), code.size(), back_.data(), max, &n);
    EXPECT_LE(n, max);
    back_.resize(good ? n : 0);
    return good;
  }

  void ComesBack(const Words &words) {
    ASSERT_TRUE(Decode(Encode(words), words.size()));
    ASSERT_EQ(words, back_);
  }

  std::unique_ptr<StreamEncoder> encoder_ = std::make_unique<StreamEncoder>();
  Words back_;
};

void AddRun(Words *words, uint32_t number, const Words &values) {
  words->push_back(~static_cast<uint64_t>(number));
  words->insert(words->end(), values.begin(), values.end());
}

// A loop over `runs` runs of several lengths, with strides; now and then something in it is different.
Words Loop(std::mt19937_64 *random, unsigned runs, unsigned odd) {
  Words words;
  for (uint64_t turn = 0; words.size() + runs * 8 < kMax; turn++) {
    for (unsigned r = 0; r < runs; r++) {
      Words values;
      for (unsigned k = 0; k < 1 + r % 5; k++) values.push_back(0x10000 * (r + 1) + turn * 8 * k);
      if (odd && (*random)() % odd == 0) values[0] = (*random)() & kLargest;
      if (odd && (*random)() % odd == 0) values.push_back(turn);
      if (!odd || (*random)() % odd) AddRun(&words, 10 * r, values);
    }
  }
  return words;
}

TEST_F(Stream, LoopsComeBack) {
  std::mt19937_64 random(7);

  for (unsigned runs : {1u, 2u, 7u, 100u, 3000u})
    for (unsigned odd : {0u, 2u, 5u, 50u, 1000u}) ComesBack(Loop(&random, runs, odd));
}

TEST_F(Stream, AnythingComesBack) {
  std::mt19937_64 random(8);

  for (int round = 0; round < 300; round++) {
    Words words;
    unsigned numbers = 1 + random() % 40, longest = 1 + random() % (round % 10 ? 20 : 5000);
    while (words.size() + longest + 1 < 1 + random() % kMax) {
      Words values(random() % (longest + 1));
      for (uint64_t &v : values) v = (random() & kLargest) >> random() % 63;
      AddRun(&words, static_cast<uint32_t>(random() % numbers) * 0x3333333 & 0x7fffffff, values);
    }
    ComesBack(words);
  }
}

TEST_F(Stream, ExtremesComeBack) {
  Words words;

  for (int i = 0; i < 40; i++) AddRun(&words, 0x7fffffff, {i & 1 ? 0 : kLargest, kLargest, 0, 1});
  AddRun(&words, 0, Words(20000, kLargest));
  AddRun(&words, 0, Words(10000, 1));
  ComesBack(words);
  ComesBack({});
  ComesBack({~0ull});
}

TEST_F(Stream, ALoopWithAStrideIsAFewBytes) {
  Words words;

  for (uint64_t i = 0; words.size() + 5 < kMax; i++) AddRun(&words, 3, {i * 8, 0x1000, i * 16, kLargest - i});
  EXPECT_LT(Encode(words).size(), 200u);
}

TEST_F(Stream, RunsAreOftenOneByteAndTheirDifferences) {
  std::mt19937_64 random(9);
  Words words;

  for (int i = 0; i < 5000; i++) AddRun(&words, 3, {0x7fff0000 + random() % 120, 0x5fff0000 + random() % 120});
  EXPECT_LT(Encode(words).size(), 5000u * 3 + 100);
}

TEST_F(Stream, NoMoreWordsThanThereIsRoomFor) {
  std::mt19937_64 random(10);
  Words words = Loop(&random, 3, 0);
  Bytes code = Encode(words);

  for (size_t less : {1u, 2u, 9u, 1000u}) EXPECT_FALSE(Decode(code, words.size() - less)) << less;
}

TEST_F(Stream, CutCodeIsRefusedOrShorter) {
  std::mt19937_64 random(11);
  Words words = Loop(&random, 5, 4);
  Bytes code = Encode(words);

  for (size_t cut = 0; cut < 2000; cut++) {
    if (Decode(Bytes(code.begin(), code.begin() + cut), words.size())) {
      ASSERT_LT(back_.size(), words.size());
      ASSERT_TRUE(std::equal(back_.begin(), back_.end(), words.begin())) << cut;
    }
  }
}

TEST_F(Stream, AnyBytesStayInBounds) {
  std::mt19937 random(3);
  Words words;

  for (int i = 0; i < 30; i++) AddRun(&words, i % 3, {5, 6});
  Bytes good = Encode(words);
  for (int round = 0; round < 20000; round++) {
    Bytes bytes = good;
    if (round % 2) bytes.resize(1 + random() % 300);
    for (int k = 0; k < 1 + round % 7; k++) bytes.at(random() % bytes.size() / (round % 3 + 1)) = static_cast<uint8_t>(random());
    (void)Decode(bytes, 256);
  }
}

}  // namespace
