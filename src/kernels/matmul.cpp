#include "kernels/families.hpp"
#include "kernels/matmul_plan.hpp"

namespace lazyfx::kernels {

std::unique_ptr<Kernel> make_matmul(const KernelRequest& request, bool&) {
  const auto& matmul = std::get<primitive::Matmul>(request.primitive);
  return make_plain_matmul(plan_matmul(matmul, request.inputs, request.output), request.output.dtype);
}

}  // namespace lazyfx::kernels
