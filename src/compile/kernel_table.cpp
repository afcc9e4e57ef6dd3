#include "compile/kernel_table.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <type_traits>

namespace lazyfx::compile {
namespace {

// Numbers are compared by their bits: -0.0 and 0.0 give kernels that differ, and a NaN is like itself.
std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }

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
  void add(const std::vector<std::int64_t>& numbers) {
    add(numbers.size());
    XXH64_update(&state_, numbers.data(), numbers.size() * sizeof(std::int64_t));
  }
  void add(const primitive::Convolution& convolution) {
    for (const auto* list : {&convolution.strides, &convolution.dilations, &convolution.pads_begin, &convolution.pads_end}) add(*list);
    add(convolution.groups);
    add(convolution.transposed);
  }
  void add(const primitive::Matmul& matmul) {
    add(matmul.transpose_a);
    add(matmul.transpose_b);
    add(bits(matmul.alpha));
    add(bits(matmul.beta));
  }
  void add(const ScalarProgram& body) {
    for (const ScalarProgram::Instruction& i : body.code) {
      add(i.op);
      for (const std::uint16_t reg : {i.a, i.b, i.c}) add(reg);
    }
    for (const ScalarProgram::Constant& constant : body.constants) {
      add(constant.integer);
      add(bits(constant.real));
    }
  }
  void add(const Tensor& constant) { add(constant.defined() ? constant.digest() : 0); }
  std::uint64_t take() const { return XXH64_digest(&state_); }

 private:
  XXH64_state_t state_;
};

bool is_same(const Tensor& a, const Tensor& b) { return a.defined() && b.defined() ? a.is_same(b) : a.defined() == b.defined(); }
bool same_constant(const Tensor& a, const Tensor& b) { return is_same(a, b) || (a.defined() && b.defined() && equal(a, b)); }

bool same_work(const Primitive& a, const Primitive& b) {
  if (a.index() != b.index()) return false;
  if (const auto* convolution = std::get_if<primitive::Convolution>(&a)) return *convolution == std::get<primitive::Convolution>(b);
  const auto *p = std::get_if<primitive::Matmul>(&a), *q = std::get_if<primitive::Matmul>(&b);
  return p != nullptr && p->transpose_a == q->transpose_a && p->transpose_b == q->transpose_b && bits(p->alpha) == bits(q->alpha) &&
         bits(p->beta) == bits(q->beta);
}

bool same_epilogue(const kernels::Epilogue& a, const kernels::Epilogue& b) {
  const auto same_number = [](const ScalarProgram::Constant& x, const ScalarProgram::Constant& y) {
    return x.dtype == y.dtype && x.integer == y.integer && bits(x.real) == bits(y.real);
  };
  const auto &x = a.body.constants, &y = b.body.constants;
  return a.operands == b.operands && a.body.inputs == b.body.inputs && a.body.code == b.body.code &&
         std::equal(x.begin(), x.end(), y.begin(), y.end(), same_number);
}

void add(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

bool KernelTable::KernelKey::operator==(const KernelKey& other) const {
  return same_work(primitive, other.primitive) && inputs == other.inputs && output == other.output &&
         epilogue.has_value() == other.epilogue.has_value() && (!epilogue || same_epilogue(*epilogue, *other.epilogue)) &&
         std::equal(constants.begin(), constants.end(), other.constants.begin(), other.constants.end(), same_constant);
}

bool KernelTable::KernelKey::has_constants_of(const KernelKey& other) const {
  return std::equal(constants.begin(), constants.end(), other.constants.begin(), other.constants.end(), is_same);
}

std::uint64_t KernelTable::KernelKey::hash() const {
  Hash hash;
  hash.add(primitive.index());
  for (const auto& operand : inputs) hash.add(operand);
  hash.add(output);
  for (const Tensor& constant : constants) hash.add(constant);
  if (const auto* convolution = std::get_if<primitive::Convolution>(&primitive)) hash.add(*convolution);
  if (const auto* matmul = std::get_if<primitive::Matmul>(&primitive)) hash.add(*matmul);
  if (epilogue) hash.add(epilogue->body);
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

/// Packs for one kernel, and keeps what lets others find it.
class KernelTable::Packer final : public kernels::Packing {
 public:
  explicit Packer(KernelTable& table) : table_(table) {}

  kernels::Packed pack(const Tensor& constant, std::string order, std::size_t bytes, const std::function<void(std::byte*)>& fill) override {
    PackedKey key{constant, std::move(order)};
    const std::uint64_t hash = key.hash();
    const auto other = table_.constants_->find(hash, key);
    PackedPtr packed;
    if (other) {
      packed = other->value;
      add(table_.packed_shared_);
    } else {
      auto memory = kernels::allocate_aligned(bytes);
      fill(memory.get());
      packed = std::make_shared<const PackedBytes>(PackedBytes{std::move(memory), Charge(table_.gauges_, nullptr, 0, bytes)});
      add(table_.packed_);
    }
    entries.push_back(table_.constants_->insert(hash, std::move(key), packed));
    const std::byte* const at = packed->memory.get();
    return {std::move(packed), at};
  }

  std::vector<Constants::EntryPtr> entries;

 private:
  KernelTable& table_;
};

std::shared_ptr<const kernels::Kernel> KernelTable::take(const kernels::KernelRequest& request) {
  KernelKey key{request.primitive, request.inputs, request.output, {request.constants.begin(), request.constants.end()}, std::nullopt};
  if (request.epilogue != nullptr) key.epilogue = *request.epilogue;
  const std::uint64_t hash = key.hash();
  auto entry = kernels_->find(hash, key);
  const bool found = entry != nullptr;
  if (!found || !entry->key.has_constants_of(key)) {
    Made made = found ? share(*entry, key) : make(request);
    entry = kernels_->insert(hash, std::move(key), std::move(made));
  }
  add(found ? shared_ : made_);
  const kernels::Kernel* const kernel = entry->value.kernel.get();
  return {std::move(entry), kernel};
}

KernelTable::Made KernelTable::make(const kernels::KernelRequest& request) {
  Packer packer(*this);
  kernels::KernelRequest packing = request;
  packing.packing = &packer;
  auto kernel = kernels::make_kernel(packing);
  return {std::move(kernel), std::move(packer.entries)};
}

/// Another's kernel, found from now on by the equal constants of `key`.
KernelTable::Made KernelTable::share(const Kernels::Entry& other, const KernelKey& key) {
  Made made{other.value.kernel, {}};
  for (const auto& packed : other.value.packed) {
    for (std::size_t i = 0; i < key.constants.size(); ++i) {
      if (!is_same(packed->key.constant, other.key.constants[i])) continue;
      PackedKey mine{key.constants[i], packed->key.order};
      const std::uint64_t hash = mine.hash();
      made.packed.push_back(constants_->insert(hash, std::move(mine), packed->value));
      break;
    }
  }
  return made;
}

KernelTable::Counts KernelTable::counts() const noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;
  return {made_.load(relaxed), shared_.load(relaxed), packed_.load(relaxed), packed_shared_.load(relaxed)};
}

}  // namespace lazyfx::compile
