#pragma once

#include "lazyfx/ops/registry.hpp"

namespace lazyfx::ops {

/// Each adds the operators of one family, with all their versions; see shipped.hpp.
void add_elementwise(OperatorRegistry& registry);
void add_comparison(OperatorRegistry& registry);
void add_activation(OperatorRegistry& registry);
void add_reduce(OperatorRegistry& registry);
void add_arg_reduce(OperatorRegistry& registry);
void add_matmul(OperatorRegistry& registry);
void add_convolution(OperatorRegistry& registry);
void add_pooling(OperatorRegistry& registry);
void add_normalization(OperatorRegistry& registry);
void add_softmax(OperatorRegistry& registry);
void add_shape(OperatorRegistry& registry);
void add_layout(OperatorRegistry& registry);
void add_slice(OperatorRegistry& registry);
void add_concat(OperatorRegistry& registry);
void add_pad(OperatorRegistry& registry);
void add_gather(OperatorRegistry& registry);
void add_resize(OperatorRegistry& registry);
void add_cast(OperatorRegistry& registry);
void add_constant(OperatorRegistry& registry);
void add_ordering(OperatorRegistry& registry);
void add_scatter(OperatorRegistry& registry);
void add_selection(OperatorRegistry& registry);
void add_detection(OperatorRegistry& registry);
void add_signal(OperatorRegistry& registry);
void add_einsum(OperatorRegistry& registry);
void add_sampling(OperatorRegistry& registry);
void add_random(OperatorRegistry& registry);
void add_strings(OperatorRegistry& registry);
void add_sequence(OperatorRegistry& registry);
void add_control_flow(OperatorRegistry& registry);
void add_losses(OperatorRegistry& registry);
void add_norms(OperatorRegistry& registry);
void add_quantize(OperatorRegistry& registry);
void add_recurrent(OperatorRegistry& registry);
void add_getitem(OperatorRegistry& registry);

}  // namespace lazyfx::ops
