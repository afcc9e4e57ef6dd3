#pragma once

#include "lazyfx/error.hpp"
#include "ops/support/elements.hpp"

namespace lazyfx::ops {

template <class F>
decltype(auto) visit_compute(DType dtype, F&& f) {
  if (is_floating(dtype)) return f(std::type_identity<double>{});
  if (is_signed_integer(dtype)) return f(std::type_identity<std::int64_t>{});
  if (dtype == DType::string) throw Error(ErrorKind::unsupported, "strings cannot be computed with");
  return f(std::type_identity<std::uint64_t>{});
}

extern template std::vector<double> read<double>(const Tensor&);
extern template std::vector<std::int64_t> read<std::int64_t>(const Tensor&);
extern template std::vector<std::uint64_t> read<std::uint64_t>(const Tensor&);
extern template Tensor write<double>(DType, const Shape&, const std::vector<double>&);
extern template Tensor write<std::int64_t>(DType, const Shape&, const std::vector<std::int64_t>&);
extern template Tensor write<std::uint64_t>(DType, const Shape&, const std::vector<std::uint64_t>&);

/// The shape and strides that a tensor of rows has once the last axis is put back in its place.
struct RowsLayout {
  Shape rows;                             ///< `axis` last
  std::vector<std::size_t> permutation;   ///< takes `rows` back
};
RowsLayout rows_layout(const Shape& like, std::size_t axis, std::int64_t row);
Tensor axis_to_end(const Tensor& t, std::size_t axis);

template <class C>
std::vector<C> read_rows(const Tensor& t, std::size_t axis) {
  return read<C>(axis_to_end(t, axis));
}

template <class C>
Tensor write_rows(DType dtype, const Shape& like, std::size_t axis, std::int64_t row, const std::vector<C>& values) {
  const RowsLayout layout = rows_layout(like, axis, row);
  return write<C>(dtype, layout.rows, values).transpose(layout.permutation).contiguous();
}

template <class F>
void for_each_index(const Shape& shape, F&& f) {
  if (shape.size() == 0) return;
  std::array<std::int64_t, Shape::max_rank> index{};
  const std::span<const std::int64_t> view(index.data(), shape.rank());
  for (;;) {
    f(view);
    std::size_t i = shape.rank();
    while (i > 0 && ++index[i - 1] == shape[i - 1]) index[--i] = 0;
    if (i == 0) return;
  }
}

/// The number type in which a result of type R is written.
template <class R>
using Written =
    std::conditional_t<std::is_floating_point_v<R>, double, std::conditional_t<std::is_signed_v<R>, std::int64_t, std::uint64_t>>;

template <class F>
Tensor map(const Tensor& x, DType out, F f) {
  return visit_compute(x.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    using R = Written<decltype(f(C{}))>;
    const std::vector<C> values = read<C>(x);
    std::vector<R> results(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) results[i] = static_cast<R>(f(values[i]));
    return write<R>(out, x.shape(), results);
  });
}

template <class F>
Tensor map(const Tensor& a, const Tensor& b, DType out, F f) {
  const std::array<Tensor, 2> both{a, b};
  const Shape shape = broadcast_shapes(both);
  return visit_compute(a.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    using R = Written<decltype(f(C{}, C{}))>;
    const std::vector<C> left = read<C>(a, shape);
    const std::vector<C> right = read<C>(b, shape);
    std::vector<R> results(left.size());
    for (std::size_t i = 0; i < left.size(); ++i) results[i] = static_cast<R>(f(left[i], right[i]));
    return write<R>(out, shape, results);
  });
}

template <class C>
void multiply_add(const C* a, const C* b, C* c, std::int64_t m, std::int64_t k, std::int64_t n) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t l = 0; l < k; ++l) {
      const C factor = a[i * k + l];
      for (std::int64_t j = 0; j < n; ++j) {
        if constexpr (std::is_same_v<C, std::int64_t>) {  // wraps, as the narrower integers do
          c[i * n + j] = static_cast<C>(static_cast<std::uint64_t>(c[i * n + j]) +
                                        static_cast<std::uint64_t>(factor) * static_cast<std::uint64_t>(b[l * n + j]));
        } else {
          c[i * n + j] += factor * b[l * n + j];
        }
      }
    }
  }
}

}  // namespace lazyfx::ops
