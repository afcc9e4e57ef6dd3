#include <optional>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Value = Composer::Value;

std::string reduction_of(const Attributes& attributes) {
  const std::string reduction = attributes.get_string("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean") {
    fail("attribute reduction is \"" + reduction + "\", which is none of none, sum, mean");
  }
  return reduction;
}

/// The loss is shaped like the targets, N d1 d2 ..., or a scalar.
std::vector<TensorType> loss_type(const TypeContext& c) {
  const TensorType& scores = input(c, 0, floats, "input");
  const TensorType& target = input(c, 1, index_dtypes, "target");
  if (has_input(c, 2)) require_same_dtype(c, 0, 2);
  if (scores.dims && scores.dims->size() < 2) {
    fail("input 0 (input) has " + std::to_string(scores.dims->size()) + " dimensions where at least 2 are expected");
  }
  std::optional<Dims> dims = target.dims;
  if (scores.dims && target.dims) {
    if (target.dims->size() + 1 != scores.dims->size()) {
      fail("input 1 (target) has " + std::to_string(target.dims->size()) + " dimensions where " + std::to_string(scores.dims->size() - 1) +
           " are expected");
    }
    for (std::size_t i = 0; i < dims->size(); ++i) {
      (*dims)[i] = merge((*dims)[i], (*scores.dims)[i == 0 ? 0 : i + 1], "the sizes of input and target on axis " + std::to_string(i));
    }
  }
  if (has_input(c, 2) && c.inputs[2]->dims) {
    if (c.inputs[2]->dims->size() != 1)
      fail("input 2 (weight) has " + std::to_string(c.inputs[2]->dims->size()) + " dimensions where one is expected");
    if (scores.dims) merge(c.inputs[2]->dims->front(), (*scores.dims)[1], "the size of weight and the classes of input");
  }
  if (reduction_of(c.attributes) != "none") dims = Dims{};
  std::vector<TensorType> types{typed(scores.dtype, dims)};
  if (c.output_count > 1) types.push_back(scores);
  return types;
}

/// The negative log likelihood of `log_probabilities` N C d1 ... at the targets, weighted, reduced.
Value negative_log_likelihood(Composer& c, Value log_probabilities) {
  const DType dtype = c.dtype(log_probabilities);
  const Value target = c.cast(c.input(1), DType::i64);
  std::optional<Value> ignored;
  Value class_of = target;
  if (c.attributes().has("ignore_index")) {
    ignored = c.apply("Equal", {target, c.constant(Tensor::scalar(c.attributes().get_int("ignore_index")))});
    class_of = c.apply("Where", {*ignored, c.constant(Tensor::scalar(std::int64_t{0})), target});
  }
  const Value picked = c.apply("GatherElements", {log_probabilities, c.unsqueeze(class_of, 1)}, {{"axis", 1}});
  Value loss = c.apply("Neg", {c.squeeze(picked, 1)});
  std::optional<Value> weight;
  if (c.has_input(2)) weight = c.apply("Gather", {c.input(2), class_of});
  if (ignored) weight = c.apply("Where", {*ignored, c.number(dtype, 0), weight.value_or(c.number(dtype, 1))});
  if (weight) loss = c.apply("Mul", {loss, *weight});
  const std::string reduction = reduction_of(c.attributes());
  if (reduction == "none") return loss;
  if (reduction == "mean" && !weight) return c.apply("ReduceMean", {loss}, {{"keepdims", 0}});
  const Value sum = c.apply("ReduceSum", {loss}, {{"keepdims", 0}});
  if (reduction == "sum") return sum;
  return c.apply("Div", {sum, c.apply("ReduceSum", {*weight}, {{"keepdims", 0}})});
}

}  // namespace

void add_losses(OperatorRegistry& registry) {
  const auto add = [&](const char* type, Schema s, Composition composition) {
    s.attributes = {integer("ignore_index"), text("reduction", "mean")};
    Operator op = composed(type, {12}, std::move(s), loss_type, std::move(composition));
    op.lowering = {};  // GatherElements, a part of both, has none
    registry.add(std::move(op));
  };
  add("NegativeLogLikelihoodLoss", schema({"input", "target", "weight?"}, {"loss"}),
      [](Composer& c) { return Composer::Values{negative_log_likelihood(c, c.input(0))}; });
  add("SoftmaxCrossEntropyLoss", schema({"scores", "labels", "weights?"}, {"output", "log_prob?"}), [](Composer& c) {
    const Value log_probabilities = c.apply("LogSoftmax", {c.input(0)}, {{"axis", 1}});
    Composer::Values results{negative_log_likelihood(c, log_probabilities)};
    if (c.output_count() > 1) results.push_back(log_probabilities);
    return results;
  });
}

}  // namespace lazyfx::ops
