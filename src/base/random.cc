#include "base/random.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <cmath>

#include "base/check.h"

namespace sentinel {

Random::Random(uint64_t seed) {
  // splitmix64, as the authors of xoshiro advise: never leaves the state all zero.
  for (uint64_t& word : state_) {
    seed += 0x9E3779B97F4A7C15ULL;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    word = z ^ (z >> 31);
  }
}

uint64_t Random::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Random::below(uint64_t bound) {
  SENTINEL_CHECK(bound > 0);
  // Values under 2^64 mod bound would make small results a little likelier: thrown away.
  const uint64_t reject_below = (0 - bound) % bound;
  uint64_t value = next();
  while (value < reject_below) value = next();
  return value % bound;
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

double Random::normal() {
  // Marsaglia's polar method; the second number of the pair is dropped to keep the state small.
  while (true) {
    const double x = 2 * uniform() - 1;
    const double y = 2 * uniform() - 1;
    const double s = x * x + y * y;
    if (s > 0 && s < 1) return x * std::sqrt(-2 * std::log(s) / s);
  }
}

double Random::exponential(double mean) { return -mean * std::log1p(-uniform()); }

std::string secure_random(size_t bytes) {
  std::string out(bytes, '\0');
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = getrandom(out.data() + done, bytes - done, 0);
    if (got < 0 && errno == EINTR) continue;
    SENTINEL_CHECK(got > 0);  // without randomness no secret of ours would be one
    done += static_cast<size_t>(got);
  }
  return out;
}

}  // namespace sentinel
