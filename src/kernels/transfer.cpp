#include "kernels/transfer.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/families.hpp"
#include "kernels/scalar_math.hpp"
#include "kernels/transpose_vector.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

/// One region: loops with strides of input and output, and where they begin.
struct Copy {
  std::size_t input = 0;
  LoopNest loops;
  std::int64_t in_offset = 0, out_offset = 0;
  TransposeFunction transpose = nullptr;  ///< for the two innermost loops
  TransposePlan plane{};
};

constexpr std::int64_t short_loop = 4;  // below a handful of elements, starting a loop costs more than what it does

void move_loop(LoopNest& loops, std::size_t from, std::size_t to) {
  const auto rotate = [&](auto& values) {
    const auto begin = values.begin();
    const auto a = static_cast<std::ptrdiff_t>(from), b = static_cast<std::ptrdiff_t>(to);
    std::rotate(begin + a, begin + a + 1, begin + b + 1);
  };
  rotate(loops.extent);
  for (Strides& strides : loops.strides) rotate(strides);
}

/// Settles which loops are innermost: a plane that is turned where reads and writes run along different axes, else a loop that is worth it.
void arrange(Copy& c, std::size_t width) {
  LoopNest& loops = c.loops;
  const std::size_t last = loops.rank - 1;
  const Strides &in = loops.strides[0], &out = loops.strides[1];
  if (in[last] != 1 && out[last] == 1) {
    for (std::size_t k = last; k-- > 0;) {
      if (in[k] != 1) continue;
      c.plane = {loops.extent[k], loops.extent[last], in[last], out[k]};
      c.transpose = vector_transpose(c.plane, width);
      if (c.transpose == nullptr) break;
      return move_loop(loops, k, last - 1);
    }
  }
  const auto begin = loops.extent.begin();
  const auto longest = static_cast<std::size_t>(std::max_element(begin, begin + last + 1) - begin);
  if (loops.extent[last] <= short_loop && loops.extent[longest] > loops.extent[last]) move_loop(loops, longest, last);
}

template <class T>
class TransferKernel final : public Kernel {
 public:
  TransferKernel(std::vector<Copy> copies, std::int64_t size, bool has_fill, T value)
      : copies_(std::move(copies)), size_(size), has_fill_(has_fill), fill_(value) {}

  std::string describe() const override { return "transfer of " + std::to_string(copies_.size()) + " regions"; }

  void run(const void* const* inputs, void* output, void*) const override {
    auto* out = static_cast<T*>(output);
    if (has_fill_) std::fill_n(out, size_, fill_);
    for (const Copy& c : copies_) copy(c, static_cast<const T*>(inputs[c.input]) + c.in_offset, out + c.out_offset);
  }

 private:
  static void copy(const Copy& c, const T* in, T* out) {
    const LoopNest& loops = c.loops;
    if (c.transpose != nullptr) {
      return for_each_outer(loops, 2, [&](const std::int64_t* o) { c.transpose(c.plane, in + o[0], out + o[1]); });
    }
    const std::size_t last = loops.rank - 1;
    const std::int64_t n = loops.extent[last], in_stride = loops.strides[0][last], out_stride = loops.strides[1][last];
    if (in_stride == 1 && out_stride == 1) {
      for_each_outer(loops, 1, [&](const std::int64_t* o) { std::memcpy(out + o[1], in + o[0], static_cast<std::size_t>(n) * sizeof(T)); });
    } else if (in_stride == 0 && out_stride == 1) {
      for_each_outer(loops, 1, [&](const std::int64_t* o) { std::fill_n(out + o[1], n, in[o[0]]); });
    } else {
      for_each_outer(loops, 1, [&](const std::int64_t* o) {
        for (std::int64_t i = 0; i < n; ++i) out[o[1] + i * out_stride] = in[o[0] + i * in_stride];
      });
    }
  }

  std::vector<Copy> copies_;
  std::int64_t size_;
  bool has_fill_;
  T fill_;
};

void check_bounds(const char* what, std::span<const std::int64_t> extent, std::span<const std::int64_t> strides, std::int64_t offset,
                  std::int64_t size) {
  __extension__ typedef __int128 Wide;
  Wide low = offset, high = offset;
  for (std::size_t i = 0; i < extent.size(); ++i) {
    const Wide step = static_cast<Wide>(extent[i] - 1) * strides[i];
    (step < 0 ? low : high) += step;
  }
  if (low < 0 || high >= size) {
    throw Error(ErrorKind::invalid_argument, std::string("a transfer region reaches outside of its ") + what);
  }
}

template <class T>
T bits_of(const ScalarProgram::Constant& constant) {
  T bits{};
  visit_dtype(constant.dtype, [&](auto type) {
    using V = typename decltype(type)::type;
    if constexpr (sizeof(V) == sizeof(T) && !std::is_same_v<V, std::string>) {
      V value;
      if constexpr (std::is_integral_v<V>)
        value = static_cast<V>(constant.integer);
      else
        value = convert<V>(constant.real);
      std::memcpy(&bits, &value, sizeof bits);
    }
  });
  return bits;
}

template <class T>
std::unique_ptr<Kernel> make(std::vector<Copy> copies, const primitive::Transfer& transfer, const Operand& output) {
  return std::make_unique<TransferKernel<T>>(std::move(copies), output.shape.size(), transfer.has_fill,
                                             transfer.has_fill ? bits_of<T>(transfer.fill) : T{});
}

}  // namespace

std::optional<Walk> walk_in_layout(const Operand& operand, std::span<const std::int64_t> extent, std::span<const std::int64_t> strides,
                                   std::int64_t offset) {
  if (operand.layout == Layout::row_major) return Walk{{strides.begin(), strides.end()}, offset};
  const auto row_major = operand.shape.row_major_strides();
  const Strides own = strides_of(operand);
  const std::size_t rank = operand.shape.rank();
  std::array<std::int64_t, Shape::max_rank> low{}, high{};
  Walk walk;
  walk.strides.resize(extent.size());
  for (std::size_t axis = 0; axis < rank; ++axis) {
    low[axis] = high[axis] = offset / row_major[axis];
    offset %= row_major[axis];
    walk.offset += low[axis] * own[axis];
  }
  for (std::size_t i = 0; i < extent.size(); ++i) {
    if (extent[i] <= 1 || strides[i] == 0) continue;
    bool found = false;
    for (std::size_t axis = 0; axis < rank && !found; ++axis) {
      if (strides[i] % row_major[axis] != 0) continue;
      const std::int64_t step = strides[i] / row_major[axis];
      if (std::abs(step) >= operand.shape[axis] || extent[i] > operand.shape[axis]) continue;
      const std::int64_t reach = step * (extent[i] - 1);
      if (low[axis] + std::min<std::int64_t>(reach, 0) < 0 || high[axis] + std::max<std::int64_t>(reach, 0) >= operand.shape[axis])
        continue;
      (reach < 0 ? low : high)[axis] += reach;
      walk.strides[i] = step * own[axis];
      found = true;
    }
    if (!found) return std::nullopt;
  }
  return walk;
}

bool transfer_follows(const primitive::Transfer& transfer, std::span<const Operand> inputs, const Operand& output) {
  if (inputs.size() != transfer.regions.size() || output.shape.rank() < 3 || output.shape.rank() > 5 || output.shape.size() == 0)
    return false;
  const Operand placed_output{output.dtype, output.shape, Layout::channels_last};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& region = transfer.regions[i];
    if (inputs[i].shape.rank() != output.shape.rank() || inputs[i].shape.size() == 0) return false;
    const Operand placed{inputs[i].dtype, inputs[i].shape, Layout::channels_last};
    if (!walk_in_layout(placed, region.extent, region.in_strides, region.in_offset)) return false;
    if (!walk_in_layout(placed_output, region.extent, region.out_strides, region.out_offset)) return false;
  }
  return true;
}

std::unique_ptr<Kernel> make_transfer(const primitive::Transfer& transfer, std::span<const Operand> inputs, const Operand& output) {
  require_inputs(inputs.size(), transfer.regions.size(), transfer.regions.size(), "transfer");
  if (output.dtype == DType::string) refuse_dtype("transfer", output.dtype);
  if (transfer.has_fill && transfer.fill.dtype != output.dtype)
    throw Error(ErrorKind::invalid_argument, "transfer fills with another dtype");
  std::vector<Copy> copies;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& region = transfer.regions[i];
    const std::size_t rank = region.extent.size();
    if (inputs[i].dtype != output.dtype) throw Error(ErrorKind::invalid_argument, "transfer does not change the dtype");
    if (region.in_strides.size() != rank || region.out_strides.size() != rank) {
      throw Error(ErrorKind::invalid_argument, "a transfer region has strides of another rank than its extent");
    }
    if (std::find(region.extent.begin(), region.extent.end(), 0) != region.extent.end()) continue;
    check_bounds("input", region.extent, region.in_strides, region.in_offset, inputs[i].shape.size());
    check_bounds("output", region.extent, region.out_strides, region.out_offset, output.shape.size());
    const auto in = walk_in_layout(inputs[i], region.extent, region.in_strides, region.in_offset);
    const auto out = walk_in_layout(output, region.extent, region.out_strides, region.out_offset);
    if (!in || !out) throw Error(ErrorKind::unsupported, "a transfer region mixes axes, which works on row_major values only");
    // Loops from the output's slowest stride to its fastest: writes in order, and neighbours that merge stand side by side.
    std::array<std::uint8_t, Shape::max_rank> order{};
    const Shape extent{std::span<const std::int64_t>(region.extent)};
    for (std::size_t k = 0; k < rank; ++k) order[k] = static_cast<std::uint8_t>(k);
    std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(rank), [&](std::uint8_t a, std::uint8_t b) {
      const std::int64_t x = std::abs(out->strides[a]), y = std::abs(out->strides[b]);
      return x != y ? x > y : a < b;
    });
    std::array<Strides, 2> strides{};
    std::copy(in->strides.begin(), in->strides.end(), strides[0].begin());
    std::copy(out->strides.begin(), out->strides.end(), strides[1].begin());
    copies.push_back({i, collapse(extent, order, strides), in->offset, out->offset});
    arrange(copies.back(), size_of(output.dtype));
  }
  switch (size_of(output.dtype)) {
    case 1: return make<std::uint8_t>(std::move(copies), transfer, output);
    case 2: return make<std::uint16_t>(std::move(copies), transfer, output);
    case 4: return make<std::uint32_t>(std::move(copies), transfer, output);
    default: return make<std::uint64_t>(std::move(copies), transfer, output);
  }
}

Primitive layout_change(const Shape& shape, Layout from, Layout to) {
  const std::size_t rank = shape.rank();
  const Strides in = strides_of({DType::f32, shape, from}), out = strides_of({DType::f32, shape, to});
  const AxisOrder order = memory_order(to, rank);
  primitive::Transfer::Region region;
  for (std::size_t i = 0; i < rank; ++i) {
    region.extent.push_back(shape[order[i]]);
    region.in_strides.push_back(in[order[i]]);
    region.out_strides.push_back(out[order[i]]);
  }
  primitive::Transfer transfer;
  transfer.regions.push_back(std::move(region));
  return transfer;
}

}  // namespace lazyfx::kernels
