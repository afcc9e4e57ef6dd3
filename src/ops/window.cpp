#include "ops/window.hpp"

#include <algorithm>

namespace lazyfx::ops {
namespace {

constexpr std::int64_t limit = std::int64_t{1} << 31;

std::vector<std::int64_t> checked(std::vector<std::int64_t> values, const char* name, std::size_t count, std::int64_t least,
                                  std::int64_t fallback) {
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count) {
    fail("attribute " + std::string(name) + " has " + std::to_string(values.size()) + " entries where " + std::to_string(count) +
         " are expected");
  }
  for (const std::int64_t v : values) {
    if (v < least || v >= limit) fail("attribute " + std::string(name) + " holds " + std::to_string(v) + ", which is out of range");
  }
  return values;
}

Window::AutoPad auto_pad_of(const std::string& text) {
  if (text == "NOTSET" || text.empty()) return Window::AutoPad::none;
  if (text == "SAME_UPPER") return Window::AutoPad::same_upper;
  if (text == "SAME_LOWER") return Window::AutoPad::same_lower;
  if (text == "VALID") return Window::AutoPad::valid;
  fail("attribute auto_pad is \"" + text + "\", which is none of NOTSET, SAME_UPPER, SAME_LOWER, VALID");
}

bool is_same(Window::AutoPad a) { return a == Window::AutoPad::same_upper || a == Window::AutoPad::same_lower; }

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

}  // namespace

Window read_window(const Attributes& attributes, std::vector<std::int64_t> kernel) {
  const std::size_t n = kernel.size();
  Window w;
  w.kernel = checked(std::move(kernel), "kernel_shape", n, 1, 1);
  w.strides = checked(attributes.get_ints("strides"), "strides", n, 1, 1);
  w.dilations = checked(attributes.get_ints("dilations"), "dilations", n, 1, 1);
  const auto pads = checked(attributes.get_ints("pads"), "pads", 2 * n, 0, 0);
  w.auto_pad = auto_pad_of(attributes.get_string("auto_pad", "NOTSET"));
  w.ceil = attributes.get_int("ceil_mode", 0) != 0;
  if (w.auto_pad == Window::AutoPad::none) {
    w.pads_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(n));
    w.pads_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(n), pads.end());
  } else {
    w.pads_begin.assign(n, 0);
    w.pads_end.assign(n, 0);
  }
  return w;
}

Dim slide(const Window& w, std::size_t i, const Dim& size) {
  const std::int64_t pads = w.pads_begin[i] + w.pads_end[i];
  const bool keeps_size = w.strides[i] == 1 && (is_same(w.auto_pad) || pads == w.extent(i) - 1);
  if (keeps_size) return size;
  if (!size.known()) return {};
  if (is_same(w.auto_pad)) return ceil_div(size.size, w.strides[i]);
  const std::int64_t room = add(size.size, pads) - w.extent(i);
  if (room < 0 && w.may_exceed && -room < w.strides[i]) return 1;
  if (room < 0) {
    fail("the kernel covers " + std::to_string(w.extent(i)) + " on spatial axis " + std::to_string(i) + " but the padded input has only " +
         std::to_string(size.size + pads));
  }
  if (!w.ceil) return room / w.strides[i] + 1;
  const std::int64_t count = ceil_div(room, w.strides[i]) + 1;
  // A window that begins in the padding at the end sees nothing.
  return (count - 1) * w.strides[i] >= size.size + w.pads_begin[i] ? count - 1 : count;
}

Window resolved(Window w, const std::vector<std::int64_t>& sizes) {
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const std::int64_t out = slide(w, i, sizes[i]).size;
    const std::int64_t needed = std::max<std::int64_t>(0, (out - 1) * w.strides[i] + w.extent(i) - sizes[i]);
    if (is_same(w.auto_pad)) {
      w.pads_begin[i] = w.auto_pad == Window::AutoPad::same_upper ? needed / 2 : needed - needed / 2;
      w.pads_end[i] = needed - w.pads_begin[i];
    } else if (w.ceil || w.may_exceed) {
      w.pads_end[i] = std::max(w.pads_end[i], needed - w.pads_begin[i]);
    }
  }
  w.auto_pad = Window::AutoPad::none;
  w.ceil = false;
  return w;
}

Dim slide_transposed(const Window& w, std::size_t i, const Dim& size, std::int64_t output_padding) {
  if (!size.known()) return {};
  if (is_same(w.auto_pad)) return multiply(size.size, w.strides[i]);
  const std::int64_t spread = size.size == 0 ? 0 : multiply(size.size - 1, w.strides[i]);
  const std::int64_t whole = add(spread, w.extent(i) + output_padding);
  const std::int64_t pads = w.pads_begin[i] + w.pads_end[i];
  if (whole < pads) fail("pads remove more than there is on spatial axis " + std::to_string(i));
  return whole - pads;
}

Window resolved_transposed(Window w, const std::vector<std::int64_t>& input, const std::vector<std::int64_t>& output,
                           const std::vector<std::int64_t>& output_padding, bool chosen) {
  for (std::size_t i = 0; i < w.rank(); ++i) {
    const std::int64_t whole = add(multiply(input[i] - 1, w.strides[i]), w.extent(i));
    if (chosen || is_same(w.auto_pad)) {
      const std::int64_t total = std::max<std::int64_t>(0, whole + output_padding[i] - output[i]);
      w.pads_begin[i] = w.auto_pad == Window::AutoPad::same_upper ? total / 2 : total - total / 2;
    }
    // pads_end may be negative: elements that no input reaches.
    w.pads_end[i] = whole - w.pads_begin[i] - output[i];
  }
  w.auto_pad = Window::AutoPad::none;
  return w;
}

std::vector<std::int64_t> spatial(const Shape& shape) {
  return shape.rank() <= 2 ? std::vector<std::int64_t>{} : std::vector<std::int64_t>(shape.begin() + 2, shape.end());
}

}  // namespace lazyfx::ops
