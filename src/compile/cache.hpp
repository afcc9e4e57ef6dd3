#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "compile/executable.hpp"
#include "compile/failure.hpp"
#include "compile/source.hpp"

namespace lazyfx::compile {

/// An executable that the cache keeps though perhaps nobody uses it.
struct Kept {
  std::shared_ptr<Executable> executable;
  std::uint64_t key = 0;
  std::size_t bytes = 0;
};

/// Executables by content, and contents that are known not to compile. Every executable that a module or a run holds is found here; beyond
/// those, the most recently used are kept up to a budget of bytes; but not one that calls submodules, since those hold the runtime that holds
/// this. Letting go of one never touches whoever uses it. Not thread-safe:
/// its owner's lock protects it. What it gives up goes to `released`, to be destroyed after that lock.
class Cache {
 public:
  struct KnownFailure {
    Source source;
    Failure failure;
  };
  using Failures = std::unordered_multimap<std::uint64_t, std::shared_ptr<const KnownFailure>>;
  struct Released {
    std::list<Kept> executables;
    std::shared_ptr<const KnownFailure> failure;
    Failures failures;
  };

  explicit Cache(std::size_t byte_budget, std::size_t max_failures = 256);

  /// All alive under a key; which of them has equal content is the caller's to find out.
  std::vector<std::shared_ptr<Executable>> find(std::uint64_t key) const;
  void insert(std::uint64_t key, const std::shared_ptr<Executable>& executable, Released& released);
  /// It was used: goes to the front, and is kept again if it had been given up. Its size may have changed since.
  void touch(std::uint64_t key, const std::shared_ptr<Executable>& executable, Released& released);

  std::vector<std::shared_ptr<const KnownFailure>> failures(std::uint64_t key) const;
  void insert_failure(std::uint64_t key, const Source& source, const Failure& failure, Released& released);
  void forget_failure(std::uint64_t key, const KnownFailure* failure, Released& released) noexcept;

  /// Keeps at most so many bytes now, the most recently used; 0 keeps nothing that nobody uses, and forgets the failures. The budget stays.
  void trim(std::size_t bytes, Released& released) noexcept;
  /// Of what is kept.
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t kept() const noexcept { return recent_.size(); }

 private:
  struct Entry {
    std::weak_ptr<Executable> executable;
    std::list<Kept>::iterator kept;
    bool is_kept = false;
  };
  using Table = std::unordered_multimap<std::uint64_t, Entry>;
  void keep(Table::iterator entry, const std::shared_ptr<Executable>& executable, Released& released);
  void shrink(std::size_t bytes, Released& released) noexcept;
  void sweep();

  const std::size_t byte_budget_;
  const std::size_t max_failures_;
  Table table_;
  std::size_t sweep_at_ = 64;  ///< entries at which dead ones are looked for, so that sweeping stays linear
  std::list<Kept> recent_;  ///< most recent first
  std::size_t bytes_ = 0;
  Failures failures_;
  std::list<std::pair<std::uint64_t, const KnownFailure*>> oldest_failures_;
};

}  // namespace lazyfx::compile
