#include <algorithm>
#include <optional>

#include "ops/families.hpp"
#include "ops/support.hpp"
#include "ops/support/values.hpp"

namespace lazyfx::ops {
namespace {

using Values = std::vector<Value>;

// If, Loop, Scan and SequenceMap. What their graphs read of the graph around them comes as the last `captured` inputs, and is handed to
// every graph behind its own inputs. A graph returns a tuple of its outputs.

/// The inputs proper, and those captured.
struct Split {
  std::span<const Value> own, captured;
};

Split split(const ValueContext& c) {
  const std::int64_t captured = c.attributes.get_int("captured", 0);
  if (captured < 0 || captured > static_cast<std::int64_t>(c.inputs.size()))
    fail("attribute captured is " + std::to_string(captured) + ", which is out of range");
  const std::size_t own = c.inputs.size() - static_cast<std::size_t>(captured);
  return {c.inputs.first(own), c.inputs.subspan(own)};
}

/// The outputs of `graph`, at least `count` of them.
Values run(const GraphCall& graph, Values inputs, std::span<const Value> captured, std::size_t count) {
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  const Value result = graph(inputs);
  Values outputs = result.is_tuple() ? result.items() : Values{result};
  if (outputs.size() < count)
    fail("its graph returns " + std::to_string(outputs.size()) + " values where " + std::to_string(count) + " are expected");
  return outputs;
}

bool truth(const Value& v, const char* what) { return int_of(v.as_tensor(), what) != 0; }

std::vector<Value> if_kernel(const ValueContext& c) {
  const Split inputs = split(c);
  // Graph attributes stand in the order of the schema: else_branch, then_branch.
  Values outputs = run(c.graphs[truth(inputs.own[0], "the condition") ? 1 : 0], {}, inputs.captured, c.output_count);
  outputs.resize(c.output_count);
  return outputs;
}

/// Tensors of one shape, stacked along a new axis; none of them makes an empty tensor of unknown shape, which is a vector here.
Value stacked(const Values& values, std::int64_t at) {
  if (values.empty()) return Tensor::empty(DType::f32, Shape{0});
  const Shape& shape = values[0].as_tensor().shape();
  const std::size_t axis = axis_in(at, shape.rank() + 1);
  std::vector<std::int64_t> dims(shape.begin(), shape.end());
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  std::vector<Tensor> parts;
  for (const Value& v : values) {
    if (!(v.as_tensor().shape() == shape))
      fail("one iteration makes " + to_string(v.as_tensor().shape()) + " where another makes " + to_string(shape));
    parts.push_back(v.as_tensor().reshape(Shape(dims)));
  }
  return joined(parts, axis);
}

/// M, cond, then what is carried from one iteration to the next. The body gives cond, the carried values, and what is collected.
std::vector<Value> loop_kernel(const ValueContext& c) {
  const Split inputs = split(c);
  std::optional<std::int64_t> most;
  if (!inputs.own.empty() && !inputs.own[0].is_none()) most = int_of(inputs.own[0].as_tensor(), "input 0 (M)");
  bool goes_on = inputs.own.size() < 2 || inputs.own[1].is_none() || truth(inputs.own[1], "input 1 (cond)");
  Values carried(inputs.own.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, inputs.own.size())), inputs.own.end());
  std::vector<Values> collected(c.output_count > carried.size() ? c.output_count - carried.size() : 0);
  for (std::int64_t i = 0; goes_on && (!most || i < *most); ++i) {
    Values given{Tensor::scalar(i), Tensor::scalar(goes_on)};
    given.insert(given.end(), carried.begin(), carried.end());
    Values made = run(c.graphs[0], std::move(given), inputs.captured, 1 + carried.size() + collected.size());
    goes_on = truth(made[0], "the condition that the body makes");
    for (std::size_t k = 0; k < carried.size(); ++k) carried[k] = made[1 + k];
    for (std::size_t k = 0; k < collected.size(); ++k) collected[k].push_back(made[1 + carried.size() + k]);
  }
  Values outputs = std::move(carried);
  for (const Values& values : collected) outputs.push_back(stacked(values, 0));
  outputs.resize(c.output_count);
  return outputs;
}

std::int64_t entry(const std::vector<std::int64_t>& values, std::size_t i, std::int64_t fallback) {
  return i < values.size() ? values[i] : fallback;
}

/// What Scan's attributes say of each scanned input or output.
struct Scanned {
  std::vector<std::int64_t> axes, directions;
};

/// Runs the body over the slices of the scanned inputs, carrying states.
Values scan(const GraphCall& body, Values states, const std::vector<Tensor>& sequences, const Scanned& in, const Scanned& out,
            std::span<const Value> captured, std::size_t output_count, std::optional<std::int64_t> given_length) {
  std::vector<std::size_t> axes;
  std::optional<std::int64_t> length = given_length;
  for (std::size_t k = 0; k < sequences.size(); ++k) {
    axes.push_back(axis_in(entry(in.axes, k, 0), sequences[k].rank()));
    const std::int64_t size = sequences[k].shape()[axes[k]];
    if (given_length ? size < *length : length && size != *length)
      fail("one scanned input has " + std::to_string(size) + " slices where others have " + std::to_string(*length));
    if (!length) length = size;
  }
  std::vector<Values> collected(output_count > states.size() ? output_count - states.size() : 0);
  for (std::int64_t i = 0; i < length.value_or(0); ++i) {
    Values given = states;
    for (std::size_t k = 0; k < sequences.size(); ++k) {
      const std::int64_t at = entry(in.directions, k, 0) != 0 ? *length - 1 - i : i;
      given.emplace_back(without_axis(sequences[k].slice(axes[k], at, 1), axes[k]));
    }
    Values made = run(body, std::move(given), captured, states.size() + collected.size());
    for (std::size_t k = 0; k < states.size(); ++k) states[k] = made[k];
    for (std::size_t k = 0; k < collected.size(); ++k) collected[k].push_back(made[states.size() + k]);
  }
  Values outputs = std::move(states);
  for (std::size_t k = 0; k < collected.size(); ++k) {
    if (entry(out.directions, k, 0) != 0) std::reverse(collected[k].begin(), collected[k].end());
    outputs.push_back(stacked(collected[k], entry(out.axes, k, 0)));
  }
  outputs.resize(output_count);
  return outputs;
}

std::size_t scanned_count(const Attributes& attributes, std::size_t inputs) {
  const std::int64_t count = attributes.get_int("num_scan_inputs");
  if (count < 1 || count > static_cast<std::int64_t>(inputs))
    fail("attribute num_scan_inputs is " + std::to_string(count) + " for " + std::to_string(inputs) + " inputs");
  return static_cast<std::size_t>(count);
}

std::vector<Tensor> tensors_of(std::span<const Value> values) {
  std::vector<Tensor> tensors;
  for (const Value& v : values) tensors.push_back(v.as_tensor());
  return tensors;
}

std::vector<Value> scan_kernel(const ValueContext& c) {
  const Split inputs = split(c);
  const std::size_t states = inputs.own.size() - scanned_count(c.attributes, inputs.own.size());
  const Scanned in{c.attributes.get_ints("scan_input_axes"), c.attributes.get_ints("scan_input_directions")};
  const Scanned out{c.attributes.get_ints("scan_output_axes"), c.attributes.get_ints("scan_output_directions")};
  return scan(c.graphs[0], Values(inputs.own.begin(), inputs.own.begin() + static_cast<std::ptrdiff_t>(states)),
              tensors_of(inputs.own.subspan(states)), in, out, inputs.captured, c.output_count, std::nullopt);
}

/// Before version 9: a batch of scans, each of a length of its own; outputs of shorter ones are filled with zeros.
std::vector<Value> scan8_kernel(const ValueContext& c) {
  const Split inputs = split(c);
  const auto own = inputs.own.subspan(1);
  const std::size_t scanned = scanned_count(c.attributes, own.size());
  const std::size_t states = own.size() - scanned;
  const std::vector<Tensor> all = tensors_of(own);
  for (const Tensor& t : all) {
    if (t.rank() == 0 || t.shape()[0] != all[0].shape()[0]) fail("the inputs have no batch in common");
  }
  if (all[states].rank() < 2) fail("a scanned input has no sequence axis");
  const std::int64_t longest = all[states].shape()[1];
  const Scanned in{{}, c.attributes.get_ints("directions")};
  std::vector<std::int64_t> lengths;
  if (!inputs.own[0].is_none()) lengths = ints_of(inputs.own[0].as_tensor(), "input 0 (sequence_lens)");
  std::vector<Values> made(c.output_count);
  for (std::int64_t b = 0; b < all[0].shape()[0]; ++b) {
    const std::int64_t length = entry(lengths, static_cast<std::size_t>(b), longest);
    if (length < 0 || length > longest)
      fail("sequence " + std::to_string(b) + " has length " + std::to_string(length) + " of " + std::to_string(longest));
    const auto item = [&](std::size_t k) { return without_axis(all[k].slice(0, b, 1), 0); };
    Values carried;
    for (std::size_t k = 0; k < states; ++k) carried.emplace_back(item(k));
    std::vector<Tensor> sequences;
    for (std::size_t k = 0; k < scanned; ++k) sequences.push_back(item(states + k));
    Values outputs = scan(c.graphs[0], std::move(carried), sequences, in, {}, inputs.captured, c.output_count, length);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      const bool collected = k >= states;
      made[k].push_back(collected ? Value(filled(outputs[k].as_tensor(), longest)) : outputs[k]);
    }
  }
  Values outputs;
  for (const Values& values : made) outputs.push_back(stacked(values, 0));
  return outputs;
}

/// Runs its graph on each element of the first sequence, with those of others beside it; tensors go to every run.
std::vector<Value> sequence_map_kernel(const ValueContext& c) {
  const Split inputs = split(c);
  const std::size_t count = inputs.own[0].items().size();
  std::vector<Values> made(c.output_count);
  for (std::size_t i = 0; i < count; ++i) {
    Values given;
    for (const Value& v : inputs.own) {
      if (v.is_list() && v.items().size() != count)
        fail("one sequence has " + std::to_string(v.items().size()) + " elements where the first has " + std::to_string(count));
      given.push_back(v.is_list() ? v.items()[i] : v);
    }
    Values outputs = run(c.graphs[0], std::move(given), inputs.captured, c.output_count);
    for (std::size_t k = 0; k < made.size(); ++k) made[k].push_back(outputs[k]);
  }
  Values sequences;
  for (Values& values : made) sequences.push_back(Value::list(std::move(values)));
  return sequences;
}

}  // namespace

void add_control_flow(OperatorRegistry& registry) {
  // A graph may draw random numbers, so that two equal applications are two.
  const auto add = [&](const char* type, Versions versions, Schema s, ValueKernel kernel) {
    s.attributes.push_back(integer("captured", 0));
    Operator op = onnx_on_values(type, versions, std::move(s), std::move(kernel));
    op.effect = Effect::random;
    registry.add(std::move(op));
  };
  add("If", {1}, schema({"cond", "captures*"}, {"outputs..."}, {graph("else_branch"), graph("then_branch")}), if_kernel);
  add("Loop", {1}, schema({"M?", "cond?", "v_initial*"}, {"v_final_and_scan_outputs..."}, {graph("body")}), loop_kernel);
  add("Scan", {9},
      schema({"initial_state_and_scan_inputs..."}, {"final_state_and_scan_outputs..."},
             {graph("body"), required(integer("num_scan_inputs")), integers("scan_input_axes"), integers("scan_input_directions"),
              integers("scan_output_axes"), integers("scan_output_directions")}),
      scan_kernel);
  add("Scan@8", {8, 8},
      schema({"sequence_lens?", "initial_state_and_scan_inputs..."}, {"final_state_and_scan_outputs..."},
             {graph("body"), integers("directions"), required(integer("num_scan_inputs"))}),
      scan8_kernel);
  add("SequenceMap", {17}, schema({"input_sequence", "additional_inputs*"}, {"out_sequence..."}, {graph("body")}), sequence_map_kernel);
}

}  // namespace lazyfx::ops
