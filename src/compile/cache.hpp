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

namespace lazyfx::detail {
class RuntimeCore;
}

namespace lazyfx::compile {

/// Executables by content, and contents that are known not to compile. Executables that somebody uses are found here and count for nothing:
/// whoever gets one from insert() or take() holds a lease, and when the last holder lets go the executable comes back, to be kept within a
/// budget of bytes. What is known to fail counts in the same budget. What was used, or asked for, longest ago goes first; what is larger than
/// all that may be kept goes at once and pushes nobody out. Executables that call submodules are lent to nobody and never kept, since those
/// hold the runtime that holds this.
/// Not thread-safe: its owner's lock protects it. What it gives up goes to `released`, to be destroyed after that lock.
class Cache {
 public:
  struct KnownFailure {
    Source source;
    Failure failure;
    std::size_t bytes = 0;  ///< of the source
  };
  using KnownFailurePtr = std::shared_ptr<const KnownFailure>;
  /// An executable that came back.
  struct Idle {
    std::shared_ptr<Executable> executable;
    std::size_t bytes = 0;
    std::uint64_t since = 0;
  };
  /// Those who use an executable hold one of these together; the last to let go brings it back to `runtime`.
  struct Lease {
    Lease(const std::shared_ptr<Executable>& executable, std::weak_ptr<detail::RuntimeCore> its_runtime)
        : runtime(std::move(its_runtime)), idle(1, Idle{executable}) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();  // in runtime_core.cpp

    std::weak_ptr<detail::RuntimeCore> runtime;
    std::list<Idle> idle;  ///< one: coming back allocates nothing
  };
  struct Failed {
    KnownFailurePtr failure;
    std::uint64_t key = 0;
    std::uint64_t since = 0;
  };
  struct Released {
    std::list<Idle> executables;
    std::list<Failed> failures;
  };

  explicit Cache(std::size_t byte_budget, std::size_t max_failures = 256);

  /// All alive under a key; which of them has equal content is the caller's to find out. Not leases.
  std::vector<std::shared_ptr<Executable>> find(std::uint64_t key);
  /// Makes it be found; returns what its users hold.
  std::shared_ptr<Executable> insert(std::uint64_t key, const std::shared_ptr<Executable>& executable,
                                     const std::weak_ptr<detail::RuntimeCore>& runtime);
  /// One that was found, for somebody who uses it.
  std::shared_ptr<Executable> take(std::uint64_t key, const std::shared_ptr<Executable>& executable,
                                   const std::weak_ptr<detail::RuntimeCore>& runtime);
  /// The end of a lease. `keep`: as far as the budget allows.
  void bring_back(std::list<Idle>& one, std::size_t bytes, bool keep, Released& released) noexcept;
  /// Its size has changed since it came back.
  void resize(const Executable& executable, std::size_t bytes, Released& released) noexcept;

  std::vector<KnownFailurePtr> failures(std::uint64_t key) const;
  /// Somebody asked for it.
  void touch_failure(std::uint64_t key, const KnownFailure* failure) noexcept;
  void insert_failure(std::uint64_t key, KnownFailurePtr failure, Released& released);
  void forget_failure(std::uint64_t key, const KnownFailure* failure, Released& released) noexcept;

  /// Keeps at most so many bytes now, the most recently used; 0 keeps nothing. The budget stays.
  void trim(std::size_t bytes, Released& released) noexcept;
  /// Of what is kept.
  std::size_t bytes() const noexcept { return bytes_; }
  /// Executables among it.
  std::size_t kept() const noexcept { return idle_.size(); }

 private:
  struct Entry {
    std::weak_ptr<Executable> executable;
    const Executable* address = nullptr;
    std::weak_ptr<Lease> lease;
    std::list<Idle>::iterator idle;  ///< if it is idle
    bool is_idle = false;
  };
  using Table = std::unordered_multimap<std::uint64_t, Entry>;
  using Failures = std::unordered_multimap<std::uint64_t, std::list<Failed>::iterator>;
  Table::iterator entry_of(std::uint64_t key, const Executable* executable) noexcept;
  std::shared_ptr<Executable> lend(Entry& entry, const std::shared_ptr<Executable>& executable,
                                   const std::weak_ptr<detail::RuntimeCore>& runtime);
  Failures::iterator failure_of(std::uint64_t key, const KnownFailure* failure) noexcept;
  void give_up(Table::iterator entry, Released& released) noexcept;
  void give_up(Failures::iterator failure, Released& released) noexcept;
  void give_up_oldest_failure(Released& released) noexcept;
  void shrink(std::size_t bytes, Released& released) noexcept;
  void sweep();

  const std::size_t byte_budget_;
  const std::size_t max_failures_;
  Table table_;
  std::size_t sweep_at_ = 64;  ///< entries at which dead ones are looked for, so that sweeping stays linear
  std::list<Idle> idle_;  ///< most recent first
  std::list<Failed> failed_;  ///< likewise
  Failures failures_;
  std::size_t bytes_ = 0;
  std::uint64_t clock_ = 0;
};

}  // namespace lazyfx::compile
