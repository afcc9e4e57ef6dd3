#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "kernels/kernel.hpp"
#include "kernels/placement.hpp"
#include "kernels/scalar_math.hpp"
#include "lazyfx/error.hpp"

/// Runs kernels on values given as doubles in row-major order, whatever the dtype and layout, between guard bytes.
namespace kernel_test {

using namespace lazyfx;
using namespace lazyfx::kernels;
using Values = std::vector<double>;

inline std::mt19937_64& random_engine() {
  static std::mt19937_64 engine(20240607);
  return engine;
}

inline std::int64_t random_int(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random_engine());
}

inline Values random_values(std::int64_t n, double low = -2, double high = 2) {
  Values v(static_cast<std::size_t>(n));
  for (double& x : v) x = static_cast<float>(std::uniform_real_distribution<double>(low, high)(random_engine()));
  return v;
}

inline Values random_integers(std::int64_t n, std::int64_t low, std::int64_t high) {
  Values v(static_cast<std::size_t>(n));
  for (double& x : v) x = static_cast<double>(random_int(low, high));
  return v;
}

/// Memory aligned to 64 bytes with guards on both sides; `end_exactly` puts the last byte against the guard.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes) : bytes_(bytes), memory_(bytes + 2 * guard + 64, filler) {
    auto address = reinterpret_cast<std::uintptr_t>(memory_.data()) + guard;
    data_ = memory_.data() + (((address + 63) / 64 * 64) - reinterpret_cast<std::uintptr_t>(memory_.data()));
  }
  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  bool intact() const {
    for (const std::byte* p = memory_.data(); p != data_; ++p) {
      if (*p != filler) return false;
    }
    for (const std::byte* p = data_ + bytes_; p != memory_.data() + memory_.size(); ++p) {
      if (*p != filler) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t guard = 256;
  static constexpr std::byte filler{0xA5};
  std::size_t bytes_;
  std::vector<std::byte> memory_;
  std::byte* data_;
};

/// Offset in memory of every element in row-major order.
inline std::vector<std::size_t> offsets_of(const Operand& operand) {
  const Strides strides = strides_of(operand);
  std::vector<std::size_t> offsets;
  std::vector<std::int64_t> index(operand.shape.rank(), 0);
  for (std::int64_t i = 0; i < operand.shape.size(); ++i) {
    std::int64_t offset = 0;
    for (std::size_t k = 0; k < index.size(); ++k) offset += index[k] * strides[k];
    offsets.push_back(static_cast<std::size_t>(offset));
    for (std::size_t k = index.size(); k-- > 0;) {
      if (++index[k] < operand.shape[k]) break;
      index[k] = 0;
    }
  }
  return offsets;
}

inline void place(const Operand& operand, const Values& values, std::byte* memory) {
  const auto offsets = offsets_of(operand);
  BOOST_REQUIRE_EQUAL(offsets.size(), values.size());
  visit_dtype(operand.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (!std::is_same_v<T, std::string>) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        const T value = convert<T>(values[i]);
        std::memcpy(memory + offsets[i] * sizeof(T), &value, sizeof(T));
      }
    }
  });
}

inline Values read(const Operand& operand, const std::byte* memory) {
  Values values;
  visit_dtype(operand.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (!std::is_same_v<T, std::string>) {
      for (const std::size_t offset : offsets_of(operand)) {
        T value;
        std::memcpy(&value, memory + offset * sizeof(T), sizeof(T));
        values.push_back(convert<double>(value));
      }
    }
  });
  return values;
}

inline Tensor tensor_of(const Operand& operand, const Values& values) {
  Tensor t = Tensor::empty(operand.dtype, operand.shape);
  place({operand.dtype, operand.shape, Layout::row_major}, values, static_cast<std::byte*>(t.mutable_raw()));
  return t;
}

/// What a kernel makes of the values. Inputs whose flag in `constant` is set are known when the kernel is made.
struct Run {
  Primitive primitive;
  std::vector<Operand> inputs;
  Operand output;
  std::vector<Values> values;  ///< of the inputs, then of the epilogue's operands
  std::vector<bool> constant{};
  const Epilogue* epilogue = nullptr;
  bool in_place = false;  ///< the output shares the memory of the first input
  std::string description{};

  Values operator()() {
    std::vector<Tensor> constants(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (i < constant.size() && constant[i]) constants[i] = tensor_of(inputs[i], values[i]);
    }
    const auto kernel = make_kernel({primitive, inputs, output, constants, epilogue});
    description = kernel->describe();
    std::vector<Operand> placed = inputs;
    if (epilogue != nullptr) placed.insert(placed.end(), epilogue->operands.begin(), epilogue->operands.end());
    BOOST_REQUIRE_EQUAL(placed.size(), values.size());
    std::vector<Guarded> memory;
    std::vector<const void*> addresses;
    memory.reserve(placed.size());
    for (std::size_t i = 0; i < placed.size(); ++i) {
      memory.emplace_back(bytes_of(placed[i]));
      place(placed[i], values[i], memory.back().data());
      addresses.push_back(kernel->packs(i) ? nullptr : memory.back().data());
    }
    Guarded result(bytes_of(output)), scratch(kernel->scratch_bytes());
    if (in_place) BOOST_REQUIRE(kernel->in_place(0));
    Guarded& out = in_place ? memory[0] : result;
    Values first;
    for (int repetition = 0; repetition < 2; ++repetition) {
      if (in_place) place(placed[0], values[0], memory[0].data());
      kernel->run(addresses.data(), out.data(), scratch.data());
      BOOST_TEST(result.intact());
      BOOST_TEST(scratch.intact());
      for (const Guarded& m : memory) BOOST_TEST(m.intact());
      const Values values_now = read(output, out.data());
      if (repetition == 0) {
        first = values_now;
      } else {
        for (std::size_t i = 0; i < first.size(); ++i) {
          BOOST_REQUIRE(first[i] == values_now[i] || (std::isnan(first[i]) && std::isnan(values_now[i])));
        }
      }
    }
    return first;
  }
};

/// Every element within `relative` of the expected magnitude plus `absolute`; NaN and infinity must be the same.
inline void check_close(const Values& actual, const Values& expected, double relative, double absolute, const std::string& what) {
  BOOST_REQUIRE_EQUAL(actual.size(), expected.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double a = actual[i], e = expected[i];
    const bool same = std::isnan(e) ? std::isnan(a) : std::isinf(e) ? a == e : std::abs(a - e) <= relative * std::abs(e) + absolute;
    if (!same && ++wrong <= 3) BOOST_ERROR(what << ": element " << i << " of " << actual.size() << " is " << a << ", expected " << e);
  }
  BOOST_CHECK_MESSAGE(wrong == 0, what << ": " << wrong << " of " << actual.size() << " elements are wrong");
}

inline std::vector<Layout> layouts_of(std::size_t rank) {
  if (rank < 3 || rank > 5) return {Layout::row_major};
  return {Layout::row_major, Layout::channels_last};
}

/// Walks the indices of a shape in row-major order: `f(index)`.
template <class F>
void for_each_index(const Shape& shape, F&& f) {
  std::vector<std::int64_t> index(shape.rank(), 0);
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    f(static_cast<const std::vector<std::int64_t>&>(index));
    for (std::size_t k = index.size(); k-- > 0;) {
      if (++index[k] < shape[k]) break;
      index[k] = 0;
    }
  }
}

/// Row-major position of an index whose missing leading axes are dropped and stretched axes count as 0.
inline std::size_t position(const Shape& shape, std::span<const std::int64_t> index) {
  std::int64_t at = 0;
  const std::size_t shift = index.size() - shape.rank();
  for (std::size_t k = 0; k < shape.rank(); ++k) at = at * shape[k] + (shape[k] == 1 ? 0 : index[k + shift]);
  return static_cast<std::size_t>(at);
}

}  // namespace kernel_test
