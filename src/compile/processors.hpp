#pragma once

#include <cstddef>
#include <filesystem>

namespace lazyfx::compile {

/// Processors' time that the quotas of this process's cgroup and of every one around it leave it, the smallest of them: 1.5 is one processor
/// and a half. Infinity where there is none. cgroup v2, as it is mounted under `root`.
double processor_quota(const std::filesystem::path& root = "/");

/// Processors that this process may use: its affinity, bounded by the quota; at least one.
std::size_t available_processors();

}  // namespace lazyfx::compile
