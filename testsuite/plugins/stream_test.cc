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

struct Shape {
  unsigned words, key_bits;
};

class EveryShape : public testing::TestWithParam<Shape> {
 protected:
  EveryShape() : code(std::make_unique<StreamCode>()) {
    code->words = GetParam().words;
    code->key_bits = GetParam().key_bits;
  }

  std::vector<uint8_t> Encode(const std::vector<uint64_t> &words) {
    std::vector<uint8_t> out(words.size() * STREAM_MAX_CODE);
    out.resize(stream_encode(code.get(), words.data(), words.size() / code->words, out.data()));
    return out;
  }

  std::unique_ptr<StreamCode> code;
};

TEST_P(EveryShape, RecordsComeBack) {
  std::mt19937_64 random(7);

  for (int kind = 0; kind < 4; kind++) {
    std::vector<uint64_t> words(4096 * code->words), back(words.size());
    for (size_t i = 0; i < words.size(); i++) {
      uint64_t any = random();
      words[i] = kind == 0 ? any : kind == 1 ? i * 8 << 24 | i % 7 : kind == 2 ? any & 1 ? ~0ull : 0 : any >> (any & 63);
    }
    std::vector<uint8_t> coded = Encode(words);
    size_t n;
    ASSERT_TRUE(stream_decode(code.get(), coded.data(), coded.size(), back.data(), 4096, &n));
    EXPECT_EQ(4096u, n);
    EXPECT_EQ(words, back) << "kind " << kind;
  }
}

TEST_P(EveryShape, NoMoreRecordsThanThereIsRoomFor) {
  std::vector<uint64_t> words(8 * code->words, 5), back(7 * code->words);
  std::vector<uint8_t> coded = Encode(words);
  size_t n;

  EXPECT_FALSE(stream_decode(code.get(), coded.data(), coded.size(), back.data(), 7, &n));
}

TEST_P(EveryShape, CutCodeIsRefused) {
  std::vector<uint64_t> words(code->words, ~0ull >> 2), back(code->words);
  std::vector<uint8_t> coded = Encode(words);
  size_t n;

  for (size_t cut = 1; cut < coded.size(); cut++) {
    EXPECT_FALSE(stream_decode(code.get(), coded.data(), cut, back.data(), 1, &n)) << cut;
  }
}

TEST_P(EveryShape, AnyBytesStayInBounds) {
  std::mt19937 random(3);
  std::vector<uint64_t> back(256 * code->words);

  for (int round = 0; round < 2000; round++) {
    std::vector<uint8_t> bytes(random() % 300);
    for (uint8_t &b : bytes) b = static_cast<uint8_t>(random());
    size_t n = 0;
    bool good = stream_decode(code.get(), bytes.data(), bytes.size(), back.data(), 256, &n);
    EXPECT_TRUE(!good || n <= 256) << n;
  }
}

TEST(StreamCode, ALoopTakesOneByteARecord) {
  auto code = std::make_unique<StreamCode>();
  code->words = 1;
  code->key_bits = 24;
  std::vector<uint64_t> words;
  for (uint64_t i = 0; i < 1000; i++)
    for (uint64_t site = 0; site < 4; site++) words.push_back((0x10000 + i * 8 + site * 4096) << 24 | site);
  std::vector<uint8_t> out(words.size() * STREAM_MAX_CODE);

  EXPECT_LT(stream_encode(code.get(), words.data(), words.size(), out.data()), words.size() + 30);
}

INSTANTIATE_TEST_SUITE_P(Shapes, EveryShape,
                         testing::Values(Shape{1, 0}, Shape{1, 24}, Shape{1, 2}, Shape{1, 32}, Shape{2, 0}, Shape{2, 8},
                                         Shape{4, 16}));

}  // namespace
