#include "ops/support/types.hpp"

#include <algorithm>

#include "ops/support/elements.hpp"

namespace lazyfx::ops {

bool has_input(const TypeContext& c, std::size_t i) { return i < c.inputs.size() && c.inputs[i].has_value(); }

const TensorType& input(const TypeContext& c, std::size_t i) {
  if (!has_input(c, i)) fail("input " + std::to_string(i) + " is missing");
  return *c.inputs[i];
}

const TensorType& input(const TypeContext& c, std::size_t i, DTypeSet allowed, const char* name) {
  const TensorType& type = input(c, i);
  if (c.asked != nullptr) {
    c.asked->emplace_back(i, allowed.bits());
    return type;
  }
  if (!allowed.contains(type.dtype)) {
    fail("input " + std::to_string(i) + " (" + name + ") has dtype " + to_string(type.dtype) + ", which is not taken there");
  }
  return type;
}

void require_same_dtype(const TypeContext& c, std::size_t i, std::size_t j) {
  if (c.asked != nullptr) {
    const auto known = std::find_if(c.asked->begin(), c.asked->end(), [i](const auto& entry) { return entry.first == i; });
    if (known != c.asked->end()) c.asked->emplace_back(j, known->second);
    return;
  }
  const DType a = input(c, i).dtype;
  const DType b = input(c, j).dtype;
  if (a != b) {
    fail("inputs " + std::to_string(i) + " and " + std::to_string(j) + " must have one dtype but are " + to_string(a) + " and " +
         to_string(b));
  }
}

Tensor constant(const TypeContext& c, std::size_t i) { return i < c.constants.size() ? c.constants[i] : Tensor(); }

std::optional<std::vector<std::int64_t>> constant_ints(const TypeContext& c, std::size_t i) {
  const Tensor t = constant(c, i);
  if (!t.defined()) return std::nullopt;
  return ints_of(t, "input " + std::to_string(i));
}

std::size_t axis_in(std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) fail("axis " + std::to_string(axis) + " is outside of rank " + std::to_string(rank));
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

std::vector<std::size_t> axes_in(const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<std::size_t> result;
  for (const std::int64_t axis : axes) result.push_back(axis_in(axis, rank));
  std::sort(result.begin(), result.end());
  const auto repeated = std::adjacent_find(result.begin(), result.end());
  if (repeated != result.end()) fail("axis " + std::to_string(*repeated) + " is given twice");
  return result;
}

std::int64_t multiply(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result))
    fail("sizes " + std::to_string(a) + " and " + std::to_string(b) + " have a product beyond 63 bits");
  return result;
}

std::int64_t add(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result))
    fail("sizes " + std::to_string(a) + " and " + std::to_string(b) + " have a sum beyond 63 bits");
  return result;
}

Dim multiply(const Dim& a, const Dim& b) {
  if (a == Dim(1)) return b;
  if (b == Dim(1)) return a;
  if (a == Dim(0) || b == Dim(0)) return 0;
  return a.known() && b.known() ? Dim(multiply(a.size, b.size)) : Dim();
}

Dim add(const Dim& a, const Dim& b) {
  if (a == Dim(0)) return b;
  if (b == Dim(0)) return a;
  return a.known() && b.known() ? Dim(add(a.size, b.size)) : Dim();
}

Dim product(const Dims& dims, std::size_t first, std::size_t last) {
  Dim result = 1;
  for (std::size_t i = first; i < last; ++i) result = multiply(result, dims[i]);
  return result;
}

Dim merge(const Dim& a, const Dim& b, const std::string& what) {
  if (a.known() && b.known() && a.size != b.size) fail(what + " are " + std::to_string(a.size) + " and " + std::to_string(b.size));
  if (a.known()) return a;
  if (b.known()) return b;
  return a.name.empty() ? b : a;
}

std::optional<Dims> broadcast_dims(const std::optional<Dims>& a, const std::optional<Dims>& b) {
  if (!a || !b) return std::nullopt;
  const Dims& longer = a->size() >= b->size() ? *a : *b;
  const Dims& shorter = a->size() >= b->size() ? *b : *a;
  Dims result = longer;
  const std::size_t offset = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    Dim& d = result[offset + i];
    const Dim& e = shorter[i];
    if (d == e) {
      // The same name is the same size; two nameless ones promise nothing.
    } else if (d == Dim(1)) {
      d = e;
    } else if (e == Dim(1)) {
      // stretches
    } else if (d.known() && e.known()) {
      fail("shapes " + describe(*a) + " and " + describe(*b) + " do not broadcast");
    } else if (e.known()) {
      d = e;
    } else if (!d.known()) {
      d = Dim();
    }
  }
  return result;
}

std::optional<Dims> broadcast_inputs(const TypeContext& c) {
  std::optional<Dims> dims = Dims{};
  for (const auto& type : c.inputs) {
    if (type) dims = broadcast_dims(dims, type->dims);
  }
  return dims;
}

Dims unknown_dims(std::size_t count) { return Dims(count); }

TensorType typed(DType dtype, std::optional<Dims> dims) {
  TensorType type(dtype);
  type.dims = std::move(dims);
  return type;
}

std::string describe(const Dims& dims) {
  const std::string text = to_string(TensorType(DType::f32, dims));
  return text.substr(text.find('['));
}

TypeRule same_as_input(DTypeSet allowed) {
  return [allowed](const TypeContext& c) { return std::vector<TensorType>{input(c, 0, allowed, "x")}; };
}

TypeRule broadcasting(DTypeSet allowed, std::optional<DType> result) {
  return [allowed, result](const TypeContext& c) {
    const TensorType& first = input(c, 0, allowed, "first operand");
    for (std::size_t i = 1; i < c.inputs.size(); ++i) require_same_dtype(c, 0, i);
    return std::vector<TensorType>{typed(result.value_or(first.dtype), broadcast_inputs(c))};
  };
}

}  // namespace lazyfx::ops
