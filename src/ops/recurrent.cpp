#include <algorithm>
#include <cctype>
#include <optional>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

using Value = Composer::Value;
using Sizes = std::vector<std::int64_t>;

// RNN, GRU and LSTM: the same walk over time with different cells. Every cell has rows of W and R per gate, one below the other.

enum class Cell : std::uint8_t { rnn, gru, lstm };

std::int64_t gates_of(Cell cell) { return cell == Cell::rnn ? 1 : cell == Cell::gru ? 3 : 4; }
std::size_t functions_of(Cell cell) { return cell == Cell::rnn ? 1 : cell == Cell::gru ? 2 : 3; }

/// Which directions are walked, backwards or not.
std::vector<bool> directions_of(const Attributes& attributes) {
  const std::string direction = attributes.get_string("direction", "forward");
  if (direction == "forward") return {false};
  if (direction == "reverse") return {true};
  if (direction == "bidirectional") return {false, true};
  fail("attribute direction is \"" + direction + "\", which is none of forward, reverse, bidirectional");
}

bool batch_first(const Attributes& attributes) { return attributes.get_int("layout", 0) != 0; }

void check_rank(const TypeContext& c, std::size_t i, std::size_t rank, const char* name) {
  if (has_input(c, i) && c.inputs[i]->dims && c.inputs[i]->dims->size() != rank) {
    fail("input " + std::to_string(i) + " (" + name + ") has " + std::to_string(c.inputs[i]->dims->size()) + " dimensions where " +
         std::to_string(rank) + " are expected");
  }
}

Dim dim(const TypeContext& c, std::size_t i, std::size_t axis) {
  return has_input(c, i) && c.inputs[i]->dims ? (*c.inputs[i]->dims)[axis] : Dim();
}

std::vector<TensorType> recurrent_type(const TypeContext& c, Cell cell) {
  const DType dtype = input(c, 0, floats, "X").dtype;
  const auto directions = static_cast<std::int64_t>(directions_of(c.attributes).size());
  const char* names[] = {"X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"};
  const std::size_t ranks[] = {3, 3, 3, 2, 1, 3, 3, 2};
  for (std::size_t i = 0; i < 8; ++i) {
    if (i != 0 && i != 4 && has_input(c, i)) require_same_dtype(c, 0, i);
    check_rank(c, i, ranks[i], names[i]);
  }
  if (has_input(c, 4)) input(c, 4, index_dtypes, "sequence_lens");
  const bool batches_first = batch_first(c.attributes);
  const std::size_t batch_axis = batches_first ? 0 : 1;
  Dim hidden = c.attributes.has("hidden_size") ? Dim(c.attributes.get_int("hidden_size")) : Dim();
  if (hidden.size < -1 || hidden.size == 0) fail("attribute hidden_size is " + std::to_string(hidden.size));
  hidden = merge(hidden, dim(c, 2, 2), "hidden_size and the columns of R");
  const Dim rows = multiply(hidden, Dim(gates_of(cell)));
  for (const std::size_t i : {1U, 2U}) {
    merge(dim(c, i, 0), Dim(directions), std::string("the first dimension of ") + names[i] + " and the directions");
    merge(dim(c, i, 1), rows, std::string("the rows of ") + names[i] + " and the gates' elements");
  }
  merge(dim(c, 1, 2), dim(c, 0, 2), "the columns of W and the elements of X");
  const Dim time = dim(c, 0, batches_first ? 1 : 0);
  Dim batch = dim(c, 0, batch_axis);
  batch = merge(batch, dim(c, 4, 0), "the batch and the size of sequence_lens");
  for (const std::size_t i : {5U, 6U}) {
    batch = merge(batch, dim(c, i, batch_axis), std::string("the batches of X and ") + names[i]);
    merge(dim(c, i, 1 - batch_axis), Dim(directions), std::string("the directions of ") + names[i]);
    merge(dim(c, i, 2), hidden, std::string("the elements of ") + names[i]);
  }
  merge(dim(c, 3, 1), multiply(rows, Dim(2)), "the columns of B and twice the gates' elements");
  merge(dim(c, 7, 1), multiply(hidden, Dim(3)), "the columns of P and three times hidden_size");
  const Dims state = batches_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
  const Dims all = batches_first ? Dims{batch, time, directions, hidden} : Dims{time, directions, batch, hidden};
  std::vector<TensorType> types{TensorType(dtype, all), TensorType(dtype, state), TensorType(dtype, state)};
  types.resize(c.output_count);
  return types;
}

/// One activation function with its parameters.
struct Function {
  std::string name;
  double alpha = 0, beta = 0;
};

/// The functions of all directions. Parameters are used up in order by those that take them.
std::vector<Function> functions(const Attributes& attributes, Cell cell, std::size_t directions) {
  std::vector<std::string> names = attributes.get_strings("activations");
  const std::size_t wanted = functions_of(cell) * directions;
  if (names.empty()) {
    const char* defaults[] = {"sigmoid", "tanh", "tanh"};
    for (std::size_t i = 0; i < wanted; ++i) names.emplace_back(cell == Cell::rnn ? "tanh" : defaults[i % functions_of(cell)]);
  }
  if (names.size() < wanted)
    fail("attribute activations has " + std::to_string(names.size()) + " entries where " + std::to_string(wanted) + " are expected");
  struct Default {
    const char* name;
    std::optional<double> alpha, beta;
  };
  const Default known[] = {{"relu", {}, {}},     {"tanh", {}, {}},          {"sigmoid", {}, {}},     {"softsign", {}, {}},
                           {"softplus", {}, {}}, {"affine", 1, 0.0},        {"leakyrelu", 0.01, {}}, {"thresholdedrelu", 1, {}},
                           {"scaledtanh", 1, 1}, {"hardsigmoid", 0.2, 0.5}, {"elu", 1, {}}};
  const auto alphas = attributes.get_floats("activation_alpha"), betas = attributes.get_floats("activation_beta");
  std::size_t next_alpha = 0, next_beta = 0;
  std::vector<Function> result;
  for (std::size_t i = 0; i < wanted; ++i) {
    std::string lower;
    for (const char ch : names[i]) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    const auto* found = std::find_if(std::begin(known), std::end(known), [&](const Default& d) { return d.name == lower; });
    if (found == std::end(known)) fail("attribute activations holds \"" + names[i] + "\", which is no activation function");
    Function f{lower};
    if (found->alpha) f.alpha = next_alpha < alphas.size() ? alphas[next_alpha++] : *found->alpha;
    if (found->beta) f.beta = next_beta < betas.size() ? betas[next_beta++] : *found->beta;
    result.push_back(f);
  }
  return result;
}

/// The walk of one direction.
class Walk {
 public:
  Walk(Composer& c, Cell cell, std::int64_t hidden, std::span<const Function> functions)
      : c_(c), cell_(cell), hidden_(hidden), functions_(functions), dtype_(c.dtype(c.input(0))) {
    if (c.attributes().has("clip")) clip_ = c.attributes().get_float("clip");
    ones_minus_ = c.number(dtype_, 1);
  }

  // Of this direction: R transposed to H x GH, its bias (none: absent), peepholes of 3H (none: absent).
  Value recurrence = Composer::none, recurrence_bias = Composer::none, peepholes = Composer::none;
  Value h = Composer::none, cell_state = Composer::none;

  /// One step from the inputs' share of the gates, B x GH.
  void step(Value gates) {
    switch (cell_) {
      case Cell::rnn: h = activate(0, add(gates, recurrent(h))); break;
      case Cell::gru: h = gru(gates); break;
      case Cell::lstm: lstm(gates); break;
    }
  }

 private:
  Value add(Value a, Value b) { return c_.apply("Add", {a, b}); }
  Value multiply(Value a, Value b) { return c_.apply("Mul", {a, b}); }
  Value one_minus(Value v) { return c_.apply("Sub", {ones_minus_, v}); }
  Value gate(Value gates, std::int64_t i) { return gates_of(cell_) == 1 ? gates : c_.slice(gates, 1, i * hidden_, (i + 1) * hidden_); }
  Value recurrent(Value state) {
    const Value product = c_.apply("MatMul", {state, recurrence});
    return recurrence_bias == Composer::none ? product : add(product, recurrence_bias);
  }
  Value peeped(Value gate, std::int64_t i, Value state) {
    return peepholes == Composer::none ? gate : add(gate, multiply(c_.slice(peepholes, 0, i * hidden_, (i + 1) * hidden_), state));
  }

  Value activate(std::size_t i, Value x) {
    if (clip_) x = c_.apply("Clip", {x, c_.number(dtype_, -*clip_), c_.number(dtype_, *clip_)});
    const Function& f = functions_[i];
    const auto number = [&](double v) { return c_.number(dtype_, v); };
    if (f.name == "tanh") return c_.apply("Tanh", {x});
    if (f.name == "sigmoid") return c_.apply("Sigmoid", {x});
    if (f.name == "relu") return c_.apply("Relu", {x});
    if (f.name == "softsign") return c_.apply("Softsign", {x});
    if (f.name == "softplus") return c_.apply("Softplus", {x});
    if (f.name == "affine") return add(multiply(number(f.alpha), x), number(f.beta));
    if (f.name == "scaledtanh") return multiply(number(f.alpha), c_.apply("Tanh", {multiply(number(f.beta), x)}));
    if (f.name == "leakyrelu") return c_.apply("LeakyRelu", {x}, {{"alpha", f.alpha}});
    if (f.name == "thresholdedrelu") return c_.apply("ThresholdedRelu", {x}, {{"alpha", f.alpha}});
    if (f.name == "hardsigmoid") return c_.apply("HardSigmoid", {x}, {{"alpha", f.alpha}, {"beta", f.beta}});
    return c_.apply("Elu", {x}, {{"alpha", f.alpha}});
  }

  /// Gates: update z, reset r, hidden h.
  Value gru(Value gates) {
    const bool before = c_.attributes().get_int("linear_before_reset", 0) != 0;
    const auto columns = [&](Value v, std::int64_t first, std::int64_t last) { return c_.slice(v, 1, first * hidden_, last * hidden_); };
    Value from_state;
    Value candidate_state;
    if (before) {
      const Value all = recurrent(h);
      from_state = columns(all, 0, 2);
      candidate_state = columns(all, 2, 3);
    } else {
      from_state = c_.apply("MatMul", {h, columns(recurrence, 0, 2)});
      if (recurrence_bias != Composer::none) from_state = add(from_state, c_.slice(recurrence_bias, 0, 0, 2 * hidden_));
    }
    const Value both = activate(0, add(columns(gates, 0, 2), from_state));
    const Value z = columns(both, 0, 1), r = columns(both, 1, 2);
    if (before) {
      candidate_state = multiply(r, candidate_state);
    } else {
      candidate_state = c_.apply("MatMul", {multiply(r, h), columns(recurrence, 2, 3)});
      if (recurrence_bias != Composer::none) candidate_state = add(candidate_state, c_.slice(recurrence_bias, 0, 2 * hidden_, 3 * hidden_));
    }
    const Value candidate = activate(1, add(columns(gates, 2, 3), candidate_state));
    return add(multiply(one_minus(z), candidate), multiply(z, h));
  }

  /// Gates: input i, output o, forget f, cell c; peepholes: i, o, f.
  void lstm(Value gates) {
    const Value sums = add(gates, recurrent(h));
    const Value i = activate(0, peeped(gate(sums, 0), 0, cell_state));
    const bool coupled = c_.attributes().get_int("input_forget", 0) != 0;
    const Value f = coupled ? one_minus(i) : activate(0, peeped(gate(sums, 2), 2, cell_state));
    const Value candidate = activate(1, gate(sums, 3));
    cell_state = add(multiply(f, cell_state), multiply(i, candidate));
    const Value o = activate(0, peeped(gate(sums, 1), 1, cell_state));
    // Clipping is for the inputs of gates; the cell's own output is not one.
    const std::optional<double> clip = std::exchange(clip_, std::nullopt);
    h = multiply(o, activate(2, cell_state));
    clip_ = clip;
  }

  Composer& c_;
  Cell cell_;
  std::int64_t hidden_;
  std::span<const Function> functions_;
  DType dtype_;
  std::optional<double> clip_;
  Value ones_minus_;
};

/// What one direction makes: Y (time x batch x hidden) and the last states.
struct Walked {
  Value y, h, cell_state;
};

Walked walk(Composer& c, Cell cell, std::int64_t d, bool backwards, Value x, std::span<const Function> functions) {
  const Shape shape = c.shape(x);
  const std::int64_t time = shape[0], batch = shape[1];
  const std::int64_t hidden = c.shape(c.input(2))[2], rows = gates_of(cell) * hidden;
  const DType dtype = c.dtype(x);
  const auto own = [&](Value v) { return c.squeeze(c.slice(v, 0, d, d + 1), 0); };
  const auto state = [&](std::size_t i) {
    if (!c.has_input(i)) return c.constant(Tensor::zeros(dtype, Shape{batch, hidden}));
    return c.squeeze(c.slice(c.input(i), batch_first(c.attributes()) ? 1 : 0, d, d + 1), batch_first(c.attributes()) ? 1 : 0);
  };
  Walk walk(c, cell, hidden, functions);
  walk.recurrence = c.transpose(own(c.input(2)), {1, 0});
  walk.h = state(5);
  if (cell == Cell::lstm) walk.cell_state = state(6);
  if (c.has_input(7)) walk.peepholes = own(c.input(7));
  std::optional<Value> lengths;
  if (c.has_input(4)) lengths = c.cast(c.input(4), DType::i64);
  const bool turned = backwards && lengths;  // each sequence of its own length begins with its own last element
  const auto turn = [&](Value v) { return turned ? c.apply("ReverseSequence", {v, *lengths}, {{"time_axis", 0}, {"batch_axis", 1}}) : v; };
  Value shares = c.apply("MatMul", {c.reshape(turn(x), {time * batch, shape[2]}), c.transpose(own(c.input(1)), {1, 0})});
  if (c.has_input(3)) {
    const Value bias = own(c.input(3));
    shares = c.apply("Add", {shares, c.slice(bias, 0, 0, rows)});
    walk.recurrence_bias = c.slice(bias, 0, rows, 2 * rows);
  }
  const Value zero = c.number(dtype, 0);
  Composer::Values ys(static_cast<std::size_t>(time));
  for (std::int64_t n = 0; n < time; ++n) {
    const std::int64_t t = backwards && !turned ? time - 1 - n : n;
    const Value old_h = walk.h, old_cell = walk.cell_state;
    walk.step(c.slice(shares, 0, t * batch, (t + 1) * batch));
    Value y = walk.h;
    if (lengths) {  // a sequence that has ended keeps its state and gives zeros
      const Value goes_on = c.unsqueeze(c.apply("Greater", {*lengths, c.constant(Tensor::scalar(t))}), 1);
      y = c.apply("Where", {goes_on, walk.h, zero});
      walk.h = c.apply("Where", {goes_on, walk.h, old_h});
      if (cell == Cell::lstm) walk.cell_state = c.apply("Where", {goes_on, walk.cell_state, old_cell});
    }
    ys[static_cast<std::size_t>(t)] = c.unsqueeze(y, 0);
  }
  const Value y = ys.empty() ? c.constant(Tensor::zeros(dtype, Shape{0, batch, hidden})) : c.concat(ys, 0);
  return {turn(y), walk.h, walk.cell_state};
}

Composer::Values recurrent(Composer& c, Cell cell) {
  const bool batches_first = batch_first(c.attributes());
  const Value x = batches_first ? c.transpose(c.input(0), {1, 0, 2}) : c.input(0);
  const std::vector<bool> directions = directions_of(c.attributes());
  const std::vector<Function> all = functions(c.attributes(), cell, directions.size());
  constexpr std::int64_t applications_per_step = 24, most_steps = 1 << 20;
  if (c.shape(x)[0] > most_steps) unsupported("sequences of " + std::to_string(c.shape(x)[0]) + " elements are too long to be walked");
  c.expect(multiply(multiply(c.shape(x)[0], static_cast<std::int64_t>(directions.size())), applications_per_step));
  Composer::Values ys, hs, cells;
  for (std::size_t d = 0; d < directions.size(); ++d) {
    const auto own = std::span(all).subspan(d * functions_of(cell), functions_of(cell));
    const Walked walked = walk(c, cell, static_cast<std::int64_t>(d), directions[d], x, own);
    const std::int64_t axis = batches_first ? 1 : 0;
    ys.push_back(c.unsqueeze(walked.y, 1));
    hs.push_back(c.unsqueeze(walked.h, axis));
    if (cell == Cell::lstm) cells.push_back(c.unsqueeze(walked.cell_state, axis));
  }
  const std::int64_t axis = batches_first ? 1 : 0;
  const Value y = c.concat(ys, 1);
  Composer::Values results{batches_first ? c.transpose(y, {2, 0, 1, 3}) : y};
  if (c.output_count() > 1) results.push_back(c.concat(hs, axis));
  if (c.output_count() > 2) results.push_back(c.concat(cells, axis));
  return results;
}

}  // namespace

void add_recurrent(OperatorRegistry& registry) {
  // layout came with version 14; absent it changes nothing.
  const auto add = [&](const char* type, Cell cell, Schema s) {
    for (AttributeSpec spec : {reals("activation_alpha"), reals("activation_beta"), texts("activations"), real("clip"),
                               text("direction", "forward"), integer("hidden_size"), integer("layout", 0)}) {
      s.attributes.push_back(std::move(spec));
    }
    registry.add(composed(
        type, {7}, std::move(s), [cell](const TypeContext& c) { return recurrent_type(c, cell); },
        [cell](Composer& c) { return recurrent(c, cell); }));
  };
  add("RNN", Cell::rnn, schema({"X", "W", "R", "B?", "sequence_lens?", "initial_h?"}, {"Y?", "Y_h?"}));
  add("GRU", Cell::gru, schema({"X", "W", "R", "B?", "sequence_lens?", "initial_h?"}, {"Y?", "Y_h?"}, {integer("linear_before_reset", 0)}));
  add("LSTM", Cell::lstm,
      schema({"X", "W", "R", "B?", "sequence_lens?", "initial_h?", "initial_c?", "P?"}, {"Y?", "Y_h?", "Y_c?"},
             {integer("input_forget", 0)}));
}

}  // namespace lazyfx::ops
