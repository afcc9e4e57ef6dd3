#include "ops/support/elements.hpp"

#include <cmath>
#include <limits>

#include "tensor/strided.hpp"

namespace lazyfx::ops {
namespace {

/// One element to or from its number type; see elements.hpp for what happens to values that do not fit.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<From, Float16> || std::is_same_v<From, BFloat16>) {
    return converted<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Limits = std::numeric_limits<To>;
    if (std::isnan(value)) return To{};
    // max() of a 64-bit type rounds up to a value that does not fit, hence >=.
    if (static_cast<double>(value) >= static_cast<double>(Limits::max())) return Limits::max();
    if (static_cast<double>(value) <= static_cast<double>(Limits::min())) return Limits::min();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

void require_single(const Tensor& t, const std::string& what) {
  if (!t.defined()) throw Error(ErrorKind::invalid_argument, what + " is missing");
  if (t.size() != 1)
    throw Error(ErrorKind::invalid_argument, what + " has shape " + to_string(t.shape()) + " where one element is expected");
}

}  // namespace

template <class C>
std::vector<C> read(const Tensor& t) {
  std::vector<C> values(static_cast<std::size_t>(t.size()));
  visit_dtype(t.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, std::string>) {
      throw Error(ErrorKind::unsupported, "strings cannot be computed with");
    } else {
      const T* data = static_cast<const T*>(t.raw());
      std::size_t next = 0;
      detail::for_each_row<1>(t.shape(), {t.strides()}, [&](const auto& offsets, std::int64_t count, const auto& strides) {
        for (std::int64_t i = 0; i < count; ++i) values[next++] = converted<C>(data[offsets[0] + i * strides[0]]);
        return true;
      });
    }
  });
  return values;
}

template <class C>
Tensor write(DType dtype, const Shape& shape, const std::vector<C>& values) {
  if (values.size() != static_cast<std::size_t>(shape.size())) {
    throw Error(ErrorKind::invalid_argument, std::to_string(values.size()) + " elements do not fill shape " + to_string(shape));
  }
  Tensor t = Tensor::empty(dtype, shape);
  visit_dtype(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, std::string>) {
      throw Error(ErrorKind::unsupported, "strings cannot be computed with");
    } else {
      T* data = static_cast<T*>(t.mutable_raw());
      for (std::size_t i = 0; i < values.size(); ++i) data[i] = converted<T>(values[i]);
    }
  });
  return t;
}

template std::vector<double> read<double>(const Tensor&);
template std::vector<std::int64_t> read<std::int64_t>(const Tensor&);
template std::vector<std::uint64_t> read<std::uint64_t>(const Tensor&);
template Tensor write<double>(DType, const Shape&, const std::vector<double>&);
template Tensor write<std::int64_t>(DType, const Shape&, const std::vector<std::int64_t>&);
template Tensor write<std::uint64_t>(DType, const Shape&, const std::vector<std::uint64_t>&);

double real_of(const Tensor& t, const std::string& what) {
  require_single(t, what);
  return read<double>(t)[0];
}

std::int64_t int_of(const Tensor& t, const std::string& what) {
  require_single(t, what);
  return read<std::int64_t>(t)[0];
}

std::vector<std::int64_t> ints_of(const Tensor& t, const std::string& what) {
  if (!t.defined()) throw Error(ErrorKind::invalid_argument, what + " is missing");
  if (!is_integer(t.dtype()) || t.rank() > 1) {
    throw Error(ErrorKind::invalid_graph,
                what + " is " + to_string(TensorType(t.dtype(), t.shape())) + " where a vector of integers is expected");
  }
  return read<std::int64_t>(t);
}

Tensor ints_tensor(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>(values, Shape{static_cast<std::int64_t>(values.size())});
}

Shape broadcast_shapes(std::span<const Tensor> inputs) {
  Shape shape;
  for (const Tensor& t : inputs) {
    if (!t.defined()) continue;
    const auto fitted = broadcast(shape, t.shape());
    if (!fitted) {
      throw Error(ErrorKind::invalid_argument, "shapes " + to_string(shape) + " and " + to_string(t.shape()) + " do not broadcast");
    }
    shape = *fitted;
  }
  return shape;
}

Tensor axis_to_end(const Tensor& t, std::size_t axis) {
  std::vector<std::size_t> permutation;
  for (std::size_t i = 0; i < t.rank(); ++i) {
    if (i != axis) permutation.push_back(i);
  }
  permutation.push_back(axis);
  return t.transpose(permutation);
}

RowsLayout rows_layout(const Shape& like, std::size_t axis, std::int64_t row) {
  std::vector<std::int64_t> dims;
  for (std::size_t i = 0; i < like.rank(); ++i) {
    if (i != axis) dims.push_back(like[i]);
  }
  dims.push_back(row);
  RowsLayout layout{Shape(dims), {}};
  for (std::size_t i = 0; i < like.rank(); ++i) { layout.permutation.push_back(i == axis ? like.rank() - 1 : i < axis ? i : i - 1); }
  return layout;
}

void copy_into(Tensor& to, std::int64_t offset, std::span<const std::int64_t> strides, const Tensor& from) {
  visit_dtype(from.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* out = static_cast<T*>(to.mutable_raw()) + offset;
    const T* in = static_cast<const T*>(from.raw());
    detail::for_each_row<2>(from.shape(), {strides, from.strides()}, [&](const auto& offsets, std::int64_t count, const auto& steps) {
      for (std::int64_t i = 0; i < count; ++i) out[offsets[0] + i * steps[0]] = in[offsets[1] + i * steps[1]];
      return true;
    });
  });
}

Tensor take(const Tensor& x, std::size_t axis, const std::vector<std::int64_t>& indices) {
  std::vector<std::int64_t> dims(x.shape().begin(), x.shape().end());
  dims[axis] = static_cast<std::int64_t>(indices.size());
  Tensor out = Tensor::empty(x.dtype(), Shape(dims));
  const auto strides = out.shape().row_major_strides();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    copy_into(out, static_cast<std::int64_t>(i) * strides[axis], {strides.data(), dims.size()}, x.slice(axis, indices[i], 1));
  }
  return out;
}

}  // namespace lazyfx::ops
