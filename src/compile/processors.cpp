#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "compile/scheduler.hpp"

namespace lazyfx::compile {

std::size_t available_processors() {
  std::size_t count = 1;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (quota_file >> quota >> period && quota != "max" && period > 0) {
    const double share = std::strtod(quota.c_str(), nullptr) / period;
    if (share > 0) count = std::min(count, static_cast<std::size_t>(share < 1 ? 1 : share));
  }
  return count;
}

}  // namespace lazyfx::compile
