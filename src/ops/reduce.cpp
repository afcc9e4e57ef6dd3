#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using primitive::ReduceKind;

/// Where the axes come from: an attribute, or (ReduceSum since 13) the second input.
enum class AxesFrom : std::uint8_t { attribute, input };

std::vector<std::size_t> all_axes(std::size_t rank) {
  std::vector<std::size_t> axes(rank);
  std::iota(axes.begin(), axes.end(), std::size_t{0});
  return axes;
}

/// What the axes given mean for `rank`: none given is all, unless noop_with_empty_axes says that it is none.
std::vector<std::size_t> meant(const std::vector<std::int64_t>& axes, std::size_t rank, const Attributes& attributes) {
  if (!axes.empty()) return axes_in(axes, rank);
  return attributes.get_int("noop_with_empty_axes", 0) != 0 ? std::vector<std::size_t>{} : all_axes(rank);
}

Dims without(const Dims& dims, const std::vector<std::size_t>& axes, bool keep) {
  Dims out;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!reduced) {
      out.push_back(dims[i]);
    } else if (keep) {
      out.emplace_back(1);
    }
  }
  return out;
}

bool keeps(const Attributes& attributes) { return attributes.get_int("keepdims", 1) != 0; }

std::vector<TensorType> type_rule(const TypeContext& c, AxesFrom from) {
  const TensorType& x = input(c, 0, numbers, "data");
  if (!x.dims) return {x};
  const std::size_t rank = x.dims->size();
  const bool keep = keeps(c.attributes);
  if (from == AxesFrom::attribute || !has_input(c, 1)) {
    const auto axes = meant(from == AxesFrom::attribute ? c.attributes.get_ints("axes") : std::vector<std::int64_t>{}, rank, c.attributes);
    return {TensorType(x.dtype, without(*x.dims, axes, keep))};
  }
  if (const auto axes = constant_ints(c, 1)) return {TensorType(x.dtype, without(*x.dims, meant(*axes, rank, c.attributes), keep))};
  return {typed(x.dtype, keep ? std::optional(unknown_dims(rank)) : std::nullopt)};
}

/// The empty reductions of min and max have no answer but the limits; floating ones use infinities.
template <class C>
C lowest() {
  return std::is_floating_point_v<C> ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::lowest();
}
template <class C>
C highest() {
  return std::is_floating_point_v<C> ? std::numeric_limits<C>::infinity() : std::numeric_limits<C>::max();
}

/// Integer sums and products wrap, so they are formed without a sign.
template <class C>
using Wrapping = std::conditional_t<std::is_same_v<C, std::int64_t>, std::uint64_t, C>;

template <class C, class F>
C sum_of(std::span<const C> row, F term) {
  Wrapping<C> sum{};
  for (const C v : row) sum += static_cast<Wrapping<C>>(term(static_cast<Wrapping<C>>(v)));
  return static_cast<C>(sum);
}

double log_sum_exp(std::span<const double> row) {
  double most = -std::numeric_limits<double>::infinity();
  for (const double v : row) {
    if (std::isnan(v)) return v;
    most = std::max(most, v);
  }
  if (!std::isfinite(most)) return most;
  double sum = 0;
  for (const double v : row) sum += std::exp(v - most);
  return most + std::log(sum);
}

template <class C>
C reduced(ReduceKind kind, std::span<const C> row) {
  // Logarithms and roots of integers truncate; what no integer can be (log 0, or of a negative number) is the lowest one.
  const auto real = [](double v) {
    if constexpr (std::is_integral_v<C>) {
      constexpr double low = static_cast<double>(std::numeric_limits<C>::lowest()),
                       high = static_cast<double>(std::numeric_limits<C>::max());
      if (!(v > low)) return std::numeric_limits<C>::lowest();
      if (v >= high) return std::numeric_limits<C>::max();
    }
    return static_cast<C>(v);
  };
  switch (kind) {
    case ReduceKind::sum: return sum_of(row, [](auto v) { return v; });
    case ReduceKind::mean:
      if constexpr (std::is_floating_point_v<C>) return sum_of(row, [](auto v) { return v; }) / static_cast<C>(row.size());
      return row.empty() ? C{} : static_cast<C>(sum_of(row, [](auto v) { return v; }) / static_cast<C>(row.size()));
    case ReduceKind::sum_square: return sum_of(row, [](auto v) { return v * v; });
    case ReduceKind::l1: return sum_of(row, [](auto v) { return static_cast<C>(v) < 0 ? decltype(v){} - v : v; });
    case ReduceKind::l2: return real(std::sqrt(static_cast<double>(sum_of(row, [](auto v) { return v * v; }))));
    case ReduceKind::log_sum: return real(std::log(static_cast<double>(sum_of(row, [](auto v) { return v; }))));
    case ReduceKind::log_sum_exp: return real(log_sum_exp(std::vector<double>(row.begin(), row.end())));
    case ReduceKind::prod: {
      Wrapping<C> product = 1;
      for (const C v : row) product *= static_cast<Wrapping<C>>(v);
      return static_cast<C>(product);
    }
    case ReduceKind::max: {
      C most = lowest<C>();
      for (const C v : row) most = v > most || v != v ? v : most;
      return most;
    }
    case ReduceKind::min: {
      C least = highest<C>();
      for (const C v : row) least = v < least || v != v ? v : least;
      return least;
    }
  }
  return C{};
}

Tensor reduce(ReduceKind kind, const Tensor& x, const std::vector<std::size_t>& axes, bool keep) {
  // Kept axes first, reduced ones last: each result is then one row.
  std::vector<std::size_t> order;
  std::vector<std::int64_t> dims;
  std::int64_t results = 1;
  std::int64_t length = 1;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    const bool is_reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!is_reduced) order.push_back(i);
    if (!is_reduced || keep) dims.push_back(is_reduced ? 1 : x.shape()[i]);
    (is_reduced ? length : results) *= x.shape()[i];
  }
  order.insert(order.end(), axes.begin(), axes.end());
  // An empty input may have any number of results: what cannot be held is refused here, in one sentence, not by the allocator.
  static_cast<void>(Tensor::empty(DType::f64, Shape(dims)));
  return visit_compute(x.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    const std::vector<C> rows = read<C>(x.transpose(order));
    std::vector<C> out;
    out.reserve(static_cast<std::size_t>(results));
    for (std::int64_t r = 0; r < results; ++r) {
      out.push_back(reduced<C>(kind, std::span(rows).subspan(static_cast<std::size_t>(r * length), static_cast<std::size_t>(length))));
    }
    return write(x.dtype(), Shape(dims), out);
  });
}

std::vector<Tensor> kernel(ReduceKind kind, AxesFrom from, std::span<const Tensor> in, const Attributes& attributes) {
  const bool given = from == AxesFrom::input && argument(in, 1).defined();
  const std::vector<std::int64_t> axes = given ? ints_of(in[1], "input 1 (axes)") : attributes.get_ints("axes");
  return {reduce(kind, in[0], meant(axes, in[0].rank(), attributes), keeps(attributes))};
}

bool lower(ReduceKind kind, AxesFrom from, LoweringContext& c) {
  std::vector<std::int64_t> axes = c.attributes().get_ints("axes");
  if (from == AxesFrom::input && c.has_input(1)) {
    const Tensor known = c.constant_value(c.input(1));
    if (!known.defined()) return false;
    axes = ints_of(known, "input 1 (axes)");
  }
  const ValueRef x = c.input(0);
  const auto normalized = meant(axes, c.shape(x).rank(), c.attributes());
  const bool plain =
      kind == ReduceKind::sum || kind == ReduceKind::mean || kind == ReduceKind::prod || kind == ReduceKind::max || kind == ReduceKind::min;
  if (normalized.empty() && plain) {
    c.alias(x, c.output(0));
    return true;
  }
  // Integer means and roots truncate, and an empty row has no largest element: the reference knows how.
  const bool exact =
      is_floating(c.dtype(x)) || kind == ReduceKind::sum || kind == ReduceKind::prod || kind == ReduceKind::max || kind == ReduceKind::min;
  if (!exact || c.shape(x).size() == 0 || normalized.empty()) return false;
  emit_reduce(c, kind, x, normalized, c.output(0));
  return true;
}

Operator reduction(const std::string& type, Versions versions, ReduceKind kind, AxesFrom from) {
  Schema s = from == AxesFrom::attribute
                 ? schema({"data"}, {"reduced"}, {integers("axes"), integer("keepdims", 1)})
                 : schema({"data", "axes?"}, {"reduced"}, {integer("keepdims", 1), integer("noop_with_empty_axes", 0)});
  return onnx(
      type, versions, std::move(s), [from](const TypeContext& c) { return type_rule(c, from); },
      [=](std::span<const Tensor> in, const Attributes& attributes, std::size_t) { return kernel(kind, from, in, attributes); },
      [=](LoweringContext& c) { return lower(kind, from, c); });
}

}  // namespace

void add_reduce(OperatorRegistry& registry) {
  registry.add(reduction("ReduceSum", {13}, ReduceKind::sum, AxesFrom::input));
  registry.add(reduction("ReduceSum@1", {1, 12}, ReduceKind::sum, AxesFrom::attribute));
  const auto add = [&](const std::string& type, ReduceKind kind) {
    registry.add(reduction(type, {1, 17}, kind, AxesFrom::attribute));
    registry.add(reduction(type + "@18", {18}, kind, AxesFrom::input));
  };
  add("ReduceMean", ReduceKind::mean);
  add("ReduceMax", ReduceKind::max);
  add("ReduceMin", ReduceKind::min);
  add("ReduceProd", ReduceKind::prod);
  add("ReduceSumSquare", ReduceKind::sum_square);
  add("ReduceL1", ReduceKind::l1);
  add("ReduceL2", ReduceKind::l2);
  add("ReduceLogSum", ReduceKind::log_sum);
  add("ReduceLogSumExp", ReduceKind::log_sum_exp);
}

}  // namespace lazyfx::ops
