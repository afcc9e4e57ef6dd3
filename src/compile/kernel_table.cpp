#include "compile/kernel_table.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <type_traits>

namespace lazyfx::compile {
namespace {

class Hash {
 public:
  Hash() { XXH64_reset(&state_, 0); }
  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void add(T value) {
    const auto wide = static_cast<std::uint64_t>(value);
    XXH64_update(&state_, &wide, sizeof wide);
  }
  void add(const std::string& bytes) {
    add(bytes.size());
    XXH64_update(&state_, bytes.data(), bytes.size());
  }
  void add(const kernels::Operand& operand) {
    add(operand.dtype);
    add(operand.layout);
    for (const std::int64_t d : operand.shape) add(d);
  }
  void add(const Tensor& constant) { add(constant.defined() ? constant.digest() : 0); }
  std::uint64_t take() const { return XXH64_digest(&state_); }

 private:
  XXH64_state_t state_;
};

bool same_constant(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.is_same(b) || equal(a, b);
}

void add(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

bool KernelTable::KernelKey::operator==(const KernelKey& other) const {
  return primitive == other.primitive && inputs == other.inputs && output == other.output && epilogue == other.epilogue &&
         std::equal(constants.begin(), constants.end(), other.constants.begin(), other.constants.end(), same_constant);
}

std::uint64_t KernelTable::KernelKey::hash() const {
  Hash hash;
  hash.add(primitive.index());
  for (const auto& operand : inputs) hash.add(operand);
  hash.add(output);
  for (const Tensor& constant : constants) hash.add(constant);
  if (epilogue) hash.add(epilogue->body.code.size());
  return hash.take();
}

bool KernelTable::PackedKey::operator==(const PackedKey& other) const {
  return order == other.order && same_constant(constant, other.constant);
}

std::uint64_t KernelTable::PackedKey::hash() const {
  Hash hash;
  hash.add(order);
  hash.add(constant);
  return hash.take();
}

KernelTable::KernelTable(std::shared_ptr<Gauges> gauges) : gauges_(std::move(gauges)) {}

bool KernelTable::shares(const Primitive& primitive) noexcept {
  return std::holds_alternative<primitive::Convolution>(primitive) || std::holds_alternative<primitive::Matmul>(primitive);
}

std::shared_ptr<const kernels::Kernel> KernelTable::take(const kernels::KernelRequest& request) {
  KernelKey key{request.primitive, request.inputs, request.output, {request.constants.begin(), request.constants.end()}, std::nullopt};
  if (request.epilogue != nullptr) key.epilogue = *request.epilogue;
  const std::uint64_t hash = key.hash();
  kernels::KernelRequest packing = request;
  packing.packing = this;
  auto entry = kernels_->find(hash, key);
  if (entry) {
    add(shared_);
  } else {
    entry = kernels_->insert(hash, std::move(key), kernels::make_kernel(packing));
    add(made_);
  }
  const kernels::Kernel* const kernel = entry->value.get();
  return {std::move(entry), kernel};
}

kernels::Packed KernelTable::pack(const Tensor& constant, std::string order, std::size_t bytes,
                                  const std::function<void(std::byte*)>& pack) {
  PackedKey key{constant, std::move(order)};
  const std::uint64_t hash = key.hash();
  auto entry = constants_->find(hash, key);
  if (entry) {
    add(packed_shared_);
  } else {
    auto memory = kernels::allocate_aligned(bytes);
    pack(memory.get());
    entry = constants_->insert(hash, std::move(key), PackedBytes{std::move(memory), Charge(gauges_, nullptr, 0, bytes)});
    add(packed_);
  }
  const std::byte* const at = entry->value.memory.get();
  return {std::move(entry), at};
}

KernelTable::Counts KernelTable::counts() const noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;
  return {made_.load(relaxed), shared_.load(relaxed), packed_.load(relaxed), packed_shared_.load(relaxed)};
}

}  // namespace lazyfx::compile
