#include <array>
#include <utility>

#include "kernels/block_functions.hpp"
#include "kernels/scalar_math.hpp"

namespace lazyfx::kernels {
namespace {

template <ScalarOp op, class T>
void apply(const void* a_, const void* b_, const void* c_, void* out_, std::size_t n) {
  const auto* a = static_cast<const T*>(a_);
  [[maybe_unused]] const auto* b = static_cast<const T*>(b_);
  [[maybe_unused]] const auto* c = static_cast<const T*>(c_);
  if constexpr (op == ScalarOp::copy || (std::is_same_v<T, bool> && (op == ScalarOp::min || op == ScalarOp::max || op == ScalarOp::clip))) {
    auto* out = static_cast<T*>(out_);
    for (std::size_t i = 0; i < n; ++i) {
      if constexpr (op == ScalarOp::copy) out[i] = a[i];
      if constexpr (op == ScalarOp::min) out[i] = a[i] && b[i];
      if constexpr (op == ScalarOp::max) out[i] = a[i] || b[i];
      if constexpr (op == ScalarOp::clip) out[i] = (a[i] || b[i]) && c[i];
    }
  } else {
    using R = decltype(plain_scalar<op>(T{}, T{}, T{}));
    static_assert(gives_boolean(op) == std::is_same_v<R, bool>);
    auto* out = static_cast<R*>(out_);
    for (std::size_t i = 0; i < n; ++i) {
      if constexpr (op >= ScalarOp::select)
        out[i] = plain_scalar<op>(a[i], b[i], c[i]);
      else if constexpr (op >= ScalarOp::add)
        out[i] = plain_scalar<op>(a[i], b[i], T{});
      else
        out[i] = plain_scalar<op>(a[i], T{}, T{});
    }
  }
}

template <class T>
void select(const void* condition_, const void* b_, const void* c_, void* out_, std::size_t n) {
  const auto* condition = static_cast<const bool*>(condition_);
  const auto* b = static_cast<const T*>(b_);
  const auto* c = static_cast<const T*>(c_);
  auto* out = static_cast<T*>(out_);
  for (std::size_t i = 0; i < n; ++i) out[i] = condition[i] ? b[i] : c[i];
}

constexpr std::size_t op_count = static_cast<std::size_t>(ScalarOp::clip) + 1;
using Table = std::array<BlockFunction, op_count>;

template <class T, std::size_t i>
constexpr BlockFunction entry() {
  constexpr auto op = static_cast<ScalarOp>(i);
  if constexpr (op == ScalarOp::select)
    return &select<T>;
  else if constexpr (has_plain_scalar<op, T>())
    return &apply<op, T>;
  else
    return nullptr;
}

template <class T, std::size_t... i>
constexpr Table make_table(std::index_sequence<i...>) {
  return {entry<T, i>()...};
}

template <class T>
constexpr Table table = make_table<T>(std::make_index_sequence<op_count>());

}  // namespace

BlockFunction plain_function(ScalarOp op, DType operand) {
  const auto i = static_cast<std::size_t>(op);
  switch (operand) {
    case DType::boolean: return table<bool>[i];
    case DType::u8: return table<std::uint8_t>[i];
    case DType::i8: return table<std::int8_t>[i];
    case DType::u16: return table<std::uint16_t>[i];
    case DType::i16: return table<std::int16_t>[i];
    case DType::u32: return table<std::uint32_t>[i];
    case DType::i32: return table<std::int32_t>[i];
    case DType::u64: return table<std::uint64_t>[i];
    case DType::i64: return table<std::int64_t>[i];
    case DType::f32: return table<float>[i];
    case DType::f64: return table<double>[i];
    default: return nullptr;
  }
}

}  // namespace lazyfx::kernels
