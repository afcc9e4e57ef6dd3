#include <algorithm>
#include <numeric>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Sizes = std::vector<std::int64_t>;

// Compress

std::vector<TensorType> compress_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  const TensorType& condition = input(c, 1, {DType::boolean}, "condition");
  if (condition.dims && condition.dims->size() != 1) {
    fail("input 1 (condition) has " + std::to_string(condition.dims->size()) + " dimensions where one is expected");
  }
  if (!c.attributes.has("axis")) return {TensorType(x.dtype, {Dim()})};
  if (!x.dims) return {x};
  Dims out = *x.dims;
  out[axis_in(c.attributes.get_int("axis"), out.size())] = Dim();
  return {TensorType(x.dtype, out)};
}

std::vector<Tensor> compress_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const bool flat = !attributes.has("axis");
  const Tensor x = flat ? in[0].reshape(Shape{in[0].size()}) : in[0];
  const std::size_t axis = flat ? 0 : axis_in(attributes.get_int("axis"), x.rank());
  const std::vector<std::uint64_t> condition = read<std::uint64_t>(in[1]);
  Sizes chosen;
  for (std::size_t i = 0; i < condition.size(); ++i) {
    if (condition[i] == 0) continue;
    if (static_cast<std::int64_t>(i) >= x.shape()[axis]) {
      throw Error(ErrorKind::invalid_argument,
                  "input 1 (condition) chooses element " + std::to_string(i) + " of " + std::to_string(x.shape()[axis]));
    }
    chosen.push_back(static_cast<std::int64_t>(i));
  }
  return {take(x, axis, chosen)};
}

// Unique: the distinct slices of an axis, or elements of the whole.

std::vector<TensorType> unique_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  std::optional<Dims> dims = Dims{Dim()};
  if (c.attributes.has("axis")) {
    dims = x.dims;
    if (dims) (*dims)[axis_in(c.attributes.get_int("axis"), dims->size())] = Dim();
  }
  const TensorType counts(DType::i64, {Dim()});
  std::vector<TensorType> types{typed(x.dtype, dims), counts, counts, counts};
  types.resize(c.output_count);
  return types;
}

/// The order of slice `a` before `b`, element by element; NaN comes last and equals itself.
template <class T>
int compare(std::span<const T> rows, std::int64_t length, std::int64_t a, std::int64_t b) {
  for (std::int64_t i = 0; i < length; ++i) {
    const T& x = rows[static_cast<std::size_t>(a * length + i)];
    const T& y = rows[static_cast<std::size_t>(b * length + i)];
    if constexpr (std::is_floating_point_v<T>) {
      if (x != x || y != y) {
        if ((x != x) != (y != y)) return x != x ? 1 : -1;
        continue;
      }
    }
    if (x < y) return -1;
    if (y < x) return 1;
  }
  return 0;
}

struct Distinct {
  Sizes first, place, counts;  ///< per distinct slice, per slice, per distinct slice
};

template <class T>
Distinct distinct(std::span<const T> rows, std::int64_t count, std::int64_t length, bool sorted) {
  Sizes order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    const int found = compare(rows, length, a, b);
    return found != 0 ? found < 0 : a < b;
  });
  Distinct found;
  Sizes group_of(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || compare(rows, length, order[i - 1], order[i]) != 0) {
      found.first.push_back(order[i]);
      found.counts.push_back(0);
    }
    ++found.counts.back();
    group_of[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(found.first.size()) - 1;
  }
  if (!sorted) {  // by first appearance
    Sizes groups(found.first.size());
    std::iota(groups.begin(), groups.end(), std::int64_t{0});
    const auto first = [&](std::int64_t g) { return found.first[static_cast<std::size_t>(g)]; };
    std::sort(groups.begin(), groups.end(), [&](std::int64_t a, std::int64_t b) { return first(a) < first(b); });
    Distinct moved;
    Sizes now(groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      moved.first.push_back(first(groups[i]));
      moved.counts.push_back(found.counts[static_cast<std::size_t>(groups[i])]);
      now[static_cast<std::size_t>(groups[i])] = static_cast<std::int64_t>(i);
    }
    for (std::int64_t& g : group_of) g = now[static_cast<std::size_t>(g)];
    found = std::move(moved);
  }
  found.place = std::move(group_of);
  return found;
}

std::vector<Tensor> unique_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
  const bool flat = !attributes.has("axis");
  const Tensor x = flat ? in[0].reshape(Shape{in[0].size()}) : in[0];
  const std::size_t axis = flat ? 0 : axis_in(attributes.get_int("axis"), x.rank());
  std::vector<std::size_t> axis_first{axis};
  for (std::size_t i = 0; i < x.rank(); ++i) {
    if (i != axis) axis_first.push_back(i);
  }
  const std::int64_t count = x.shape()[axis];
  const Tensor slices = x.transpose(axis_first).contiguous();
  const std::int64_t length = count == 0 ? 0 : x.size() / count;
  const bool sorted = attributes.get_int("sorted", 1) != 0;
  const Distinct found = [&] {
    if (x.dtype() == DType::string) return distinct(slices.values<std::string>(), count, length, sorted);
    return visit_compute(x.dtype(), [&](auto type) {
      using C = typename decltype(type)::type;
      const std::vector<C> rows = read<C>(slices);
      return distinct(std::span<const C>(rows), count, length, sorted);
    });
  }();
  std::vector<Tensor> outputs{take(x, axis, found.first), ints_tensor(found.first), ints_tensor(found.place), ints_tensor(found.counts)};
  outputs.resize(output_count);
  return outputs;
}

// ReverseSequence: the first elements of each sequence of a batch, backwards.

std::pair<std::size_t, std::size_t> batch_and_time(const Attributes& attributes) {
  const std::int64_t batch = attributes.get_int("batch_axis", 1);
  const std::int64_t time = attributes.get_int("time_axis", 0);
  if (!(batch == 0 && time == 1) && !(batch == 1 && time == 0)) fail("batch_axis and time_axis are not 0 and 1");
  return {static_cast<std::size_t>(batch), static_cast<std::size_t>(time)};
}

std::vector<TensorType> reverse_sequence_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  const TensorType& lengths = input(c, 1, index_dtypes, "sequence_lens");
  const auto [batch, time] = batch_and_time(c.attributes);
  static_cast<void>(time);
  if (x.dims && x.dims->size() < 2)
    fail("input 0 (input) has " + std::to_string(x.dims->size()) + " dimensions where at least 2 are expected");
  if (lengths.dims && lengths.dims->size() != 1) fail("input 1 (sequence_lens) is no vector");
  if (x.dims && lengths.dims) merge((*x.dims)[batch], lengths.dims->front(), "the sizes of the batch and of sequence_lens");
  return {x};
}

std::vector<Tensor> reverse_sequence_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const auto [batch, time] = batch_and_time(attributes);
  const Sizes lengths = read<std::int64_t>(in[1]);
  Tensor out = in[0].clone();
  const auto strides = out.shape().row_major_strides();
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] < 0 || lengths[b] > out.shape()[time]) {
      throw Error(ErrorKind::invalid_argument, "sequence " + std::to_string(b) + " has length " + std::to_string(lengths[b]) + " of " +
                                                   std::to_string(out.shape()[time]));
    }
    if (lengths[b] == 0) continue;
    const auto at = static_cast<std::int64_t>(b);
    const Tensor sequence = in[0].slice(batch, at, 1).slice(time, lengths[b] - 1, lengths[b], -1);
    copy_into(out, at * strides[batch], {strides.data(), out.rank()}, sequence);
  }
  return {out};
}

// Trilu: what lies on one side of a diagonal.

bool upper(const Attributes& attributes) { return attributes.get_int("upper", 1) != 0; }

std::vector<TensorType> trilu_type(const TypeContext& c) {
  const TensorType& x = input(c, 0);
  if (x.dims && x.dims->size() < 2)
    fail("input 0 (input) has " + std::to_string(x.dims->size()) + " dimensions where at least 2 are expected");
  if (has_input(c, 1)) input(c, 1, {DType::i64}, "k");
  return {x};
}

Composer::Values trilu(Composer& c) {
  const Composer::Value x = c.input(0);
  const Shape shape = c.shape(x);
  const std::int64_t rows = shape[shape.rank() - 2];
  const std::int64_t columns = shape[shape.rank() - 1];
  if (shape.size() == 0) return {c.apply("Identity", {x})};  // its rows and columns may be beyond counting
  Composer::Value k = c.constant(Tensor::scalar(std::int64_t{0}));
  if (c.has_input(1)) k = c.reshape(c.input(1), {});
  const auto counted = [&](std::int64_t count, std::vector<std::int64_t> dims) {
    Sizes numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
    return c.reshape(c.ints(numbers), dims);
  };
  // The diagonal on which an element lies is its column less its row.
  const Composer::Value diagonal = c.apply("Sub", {counted(columns, {1, columns}), counted(rows, {rows, 1})});
  const Composer::Value kept = c.apply(upper(c.attributes()) ? "GreaterOrEqual" : "LessOrEqual", {diagonal, k});
  return {c.apply("Where", {kept, x, c.constant(Tensor::zeros(c.dtype(x), Shape{}))})};
}

}  // namespace

void add_selection(OperatorRegistry& registry) {
  registry.add(onnx("Compress", {9}, schema({"input", "condition"}, {"output"}, {integer("axis")}), compress_type, compress_kernel));
  registry.add(onnx("Unique", {11},
                    schema({"X"}, {"Y", "indices?", "inverse_indices?", "counts?"}, {integer("axis"), integer("sorted", 1)}), unique_type,
                    unique_kernel));
  registry.add(onnx("ReverseSequence", {10}, schema({"input", "sequence_lens"}, {"Y"}, {integer("batch_axis", 1), integer("time_axis", 0)}),
                    reverse_sequence_type, reverse_sequence_kernel));
  registry.add(composed("Trilu", {14}, schema({"input", "k?"}, {"output"}, {integer("upper", 1)}), trilu_type, trilu));
}

}  // namespace lazyfx::ops
