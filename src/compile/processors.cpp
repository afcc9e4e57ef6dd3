#include "compile/processors.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

namespace lazyfx::compile {
namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();

double quota_of(const std::filesystem::path& cgroup) {
  std::ifstream file(cgroup / "cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period)) return unbounded;
  const double share = std::strtod(quota.c_str(), nullptr) / period;
  return share > 0 ? share : unbounded;  // "max" is no number, so it reads as 0
}

/// Below the mount: "a/b". Empty: the mount's own cgroup, or one outside of what is mounted, of which the mount's own is all that can be seen.
std::filesystem::path own_cgroup(const std::filesystem::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  const std::string unified = "0::/";
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(unified)) return line.starts_with(unified + "..") ? "" : line.substr(unified.size());
  }
  return {};
}

}  // namespace

double processor_quota(const std::filesystem::path& root) {
  std::filesystem::path at = root / "sys/fs/cgroup";
  double least = quota_of(at);
  for (const auto& step : own_cgroup(root)) least = std::min(least, quota_of(at /= step));
  return least;
}

std::size_t available_processors() {
  std::size_t count = 1;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  return static_cast<std::size_t>(std::clamp(processor_quota(), 1.0, static_cast<double>(count)));
}

}  // namespace lazyfx::compile
