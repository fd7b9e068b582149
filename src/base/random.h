#pragma once
// A seeded generator (xoshiro256**): the same seed gives the same run on every machine, unlike <random>'s
// distributions.
#include <cstdint>
#include <string>

namespace sentinel {

class Random {
 public:
  explicit Random(uint64_t seed);
  uint64_t next();
  uint64_t below(uint64_t bound);  // 0..bound-1. REQUIRES: bound > 0
  double uniform();                // [0, 1)
  bool chance(double probability) { return uniform() < probability; }
  double normal();  // mean 0, deviation 1
  double exponential(double mean);

 private:
  uint64_t state_[4];
};

// Bytes from the operating system, for ids and secrets.
std::string secure_random(size_t bytes);

}  // namespace sentinel
