#include <cmath>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

/// Fails unless input `i`, a vector, has one element for each of `channels`. Returns what is known of their number.
Dim check_vector(const TypeContext& c, std::size_t i, const Dim& channels, const char* name) {
  const TensorType& type = input(c, i, floats, name);
  if (!type.dims) return channels;
  if (type.dims->size() != 1)
    fail("input " + std::to_string(i) + " (" + name + ") has " + std::to_string(type.dims->size()) + " dimensions where one is expected");
  return merge(channels, type.dims->front(), "the channels of X and the size of input " + std::to_string(i) + " (" + name + ")");
}

bool trains(const Attributes& attributes) { return attributes.get_int("training_mode", 0) != 0; }

/// Training by the mode of version 14 is offered; that of older versions, by asking for more outputs, is not.
void require_offered(const Attributes& attributes, std::size_t output_count) {
  if (!trains(attributes) && output_count > 1) unsupported("training is not offered by the number of outputs, only inference");
  if (attributes.get_int("spatial", 1) == 0) unsupported("statistics for each element of a plane (spatial = 0) are not offered");
}

std::vector<TensorType> batch_normalization_type(const TypeContext& c) {
  TensorType x = input(c, 0, floats, "X");
  require_offered(c.attributes, c.output_count);
  if (x.dims && x.dims->size() < 2) fail("input 0 (X) has " + std::to_string(x.dims->size()) + " dimensions where at least 2 are expected");
  Dim channels = x.dims ? (*x.dims)[1] : Dim();
  const char* names[] = {"X", "scale", "B", "input_mean", "input_var"};
  for (std::size_t i = 1; i < 5; ++i) channels = check_vector(c, i, channels, names[i]);
  if (x.dims) (*x.dims)[1] = channels;
  std::vector<TensorType> types{x};
  for (std::size_t i = 1; i < c.output_count; ++i) types.push_back(typed(c.inputs[i + 2]->dtype, Dims{channels}));
  return types;
}

/// y = x * scale + shift, per channel; shift is -mean * scale + B.
struct Affine {
  std::vector<double> scale, shift;
};

Affine affine_of(const Tensor& scale, const Tensor& b, const Tensor& mean, const Tensor& variance, double epsilon) {
  Affine a{read<double>(scale), read<double>(b)};
  const std::vector<double> means = read<double>(mean);
  const std::vector<double> variances = read<double>(variance);
  for (std::size_t i = 0; i < a.scale.size(); ++i) {
    a.scale[i] /= std::sqrt(variances[i] + epsilon);
    a.shift[i] -= means[i] * a.scale[i];
  }
  return a;
}

struct Statistics {
  std::vector<double> mean, variance;
};

/// Mean and population variance of each channel of N C spatial... elements.
Statistics channel_statistics(const std::vector<double>& values, std::int64_t channels, std::int64_t plane) {
  Statistics s{std::vector<double>(static_cast<std::size_t>(channels)), std::vector<double>(static_cast<std::size_t>(channels))};
  const double count = static_cast<double>(values.size()) / static_cast<double>(channels);
  const auto each = [&](auto f) {
    for (std::size_t i = 0; i < values.size(); ++i) f(static_cast<std::size_t>(static_cast<std::int64_t>(i) / plane % channels), values[i]);
  };
  each([&](std::size_t c, double v) { s.mean[c] += v / count; });
  each([&](std::size_t c, double v) { s.variance[c] += (v - s.mean[c]) * (v - s.mean[c]) / count; });
  return s;
}

/// momentum * old + (1 - momentum) * own
Tensor blended(const Tensor& old, const std::vector<double>& own, double momentum) {
  std::vector<double> values = read<double>(old);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = momentum * values[i] + (1 - momentum) * own[i];
  return write(old.dtype(), old.shape(), values);
}

std::vector<Tensor> batch_normalization_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
  require_offered(attributes, output_count);
  const Shape& shape = in[0].shape();
  std::vector<double> values = read<double>(in[0]);
  const std::int64_t channels = shape[1];
  const std::int64_t plane = shape.size() == 0 ? 0 : shape.size() / (shape[0] * channels);
  Tensor mean = in[3], variance = in[4];
  std::vector<Tensor> running;
  if (trains(attributes)) {
    const auto [own_mean, own_variance] = channel_statistics(values, channels, plane);
    const double momentum = attributes.get_float("momentum", 0.9);
    running = {blended(in[3], own_mean, momentum), blended(in[4], own_variance, momentum)};
    mean = write(DType::f64, Shape{channels}, own_mean);
    variance = write(DType::f64, Shape{channels}, own_variance);
  }
  const Affine a = affine_of(in[1], in[2], mean, variance, attributes.get_float("epsilon", 1e-5));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto channel = static_cast<std::size_t>(static_cast<std::int64_t>(i) / plane % channels);
    values[i] = values[i] * a.scale[channel] + a.shift[channel];
  }
  std::vector<Tensor> outputs{write(in[0].dtype(), shape, values)};
  for (Tensor& t : running) outputs.push_back(std::move(t));
  outputs.resize(output_count);
  return outputs;
}

bool lower_batch_normalization(LoweringContext& c) {
  if (trains(c.attributes())) return false;
  const Shape& shape = c.shape(c.input(0));
  const Shape per_channel = channel_shape(shape[1], shape.rank());
  const double epsilon = c.attributes().get_float("epsilon", 1e-5);
  Tensor known[5];
  bool all_known = true;
  for (std::size_t i = 1; i < 5; ++i) {
    known[i] = c.constant_value(c.input(i));
    all_known = all_known && known[i].defined();
  }
  const DType dtype = c.dtype(c.input(0));
  const DType wide = dtype == DType::f64 ? DType::f64 : DType::f32;  // rounded once, at the end
  if (all_known) {
    const Affine a = affine_of(known[1], known[2], known[3], known[4], epsilon);
    const ValueRef scale = c.constant(write(wide, per_channel, a.scale));
    const ValueRef shift = c.constant(write(wide, per_channel, a.shift));
    emit_elementwise(c, {c.input(0), scale, shift}, c.output(0),
                     [&](Body& b) { return cast(multiply_add(cast(b.input(0), wide), b.input(1), b.input(2)), dtype); });
    return true;
  }
  std::vector<ValueRef> inputs{c.input(0)};
  for (std::size_t i = 1; i < 5; ++i) inputs.push_back(c.reshape(c.input(i), per_channel));
  emit_elementwise(c, inputs, c.output(0), [&](Body& b) {
    const auto in = [&](std::size_t i) { return cast(b.input(i), wide); };
    const Scalar scale = in(1) / apply(ScalarOp::sqrt, in(4) + epsilon);
    return cast(multiply_add(in(0) - in(3), scale, in(2)), dtype);
  });
  return true;
}

// Instance and layer normalization are the same computation on rows that are each normalised on their own.

struct Rows {
  std::int64_t count = 0, length = 0;
};

std::vector<double> normalized(std::vector<double> values, Rows rows, double epsilon, std::vector<double>* means = nullptr,
                               std::vector<double>* inverse_deviations = nullptr) {
  if (means != nullptr) means->reserve(static_cast<std::size_t>(rows.count));
  if (inverse_deviations != nullptr) inverse_deviations->reserve(static_cast<std::size_t>(rows.count));
  const bool any = !values.empty() || means != nullptr;
  for (std::int64_t r = 0; any && r < rows.count; ++r) {
    double* row = values.data() + r * rows.length;
    double mean = 0;
    for (std::int64_t i = 0; i < rows.length; ++i) mean += row[i];
    mean /= static_cast<double>(rows.length);
    double variance = 0;
    for (std::int64_t i = 0; i < rows.length; ++i) variance += (row[i] - mean) * (row[i] - mean);
    variance /= static_cast<double>(rows.length);
    const double inverse = 1 / std::sqrt(variance + epsilon);
    for (std::int64_t i = 0; i < rows.length; ++i) row[i] = (row[i] - mean) * inverse;
    if (means != nullptr) means->push_back(mean);
    if (inverse_deviations != nullptr) inverse_deviations->push_back(inverse);
  }
  return values;
}

/// Emits (x - mean) / sqrt(variance + epsilon) * scale + shift over the last axis of `x` (a matrix of rows); scale and shift broadcast
/// to the output's shape, as which x is seen at the end. `mean` and `inverse` are written too if asked for.
void emit_normalization(LoweringContext& c, ValueRef x, double epsilon, ValueRef scale, const ValueRef* shift, const Shape& result,
                        const ValueRef* mean_out, const ValueRef* inverse_out) {
  const DType dtype = c.dtype(x);
  const Shape rows = c.shape(x);
  const Shape column{rows[0], 1};
  const ValueRef mean = c.temporary(dtype, column);
  const ValueRef centered = c.temporary(dtype, rows);
  const ValueRef variance = c.temporary(dtype, column);
  emit_reduce(c, primitive::ReduceKind::mean, x, {1}, mean);
  emit_elementwise(c, {x, mean}, centered, [](Body& b) { return b.input(0) - b.input(1); });
  const ValueRef squares = c.temporary(dtype, rows);
  emit_elementwise(c, {centered}, squares, [](Body& b) { return b.input(0) * b.input(0); });
  emit_reduce(c, primitive::ReduceKind::mean, squares, {1}, variance);
  const ValueRef inverse = c.temporary(dtype, column);
  emit_elementwise(c, {variance}, inverse,
                   [&](Body& b) { return apply(ScalarOp::reciprocal, apply(ScalarOp::sqrt, b.input(0) + epsilon)); });
  if (mean_out != nullptr) c.alias(mean, *mean_out);
  if (inverse_out != nullptr) c.alias(inverse, *inverse_out);
  // One row of `rows` is a run of trailing elements of the result.
  std::vector<std::int64_t> leading;
  std::int64_t covered = 1;
  for (std::size_t i = 0; i < result.rank(); ++i) {
    leading.push_back(covered < rows[0] ? result[i] : 1);
    covered *= result[i];
  }
  const ValueRef x_seen = c.reshape(centered, result);
  const ValueRef inverse_seen = c.reshape(inverse, Shape(leading));
  std::vector<ValueRef> inputs{x_seen, inverse_seen, scale};
  if (shift != nullptr) inputs.push_back(*shift);
  emit_elementwise(c, inputs, c.output(0), [&](Body& b) {
    const Scalar y = b.input(0) * b.input(1);
    return shift == nullptr ? y * b.input(2) : multiply_add(y, b.input(2), b.input(3));
  });
}

std::vector<TensorType> instance_normalization_type(const TypeContext& c) {
  TensorType x = input(c, 0, floats, "input");
  require_same_dtype(c, 0, 1);
  require_same_dtype(c, 0, 2);
  if (x.dims && x.dims->size() < 3)
    fail("input 0 (input) has " + std::to_string(x.dims->size()) + " dimensions where at least 3 are expected");
  Dim channels = x.dims ? (*x.dims)[1] : Dim();
  channels = check_vector(c, 1, channels, "scale");
  channels = check_vector(c, 2, channels, "B");
  if (x.dims) (*x.dims)[1] = channels;
  return {x};
}

std::vector<Tensor> instance_normalization_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& shape = in[0].shape();
  const Rows rows{shape[0] * shape[1], shape.size() == 0 ? 0 : shape.size() / (shape[0] * shape[1])};
  const Shape per_channel = channel_shape(shape[1], shape.rank());
  std::vector<double> values = normalized(read<double>(in[0]), rows, attributes.get_float("epsilon", 1e-5));
  const std::vector<double> scale = read<double>(in[1].reshape(per_channel), shape);
  const std::vector<double> shift = read<double>(in[2].reshape(per_channel), shape);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = values[i] * scale[i] + shift[i];
  return {write(in[0].dtype(), shape, values)};
}

bool lower_instance_normalization(LoweringContext& c) {
  const Shape shape = c.shape(c.input(0));
  if (!inputs_are(c, {DType::f32, DType::f64}) || shape.size() == 0) return false;
  const Shape per_channel = channel_shape(shape[1], shape.rank());
  const std::int64_t rows = shape[0] * shape[1];
  const ValueRef scale = c.reshape(c.input(1), per_channel);
  const ValueRef shift = c.reshape(c.input(2), per_channel);
  emit_normalization(c, c.reshape(c.input(0), Shape{rows, shape.size() / rows}), c.attributes().get_float("epsilon", 1e-5), scale, &shift,
                     shape, nullptr, nullptr);
  return true;
}

std::vector<TensorType> layer_normalization_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "X");
  require_same_dtype(c, 0, 1);
  if (has_input(c, 2)) require_same_dtype(c, 0, 2);
  std::optional<Dims> statistics = x.dims;
  if (x.dims) {
    if (x.dims->empty()) fail("input 0 (X) is a scalar");
    const std::size_t axis = axis_in(c.attributes.get_int("axis", -1), x.dims->size());
    for (const std::size_t i : {1U, 2U}) {
      if (!has_input(c, i) || !c.inputs[i]->dims) continue;
      const auto dims = broadcast_dims(x.dims, c.inputs[i]->dims);
      if (dims->size() != x.dims->size()) fail("input " + std::to_string(i) + " has more dimensions than X");
    }
    for (std::size_t i = axis; i < statistics->size(); ++i) (*statistics)[i] = 1;
  }
  std::vector<TensorType> types{x};
  while (types.size() < c.output_count) types.push_back(typed(DType::f32, statistics));
  return types;
}

std::vector<Tensor> layer_normalization_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t output_count) {
  const Shape& shape = in[0].shape();
  const std::size_t axis = axis_in(attributes.get_int("axis", -1), shape.rank());
  const std::vector<std::int64_t> tail(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
  std::vector<std::int64_t> outer(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(axis));
  const Rows rows{Shape(outer).size(), Shape(tail).size()};
  std::vector<double> means;
  std::vector<double> inverses;
  std::vector<double> values = normalized(read<double>(in[0]), rows, attributes.get_float("epsilon", 1e-5), &means, &inverses);
  const std::vector<double> scale = read<double>(in[1], shape);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= scale[i];
  if (argument(in, 2).defined()) {
    const std::vector<double> shift = read<double>(in[2], shape);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += shift[i];
  }
  outer.resize(shape.rank(), 1);
  std::vector<Tensor> outputs{write(in[0].dtype(), shape, values), write(DType::f32, Shape(outer), means),
                              write(DType::f32, Shape(outer), inverses)};
  outputs.resize(output_count);
  return outputs;
}

bool lower_layer_normalization(LoweringContext& c) {
  const Shape shape = c.shape(c.input(0));
  if (shape.size() == 0 || !inputs_are(c, c.output_count() > 1 ? DTypeSet{DType::f32} : DTypeSet{DType::f32, DType::f64})) return false;
  const std::size_t axis = axis_in(c.attributes().get_int("axis", -1), shape.rank());
  std::int64_t length = 1;
  for (std::size_t i = axis; i < shape.rank(); ++i) length *= shape[i];
  const ValueRef shift = c.has_input(2) ? c.input(2) : c.input(1);
  const ValueRef mean = c.output(c.output_count() > 1 ? 1 : 0);
  const ValueRef inverse = c.output(c.output_count() > 2 ? 2 : 0);
  emit_normalization(c, c.reshape(c.input(0), Shape{shape.size() / length, length}), c.attributes().get_float("epsilon", 1e-5), c.input(1),
                     c.has_input(2) ? &shift : nullptr, shape, c.output_count() > 1 ? &mean : nullptr,
                     c.output_count() > 2 ? &inverse : nullptr);
  return true;
}

}  // namespace

void add_normalization(OperatorRegistry& registry) {
  const auto batch = [&](const char* name, Versions versions, Schema s) {
    registry.add(onnx(name, versions, std::move(s), batch_normalization_type, batch_normalization_kernel, lower_batch_normalization));
  };
  batch("BatchNormalization", {14},
        schema({"X", "scale", "B", "input_mean", "input_var"}, {"Y", "running_mean?", "running_var?"},
               {real("epsilon", 1e-5), real("momentum", 0.9), integer("training_mode", 0)}));
  batch("BatchNormalization@9", {9, 13},
        schema({"X", "scale", "B", "mean", "var"}, {"Y", "mean_out?", "var_out?", "saved_mean?", "saved_var?"},
               {real("epsilon", 1e-5), real("momentum", 0.9)}));
  batch("BatchNormalization@7", {7, 8},
        schema({"X", "scale", "B", "mean", "var"}, {"Y", "mean_out?", "var_out?", "saved_mean?", "saved_var?"},
               {real("epsilon", 1e-5), real("momentum", 0.9), integer("spatial", 1)}));
  registry.add(onnx("InstanceNormalization", {6}, schema({"input", "scale", "B"}, {"output"}, {real("epsilon", 1e-5)}),
                    instance_normalization_type, instance_normalization_kernel, lower_instance_normalization));
  registry.add(onnx(
      "LayerNormalization", {17},
      schema({"X", "Scale", "B?"}, {"Y", "Mean?", "InvStdDev?"}, {integer("axis", -1), real("epsilon", 1e-5), integer("stash_type", 1)}),
      layer_normalization_type, layer_normalization_kernel, lower_layer_normalization));
}

}  // namespace lazyfx::ops
