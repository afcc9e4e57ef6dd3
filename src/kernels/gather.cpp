#include <cstring>
#include <string>

#include "kernels/families.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

template <class Index>
class GatherKernel final : public Kernel {
 public:
  GatherKernel(std::int64_t outer, std::int64_t axis, std::int64_t count, std::size_t row_bytes)
      : outer_(outer), axis_(axis), count_(count), row_bytes_(row_bytes) {}

  std::string describe() const override { return "gather rows of " + std::to_string(row_bytes_) + " bytes"; }

  void run(const void* const* inputs, void* output, void*) const override {
    const auto* in = static_cast<const std::byte*>(inputs[0]);
    const auto* indices = static_cast<const Index*>(inputs[1]);
    auto* out = static_cast<std::byte*>(output);
    for (std::int64_t i = 0; i < count_; ++i) {
      const auto k = static_cast<std::int64_t>(indices[i]);
      if (k < -axis_ || k >= axis_) {
        throw Error(ErrorKind::invalid_argument,
                    "gather index " + std::to_string(k) + " is outside of an axis of " + std::to_string(axis_));
      }
    }
    switch (row_bytes_) {
      case 1: return copy_elements<std::uint8_t>(in, indices, out);
      case 2: return copy_elements<std::uint16_t>(in, indices, out);
      case 4: return copy_elements<std::uint32_t>(in, indices, out);
      case 8: return copy_elements<std::uint64_t>(in, indices, out);
      default: break;
    }
    for (std::int64_t o = 0; o < outer_; ++o) {
      for (std::int64_t i = 0; i < count_; ++i, out += row_bytes_) {
        std::memcpy(out, in + static_cast<std::size_t>(wrap(indices[i])) * row_bytes_, row_bytes_);
      }
      in += static_cast<std::size_t>(axis_) * row_bytes_;
    }
  }

 private:
  std::int64_t wrap(Index i) const { return i < 0 ? static_cast<std::int64_t>(i) + axis_ : static_cast<std::int64_t>(i); }

  template <class T>
  void copy_elements(const void* in_, const Index* indices, void* out_) const {
    const auto* in = static_cast<const T*>(in_);
    auto* out = static_cast<T*>(out_);
    for (std::int64_t o = 0; o < outer_; ++o, in += axis_, out += count_) {
      for (std::int64_t i = 0; i < count_; ++i) out[i] = in[wrap(indices[i])];
    }
  }

  std::int64_t outer_, axis_, count_;
  std::size_t row_bytes_;
};

}  // namespace

std::unique_ptr<Kernel> make_gather(const primitive::Gather& gather, std::span<const Operand> inputs, const Operand& output) {
  const Operand& data = inputs[0];
  if (data.layout != Layout::row_major || inputs[1].layout != Layout::row_major || output.layout != Layout::row_major) {
    throw Error(ErrorKind::unsupported, "gather works on row_major values only");
  }
  if (gather.axis >= data.shape.rank()) throw Error(ErrorKind::invalid_argument, "gather names an axis that is not there");
  if (data.dtype != output.dtype) throw Error(ErrorKind::invalid_argument, "gather does not change the dtype");
  if (data.dtype == DType::string) refuse_dtype("gather", data.dtype);
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < gather.axis; ++i) outer *= data.shape[i];
  for (std::size_t i = gather.axis + 1; i < data.shape.rank(); ++i) inner *= data.shape[i];
  const std::int64_t count = inputs[1].shape.size();
  if (outer * count * inner != output.shape.size()) {
    throw Error(ErrorKind::invalid_argument, "gather from " + to_string(data.shape) + " cannot give " + to_string(output.shape));
  }
  const auto row_bytes = static_cast<std::size_t>(inner) * size_of(data.dtype);
  if (inputs[1].dtype == DType::i64) return std::make_unique<GatherKernel<std::int64_t>>(outer, data.shape[gather.axis], count, row_bytes);
  if (inputs[1].dtype == DType::i32) return std::make_unique<GatherKernel<std::int32_t>>(outer, data.shape[gather.axis], count, row_bytes);
  refuse_dtype("gather with indices", inputs[1].dtype);
}

}  // namespace lazyfx::kernels
