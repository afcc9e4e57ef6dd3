#include "kernels/conv.hpp"

#include "kernels/families.hpp"

namespace lazyfx::kernels {

std::unique_ptr<Kernel> make_convolution(const KernelRequest& request, bool&) {
  const auto& conv = std::get<primitive::Convolution>(request.primitive);
  return make_plain_convolution(make_geometry(conv, request.inputs, request.output), request.output.dtype);
}

}  // namespace lazyfx::kernels
