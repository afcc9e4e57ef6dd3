#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "lazyfx/ops/operator.hpp"
#include "lazyfx/tensor/tensor.hpp"

namespace lazyfx::ops {

/// What reference kernels are written with. They compute in three number types, so that each is compiled three times and not
/// fourteen: floating dtypes in double, signed integers in int64, unsigned integers and bool in uint64.

template <class T> inline constexpr bool computes_in_double = is_floating(dtype_of<T>);
template <class T>
using Compute =
    std::conditional_t<computes_in_double<T>, double, std::conditional_t<is_signed_integer(dtype_of<T>), std::int64_t, std::uint64_t>>;

/// Calls `f(std::type_identity<C>{})` with the number type that `dtype` computes in; throws Error(unsupported) for strings.
template <class F>
decltype(auto) visit_compute(DType dtype, F&& f);

/// The elements of `t` in row-major order, whatever its strides. C is double, int64 or uint64 and need not be the natural one:
/// integers convert as in C++; floating values become integers by truncation, clamped to what the type holds (NaN gives 0).
template <class C> std::vector<C> read(const Tensor& t);
/// The same after broadcasting `t` to `shape`.
template <class C> std::vector<C> read(const Tensor& t, const Shape& shape) { return read<C>(t.expand(shape)); }
/// A new tensor with these elements, converted likewise; narrowing an integer wraps.
template <class C> Tensor write(DType dtype, const Shape& shape, const std::vector<C>& values);

/// The single element of a scalar or one-element tensor. `what` begins the error when it has more or fewer.
double real_of(const Tensor& t, const std::string& what);
std::int64_t int_of(const Tensor& t, const std::string& what);
/// The elements of an integer tensor of at most one axis.
std::vector<std::int64_t> ints_of(const Tensor& t, const std::string& what);
/// An i64 vector tensor.
Tensor ints_tensor(const std::vector<std::int64_t>& values);

/// Input `i`, or undefined when absent or left out at the end.
inline Tensor argument(std::span<const Tensor> inputs, std::size_t i) { return i < inputs.size() ? inputs[i] : Tensor(); }

/// Broadcasts shapes as NumPy; throws Error(invalid_argument) when they do not fit.
Shape broadcast_shapes(std::span<const Tensor> inputs);

/// The elements of `t` as rows along `axis`: the other axes in order, each place a row of shape[axis] elements.
template <class C> std::vector<C> read_rows(const Tensor& t, std::size_t axis);
/// The way back: rows of `row` elements become `axis` of a tensor otherwise shaped like `like`.
template <class C> Tensor write_rows(DType dtype, const Shape& like, std::size_t axis, std::int64_t row, const std::vector<C>& values);

/// Copies `from` onto the elements of `to` that begin at `offset` elements and lie `strides` apart. Same dtype, strings too.
void copy_into(Tensor& to, std::int64_t offset, std::span<const std::int64_t> strides, const Tensor& from);

/// The elements `indices` of one axis, in that order. REQUIRES: each is below the axis' size.
Tensor take(const Tensor& x, std::size_t axis, const std::vector<std::int64_t>& indices);

/// Calls `f(index)` for every index below `shape`, row-major.
template <class F> void for_each_index(const Shape& shape, F&& f);

/// out = f(x), elementwise; f takes and returns arithmetic types.
template <class F> Tensor map(const Tensor& x, DType out, F f);
/// out = f(a, b), broadcast; both compute in the type of `a`.
template <class F> Tensor map(const Tensor& a, const Tensor& b, DType out, F f);

/// c (m x n) += a (m x k) * b (k x n), all row-major.
template <class C> void multiply_add(const C* a, const C* b, C* c, std::int64_t m, std::int64_t k, std::int64_t n);

}  // namespace lazyfx::ops

#include "ops/support/elements_inl.hpp"
