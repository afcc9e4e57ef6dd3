#include "kernels/families.hpp"
#include "kernels/gemm_kernel.hpp"

namespace lazyfx::kernels {
namespace {

/// The plan with the tail, if every operand broadcasts to the output and there are not too many.
std::optional<GemmPlan> plan_with_tail(const Epilogue& epilogue, const primitive::Matmul& matmul, std::span<const Operand> inputs,
                                       const Operand& output) {
  auto tail = match_tail(epilogue.body);
  if (!tail || tail->steps.size() + 2 > GemmPlan::most_steps || epilogue.operands.size() > GemmPlan::most_operands) return std::nullopt;
  GemmPlan plan;
  std::vector<Strides> more;
  const std::size_t rank = output.shape.rank();
  for (const Operand& operand : epilogue.operands) {
    if (operand.dtype != DType::f32 || operand.layout != Layout::row_major) return std::nullopt;
    more.push_back(broadcast_strides(operand, output.shape));
    plan.tail_operands.push_back({more.back()[rank - 2], more.back()[rank - 1]});
  }
  static_cast<MatmulPlan&>(plan) = plan_matmul(matmul, inputs, output, more);
  plan.tail = std::move(*tail);
  return plan;
}

}  // namespace

std::unique_ptr<Kernel> make_matmul(const KernelRequest& request, bool& applied) {
  const auto& matmul = std::get<primitive::Matmul>(request.primitive);
  GemmPlan plan;
  static_cast<MatmulPlan&>(plan) = plan_matmul(matmul, request.inputs, request.output, {});
  if (request.output.dtype != DType::f32 || request.output.shape.size() == 0) return make_plain_matmul(plan, request.output.dtype);
  if (request.epilogue != nullptr) {
    if (auto tailed = plan_with_tail(*request.epilogue, matmul, request.inputs, request.output)) {
      plan = std::move(*tailed);
      applied = true;
    }
  }
  return make_gemm_kernel(std::move(plan), request.constants.size() > 1 ? request.constants[1] : Tensor(), request.packing);
}

}  // namespace lazyfx::kernels
