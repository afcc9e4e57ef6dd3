#include "kernels/window.hpp"

#include <string>

#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

[[noreturn]] void refuse(const char* what, const std::string& why) {
  throw Error(ErrorKind::invalid_argument, std::string(what) + " " + why);
}

void read(const char* what, const char* name, std::array<std::int64_t, 3>& to, std::span<const std::int64_t> from, std::size_t spatial,
          std::int64_t least) {
  if (from.empty()) return;
  if (from.size() != spatial)
    refuse(what, std::string("has ") + std::to_string(from.size()) + " " + name + " for " + std::to_string(spatial) + " dimensions");
  for (std::size_t i = 0; i < spatial; ++i) {
    if (from[i] < least || from[i] > (std::int64_t{1} << 40)) refuse(what, std::string("has an impossible value in ") + name);
    to[3 - spatial + i] = from[i];
  }
}

std::array<std::int64_t, 5> five_strides(const Operand& operand) {
  const Strides own = strides_of(operand);
  const std::size_t spatial = operand.shape.rank() - 2;
  std::array<std::int64_t, 5> strides{own[0], own[1], 0, 0, 0};
  for (std::size_t i = 0; i < spatial; ++i) strides[5 - spatial + i] = own[2 + i];
  return strides;
}

}  // namespace

Window make_window(const char* what, const Operand& input, const Operand& output, std::span<const std::int64_t> kernel,
                   std::span<const std::int64_t> strides, std::span<const std::int64_t> dilations, std::span<const std::int64_t> pads_begin,
                   std::span<const std::int64_t> pads_end) {
  const std::size_t rank = input.shape.rank();
  if (rank < 3 || rank > 5) refuse(what, "needs rank 3 to 5, not " + std::to_string(rank));
  if (output.shape.rank() != rank || output.shape[0] != input.shape[0]) {
    refuse(what, "of " + to_string(input.shape) + " cannot give " + to_string(output.shape));
  }
  Window w;
  w.spatial = rank - 2;
  w.batch = input.shape[0];
  for (std::size_t i = 0; i < w.spatial; ++i) {
    w.in[3 - w.spatial + i] = input.shape[2 + i];
    w.out[3 - w.spatial + i] = output.shape[2 + i];
  }
  read(what, "kernel sizes", w.kernel, kernel, w.spatial, 1);
  read(what, "strides", w.stride, strides, w.spatial, 1);
  read(what, "dilations", w.dilation, dilations, w.spatial, 1);
  // Negative pads crop; output padding of a transposed convolution makes them so.
  constexpr std::int64_t limit = std::int64_t{1} << 40;
  read(what, "pads", w.pad_begin, pads_begin, w.spatial, -limit);
  read(what, "pads", w.pad_end, pads_end, w.spatial, -limit);
  w.in_strides = five_strides(input);
  w.out_strides = five_strides(output);
  return w;
}

}  // namespace lazyfx::kernels
