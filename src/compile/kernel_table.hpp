#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compile/alive_table.hpp"
#include "compile/charge.hpp"
#include "kernels/aligned.hpp"
#include "kernels/kernel.hpp"
#include "kernels/packing.hpp"

namespace lazyfx::compile {

/// The kernels and packed constants that a runtime's plans use, shared by content: a plan whose neighbour changed takes what it has in common
/// with plans that are alive, and makes and packs only what differs. Each plan has entries of its own, whose keys are its own constants, so that
/// none keeps another's alive. Any thread.
class KernelTable {
 public:
  explicit KernelTable(std::shared_ptr<Gauges> gauges);

  /// An equal one that is alive, else kernels::make_kernel's. Fails as that does.
  std::shared_ptr<const kernels::Kernel> take(const kernels::KernelRequest& request);
  /// True for the primitives whose kernels are costly to make or hold constants; the others are made faster than they are found.
  static bool shares(const Primitive& primitive) noexcept;

  struct Counts {
    std::uint64_t made = 0, shared = 0;  ///< kernels
    std::uint64_t packed = 0, packed_shared = 0;  ///< constants
  };
  Counts counts() const noexcept;

 private:
  /// A request, kept.
  struct KernelKey {
    Primitive primitive;
    std::vector<kernels::Operand> inputs;
    kernels::Operand output;
    std::vector<Tensor> constants;
    std::optional<kernels::Epilogue> epilogue;

    bool operator==(const KernelKey& other) const;
    bool has_constants_of(const KernelKey& other) const;  ///< the same tensors, not only equal ones
    std::uint64_t hash() const;
  };
  struct PackedKey {
    Tensor constant;
    std::string order;

    bool operator==(const PackedKey& other) const;
    std::uint64_t hash() const;
  };
  struct PackedBytes {
    kernels::AlignedBytes memory;
    Charge charge;
  };
  using PackedPtr = std::shared_ptr<const PackedBytes>;
  using Constants = AliveTable<PackedKey, PackedPtr>;
  /// A kernel, and what lets its packed constants be found.
  struct Made {
    std::shared_ptr<const kernels::Kernel> kernel;
    std::vector<Constants::EntryPtr> packed;
  };
  using Kernels = AliveTable<KernelKey, Made>;
  class Packer;

  Made make(const kernels::KernelRequest& request);
  Made share(const Kernels::Entry& other, const KernelKey& key);

  const std::shared_ptr<Gauges> gauges_;
  const std::shared_ptr<Kernels> kernels_ = std::make_shared<Kernels>();
  const std::shared_ptr<Constants> constants_ = std::make_shared<Constants>();
  std::atomic<std::uint64_t> made_{0}, shared_{0}, packed_{0}, packed_shared_{0};
};

}  // namespace lazyfx::compile
