#include <charconv>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

DType target_of(const Attributes& attributes) { return attributes.get_dtype("to", DType::f32); }

template <class T>
std::string printed(T value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

double parsed(const std::string& text) {
  double value = 0;
  const char* first = text.data();
  const char* last = first + text.size();
  if (first != last && *first == '+') ++first;
  const auto [end, error] = std::from_chars(first, last, value);
  if (error != std::errc() || end != last) throw Error(ErrorKind::invalid_argument, "the string \"" + text + "\" is not a number");
  return value;
}

Tensor to_strings(const Tensor& x) {
  std::vector<std::string> texts;
  visit_compute(x.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    for (const C v : read<C>(x)) {
      // As many digits as the element has, not as many as the double it was read into.
      if constexpr (std::is_floating_point_v<C>) {
        texts.push_back(x.dtype() == DType::f64 ? printed(v) : printed(static_cast<float>(v)));
      } else {
        texts.push_back(printed(v));
      }
    }
  });
  return Tensor::from<std::string>(texts, x.shape());
}

Tensor from_strings(const Tensor& x, DType to) {
  std::vector<double> values;
  const Tensor dense = x.contiguous();
  for (const std::string& text : dense.values<std::string>()) values.push_back(parsed(text));
  return write(to, x.shape(), values);
}

Tensor cast(const Tensor& x, DType to) {
  if (x.dtype() == to) return x;
  if (to == DType::string) return to_strings(x);
  if (x.dtype() == DType::string) return from_strings(x, to);
  return visit_compute(x.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    return write(to, x.shape(), read<C>(x));
  });
}

bool lower(LoweringContext& c) {
  const DType from = c.dtype(c.input(0));
  const DType to = c.dtype(c.output(0));
  if (from == to) {
    c.alias(c.input(0), c.output(0));
    return true;
  }
  if (from == DType::string || to == DType::string) return false;
  emit_elementwise(c, {c.input(0)}, c.output(0), [to](Body& b) { return ops::cast(b.input(0), to); });
  return true;
}

}  // namespace

void add_cast(OperatorRegistry& registry) {
  // saturate came with version 19, for 8-bit floats, which are not offered: it changes nothing.
  registry.add(onnx(
      "Cast", {6}, schema({"input"}, {"output"}, {integer("saturate", 1), required(dtype("to"))}),
      [](const TypeContext& c) { return std::vector{typed(target_of(c.attributes), input(c, 0).dims)}; },
      [](std::span<const Tensor> in, const Attributes& attributes, std::size_t) { return std::vector{cast(in[0], target_of(attributes))}; },
      lower));
  registry.add(onnx(
      "CastLike", {15}, schema({"input", "target_type"}, {"output"}, {integer("saturate", 1)}),
      [](const TypeContext& c) { return std::vector{typed(input(c, 1).dtype, input(c, 0).dims)}; },
      [](std::span<const Tensor> in, const Attributes&, std::size_t) { return std::vector{cast(in[0], in[1].dtype())}; }, lower));
}

}  // namespace lazyfx::ops
