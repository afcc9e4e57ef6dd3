#include <algorithm>
#include <string>

#include "kernels/families.hpp"
#include "kernels/isa.hpp"
#include "kernels/placement.hpp"
#include "kernels/tail.hpp"
#include "kernels/transfer.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

template <class... F> struct Overload : F... {
  using F::operator()...;
};
template <class... F> Overload(F...) -> Overload<F...>;

/// A kernel and then an elementwise pass over its output, for tails that the kernel itself does not take.
class TailedKernel final : public Kernel {
 public:
  TailedKernel(std::unique_ptr<Kernel> head, std::unique_ptr<Kernel> tail, std::size_t head_inputs, std::size_t operands)
      : head_(std::move(head)), tail_(std::move(tail)), head_inputs_(head_inputs), operands_(operands) {}

  void run(const void* const* inputs, void* output, void* scratch) const override {
    auto* const shared = static_cast<std::byte*>(scratch);
    head_->run(inputs, output, shared);
    // The tail reads register 0 from where the head wrote it.
    auto** const tail_inputs = reinterpret_cast<const void**>(shared);
    tail_inputs[0] = output;
    std::copy_n(inputs + head_inputs_, operands_, tail_inputs + 1);
    tail_->run(tail_inputs, output, shared + table_bytes());
  }
  std::size_t scratch_bytes() const override { return std::max(head_->scratch_bytes(), table_bytes() + tail_->scratch_bytes()); }
  bool packs(std::size_t i) const override { return i < head_inputs_ && head_->packs(i); }
  std::size_t resident_bytes() const override { return head_->resident_bytes() + tail_->resident_bytes(); }
  std::string describe() const override { return head_->describe() + " then " + tail_->describe(); }

 private:
  std::size_t table_bytes() const { return ((operands_ + 1) * sizeof(void*) + 63) / 64 * 64; }

  std::unique_ptr<Kernel> head_, tail_;
  std::size_t head_inputs_, operands_;
};

std::unique_ptr<Kernel> make_tail(const Epilogue& epilogue, const Operand& output) {
  std::vector<Operand> operands{output};
  operands.insert(operands.end(), epilogue.operands.begin(), epilogue.operands.end());
  auto tail = make_elementwise(epilogue.body, operands, output);
  if (!tail->in_place(0)) throw Error(ErrorKind::unsupported, "an epilogue must keep the dtype of what it follows");
  return tail;
}

}  // namespace

void require_inputs(std::size_t given, std::size_t least, std::size_t most, const char* what) {
  if (given < least || given > most) {
    throw Error(ErrorKind::invalid_argument, std::string(what) + " was given " + std::to_string(given) + " operands");
  }
}

void refuse_dtype(const char* what, DType dtype) {
  throw Error(ErrorKind::unsupported, std::string("there is no kernel for ") + what + " of " + to_string(dtype));
}

std::unique_ptr<Kernel> make_kernel(const KernelRequest& request) {
  isa();
  const auto& in = request.inputs;
  const Operand& out = request.output;
  bool applied = false;
  auto kernel = std::visit(Overload{
                               [&](const primitive::Elementwise& p) { return make_elementwise(p.body, in, out); },
                               [&](const primitive::Reduce& p) {
                                 require_inputs(in.size(), 1, 1, "reduce");
                                 return make_reduce(p, in[0], out);
                               },
                               [&](const primitive::Softmax& p) {
                                 require_inputs(in.size(), 1, 1, "softmax");
                                 return make_softmax(p, in[0], out);
                               },
                               [&](const primitive::Matmul&) {
                                 require_inputs(in.size(), 2, 3, "matmul");
                                 return make_matmul(request, applied);
                               },
                               [&](const primitive::Convolution&) {
                                 require_inputs(in.size(), 2, 3, "convolution");
                                 return make_convolution(request, applied);
                               },
                               [&](const primitive::Pool& p) {
                                 require_inputs(in.size(), 1, 1, "pool");
                                 return make_pool(p, in[0], out);
                               },
                               [&](const primitive::Transfer& p) { return make_transfer(p, in, out); },
                               [&](const primitive::Resize& p) {
                                 require_inputs(in.size(), 1, 1, "resize");
                                 return make_resize(p, in[0], out);
                               },
                               [&](const primitive::Gather& p) {
                                 require_inputs(in.size(), 2, 2, "gather");
                                 return make_gather(p, in, out);
                               },
                           },
                           request.primitive);
  if (request.epilogue == nullptr || applied || out.shape.size() == 0) return kernel;
  return std::make_unique<TailedKernel>(std::move(kernel), make_tail(*request.epilogue, out), in.size(), request.epilogue->operands.size());
}

LayoutPreference preferred_layouts(const Primitive& primitive, std::span<const Operand> inputs, const Operand& output,
                                   std::span<const Tensor>) {
  LayoutPreference preference;
  for (const Operand& operand : inputs) preference.inputs.push_back(operand.layout);
  const std::size_t rank = output.shape.rank();
  const bool spatial = rank >= 3 && rank <= 5;
  std::visit(Overload{
                 [&](const primitive::Elementwise&) { preference.follows = true; },
                 [&](const primitive::Reduce&) { preference.follows = spatial && inputs[0].shape.rank() == rank; },
                 [&](const primitive::Softmax&) { preference.follows = spatial; },
                 [&](const primitive::Matmul&) { std::fill(preference.inputs.begin(), preference.inputs.end(), Layout::row_major); },
                 [&](const primitive::Convolution&) {
                   std::fill(preference.inputs.begin(), preference.inputs.end(), Layout::row_major);
                   if (!spatial) return;
                   preference.inputs[0] = Layout::channels_last;
                   preference.output = Layout::channels_last;
                 },
                 [&](const primitive::Pool&) { preference.follows = spatial; },
                 [&](const primitive::Transfer& p) {
                   preference.follows = transfer_follows(p, inputs, output);
                   if (!preference.follows) std::fill(preference.inputs.begin(), preference.inputs.end(), Layout::row_major);
                 },
                 [&](const primitive::Resize&) { preference.follows = spatial; },
                 [&](const primitive::Gather&) { std::fill(preference.inputs.begin(), preference.inputs.end(), Layout::row_major); },
             },
             primitive);
  return preference;
}

bool supports_epilogue(const Primitive& primitive, const Operand& output, const Epilogue& epilogue) {
  const bool convolves = std::holds_alternative<primitive::Convolution>(primitive);
  if (!convolves && !std::holds_alternative<primitive::Matmul>(primitive)) return false;
  if (output.dtype != DType::f32 || epilogue.operands.size() > 4) return false;
  const auto tail = match_tail(epilogue.body);
  if (!tail || (convolves && repeats_with_other_numbers(*tail))) return false;
  return std::all_of(epilogue.operands.begin(), epilogue.operands.end(), [&](const Operand& operand) {
    // The layouts are not settled yet: the same shape will be given the same one.
    return operand.dtype == DType::f32 && (!convolves || place_of({operand.dtype, operand.shape, output.layout}, output));
  });
}

}  // namespace lazyfx::kernels
