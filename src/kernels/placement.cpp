#include "kernels/placement.hpp"

#include "lazyfx/error.hpp"

namespace lazyfx::kernels {

AxisOrder memory_order(Layout layout, std::size_t rank) {
  AxisOrder order{};
  for (std::size_t i = 0; i < rank; ++i) order[i] = static_cast<std::uint8_t>(i);
  if (layout == Layout::row_major) return order;
  if (rank < 3 || rank > 5) { throw Error(ErrorKind::unsupported, "channels_last needs rank 3 to 5, not " + std::to_string(rank)); }
  for (std::size_t i = 1; i + 1 < rank; ++i) order[i] = static_cast<std::uint8_t>(i + 1);
  order[rank - 1] = 1;
  return order;
}

Strides strides_of(const Operand& operand) {
  const std::size_t rank = operand.shape.rank();
  const AxisOrder order = memory_order(operand.layout, rank);
  Strides strides{};
  std::int64_t stride = 1;
  for (std::size_t i = rank; i-- > 0;) {
    strides[order[i]] = stride;
    stride *= operand.shape[order[i]] == 0 ? 1 : operand.shape[order[i]];
  }
  return strides;
}

Strides broadcast_strides(const Operand& operand, const Shape& shape) {
  const std::size_t rank = operand.shape.rank();
  const auto refuse = [&] {
    throw Error(ErrorKind::invalid_argument, "shape " + to_string(operand.shape) + " does not broadcast to " + to_string(shape));
  };
  if (rank > shape.rank()) refuse();
  const Strides own = strides_of(operand);
  const std::size_t shift = shape.rank() - rank;
  Strides strides{};
  for (std::size_t i = 0; i < rank; ++i) {
    if (operand.shape[i] == shape[i + shift]) {
      strides[i + shift] = operand.shape[i] == 1 ? 0 : own[i];
    } else if (operand.shape[i] != 1) {
      refuse();
    }
  }
  return strides;
}

std::size_t bytes_of(const Operand& operand) { return static_cast<std::size_t>(operand.shape.size()) * size_of(operand.dtype); }

std::int64_t LoopNest::size() const noexcept {
  std::int64_t n = 1;
  for (std::size_t i = 0; i < rank; ++i) n *= extent[i];
  return n;
}

LoopNest collapse(const Shape& shape, const AxisOrder& order, std::span<const Strides> operands) {
  LoopNest nest;
  nest.strides.resize(operands.size());
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    const std::size_t axis = order[i];
    if (shape[axis] == 1) continue;
    bool joins = nest.rank > 0;
    for (std::size_t k = 0; joins && k < operands.size(); ++k) {
      joins = nest.strides[k][nest.rank - 1] == operands[k][axis] * shape[axis];
    }
    if (joins) {
      nest.extent[nest.rank - 1] *= shape[axis];
    } else {
      nest.extent[nest.rank++] = shape[axis];
    }
    for (std::size_t k = 0; k < operands.size(); ++k) nest.strides[k][nest.rank - 1] = operands[k][axis];
  }
  if (nest.rank == 0) nest.extent[nest.rank++] = 1;
  return nest;
}

}  // namespace lazyfx::kernels
