#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

/// What the stress programs take: --seconds S, --count N, --seed N.
namespace support {

struct Counts {
  double seconds = 0;
  std::uint64_t count = 0;
  std::uint64_t seed = 1;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

  explicit Counts(std::uint64_t by_default) : count(by_default) {}

  bool read(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
      const std::string name = argv[i];
      char* end = nullptr;
      const double value = i + 1 < argc ? std::strtod(argv[i + 1], &end) : -1;
      const bool good = i + 1 < argc && end != argv[i + 1] && *end == '\0' && value >= 0 && value < 1e15;
      if (good && name == "--seconds")
        seconds = value;
      else if (good && name == "--count")
        count = static_cast<std::uint64_t>(value);
      else if (good && name == "--seed")
        seed = static_cast<std::uint64_t>(value);
      else {
        std::cerr << "usage: " << argv[0] << " [--seconds S] [--count N] [--seed N]\n";
        return false;
      }
    }
    if (count == 0 && seconds == 0) {
      std::cerr << argv[0] << ": with --count 0 and no --seconds there is nothing to do\n";
      return false;
    }
    return true;
  }
  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); }
  /// Both the count and the time are to be reached.
  bool enough(std::uint64_t done) const { return done >= count && elapsed() >= seconds; }
};

}  // namespace support
