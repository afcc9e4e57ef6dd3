#pragma once

#include <time.h>

#include <cstdio>
#include <cstdlib>

/// No input may take longer than a second of this process's own time, however busy the machine is: a longer one ends the search, as a crash does.
class WithinASecond {
 public:
  WithinASecond() : began_(now()) {}
  ~WithinASecond() {
    if (now() - began_ <= 1) return;
    std::fprintf(stderr, "this input took %.2f s\n", now() - began_);
    std::abort();
  }
  WithinASecond(const WithinASecond&) = delete;
  WithinASecond& operator=(const WithinASecond&) = delete;

 private:
  static double now() {
    ::timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  }
  const double began_;
};
