#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <mutex>
#include <string_view>
#include <vector>

namespace lazyfx::compile {

/// The newest slices of what a runtime's threads did, at most `capacity` of them. Any thread may add; a slice is added when it ends.
class Trace {
 public:
  using Clock = std::chrono::steady_clock;

  struct Slice {
    const char* category = "";  ///< static text, as `outcome`
    std::string_view name;
    std::string_view module;    ///< empty: not said
    std::uint64_t generation = 0;
    std::string_view node;      ///< empty: not said
    const char* outcome = nullptr;
    Clock::time_point begin, end;
  };

  Trace(std::size_t capacity, Clock::time_point origin) : capacity_(capacity), origin_(origin) {}

  /// On this thread's row. Texts that are too long are cut.
  void add(const Slice& slice) noexcept;
  /// Chrome's trace event format, JSON.
  void write(std::ostream& out) const;

 private:
  /// Fixed in size, so that the ring is.
  struct Record {
    std::int64_t begin_ns, duration_ns;
    std::uint64_t generation;
    const char* category;
    const char* outcome;
    std::int32_t thread;
    char thread_name[16];
    char name[92];
    char module[48];
    char node[48];
  };
  static_assert(sizeof(Record) <= 256);

  const std::size_t capacity_;
  const Clock::time_point origin_;
  mutable std::mutex mutex_;
  // State below is protected by mutex_.
  std::vector<Record> ring_;
  std::size_t next_ = 0;     ///< where the next record goes, once the ring is full
  std::uint64_t lost_ = 0;   ///< overwritten, or no memory
};

}  // namespace lazyfx::compile
