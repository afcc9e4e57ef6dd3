#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/graph/graph.hpp"
#include "lazyfx/module/module.hpp"
#include "lazyfx/tensor/value.hpp"

/// Graphs over f32 made at random from a seed: elementwise operators, matrix products, reductions, concatenations, reshapes, transposes
/// and softmaxes of shapes that are known, every value in a range where f32 is exact enough to compare two ways of computing it.
namespace support {

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }
inline bool chance(Random& random, std::size_t one_in) { return below(random, one_in) == 0; }
inline double between(Random& random, double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); }
template <class Items>
decltype(auto) pick(Random& random, const Items& items) {
  return items[below(random, items.size())];
}

inline lazyfx::Tensor random_tensor(Random& random, const lazyfx::Shape& shape) {
  lazyfx::Tensor tensor = lazyfx::Tensor::empty(lazyfx::DType::f32, shape);
  for (float& element : tensor.mutable_values<float>()) element = static_cast<float>(between(random, -1, 1));
  return tensor;
}

struct RandomGraphOptions {
  std::size_t nodes = 20;    ///< operators, about
  bool typed = true;         ///< placeholders say their shapes, else only their dtype
  bool constants = true;     ///< weights as attributes of `root` and as constant tensors; else only literals
};

class RandomGraph {
 public:
  explicit RandomGraph(std::uint64_t seed, RandomGraphOptions options = {}) : random_(seed), options_(options) { build(); }

  const std::shared_ptr<lazyfx::Graph>& graph() const { return graph_; }
  const lazyfx::Module& root() const { return root_; }

  /// Inputs of a call.
  std::vector<lazyfx::Value> inputs(Random& random) const {
    std::vector<lazyfx::Value> values;
    for (const lazyfx::Shape& shape : inputs_) values.push_back(random_tensor(random, shape));
    return values;
  }

  /// Edits the graph so that it stays well formed and its shapes remain: another operator, another number, a node more or less.
  void edit() {
    using lazyfx::Opcode;
    const auto nodes = graph_->find_nodes(Opcode::call_function);
    lazyfx::Node node = pick(random_, nodes);
    if (is_one_of(node.target(), unary)) {
      if (grown_ < 8 && chance(random_, 3))
        insert_after(node);
      else if (node.name().starts_with("grown") && chance(random_, 2))
        remove(node);
      else
        node.set_target(pick(random_, unary));
    } else if (is_one_of(node.target(), additive)) {
      node.set_target(pick(random_, additive));
    } else if (node.name().starts_with("scaled")) {
      node.update_arg(1, between(random_, -1, 1));
    }
  }

 private:
  using Shape = lazyfx::Shape;
  using Node = lazyfx::Node;
  struct Known {
    Node node;
    Shape shape;
    double bound;  ///< no element is larger
  };
  static constexpr std::array unary{"onnx::Tanh", "onnx::Sigmoid", "onnx::Relu", "onnx::Neg", "onnx::Abs", "onnx::Sin", "onnx::Cos"};
  static constexpr std::array additive{"onnx::Add", "onnx::Sub", "onnx::Max", "onnx::Min"};
  static constexpr std::array reductions{"onnx::ReduceMean", "onnx::ReduceMax", "onnx::ReduceMin"};
  static constexpr std::array<std::int64_t, 8> sizes{1, 2, 3, 4, 5, 7, 8, 16};
  static constexpr std::int64_t max_size = 1024;

  template <class Names>
  static bool is_one_of(const std::string& name, const Names& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  void build() {
    const std::size_t count = 1 + below(random_, 3);
    for (std::size_t i = 0; i < count; ++i) {
      const Shape shape = random_shape();
      const lazyfx::TensorType type =
          options_.typed ? lazyfx::TensorType(lazyfx::DType::f32, shape) : lazyfx::TensorType(lazyfx::DType::f32);
      inputs_.push_back(shape);
      values_.push_back({graph_->placeholder("x" + std::to_string(i), type), shape, 1});
    }
    while (graph_->size() < options_.nodes + count) add_node();
    lazyfx::Argument::Items results;
    for (const Known& v : values_) {
      if (v.node.user_count() == 0) results.emplace_back(v.node);
    }
    graph_->output(results.size() == 1 && chance(random_, 2) ? results[0] : lazyfx::Argument::tuple(std::move(results)));
  }

  Shape random_shape() {
    std::vector<std::int64_t> dims(1 + below(random_, 3));
    do {
      for (auto& dim : dims) dim = pick(random_, sizes);
    } while (Shape(dims).size() > max_size);
    return Shape(dims);
  }

  // Prefers what was made last, so that graphs are deep.
  const Known& any() {
    const std::size_t back = std::min(values_.size(), std::size_t{6});
    return chance(random_, 4) ? pick(random_, values_) : values_[values_.size() - 1 - below(random_, back)];
  }

  void add(Node node, const Shape& shape, double bound) {
    values_.push_back({node, shape, std::max(bound, 1.0)});
    if (bound > 32) {
      const Known last = values_.back();
      add(call("onnx::Tanh", {graph_->call_function("onnx::Mul", {last.node, 1 / bound})}), last.shape, 1);
    }
  }

  Node call(const char* target, lazyfx::Arguments args, lazyfx::Keywords kwargs = {}) {
    return graph_->call_function(target, std::move(args), std::move(kwargs));
  }

  void add_node() {
    const Known x = any();
    switch (below(random_, 10)) {
      case 0:
      case 1: add(call(pick(random_, unary), {x.node}), x.shape, x.bound); break;
      case 2:
      case 3: add_binary(x); break;
      case 4: add(graph_->call_function("onnx::Mul", {x.node, between(random_, -1, 1)}, {}, "scaled"), x.shape, x.bound); break;
      case 5: add_product(x); break;
      case 6: add_reduction(x); break;
      case 7: add_concatenation(x); break;
      case 8: add_movement(x); break;
      default: add(call("onnx::Softmax", {x.node}, {{"axis", axis_of(x.shape)}}), x.shape, 1); break;
    }
  }

  std::int64_t axis_of(const Shape& shape) { return static_cast<std::int64_t>(below(random_, shape.rank())); }

  void add_binary(const Known& x) {
    std::vector<Known> fitting;
    for (const Known& v : values_) {
      const auto shape = lazyfx::broadcast(x.shape, v.shape);
      if (shape && shape->size() <= max_size) fitting.push_back(v);
    }
    const Known y = pick(random_, fitting);  // x itself fits
    const Shape shape = *lazyfx::broadcast(x.shape, y.shape);
    if (chance(random_, 3))
      add(call("onnx::Mul", {x.node, y.node}), shape, x.bound * y.bound);
    else
      add(call(pick(random_, additive), {x.node, y.node}), shape, x.bound + y.bound);
  }

  Node weight(const Shape& shape) {
    const lazyfx::Tensor tensor = random_tensor(random_, shape);
    const std::string path = "layer" + std::to_string(weights_++) + ".weight";
    root_.set_tensor(path, tensor, lazyfx::Module::TensorKind::parameter);
    return graph_->get_attr(path);
  }

  void add_product(const Known& x) {
    if (x.shape.rank() != 2 || !options_.constants) return;
    const std::int64_t inner = x.shape[1], columns = pick(random_, sizes);
    if (x.shape[0] * columns > max_size) return;
    const double bound = x.bound * static_cast<double>(inner);
    if (chance(random_, 2)) {
      add(call("onnx::MatMul", {x.node, weight(Shape{inner, columns})}), Shape{x.shape[0], columns}, bound);
    } else {
      const lazyfx::Argument bias = random_tensor(random_, Shape{columns});
      add(call("onnx::Gemm", {x.node, weight(Shape{columns, inner}), bias}, {{"transB", 1}}), Shape{x.shape[0], columns}, bound + 1);
    }
  }

  void add_reduction(const Known& x) {
    const std::int64_t axis = axis_of(x.shape);
    const bool keep = chance(random_, 2) || x.shape.rank() == 1;
    std::vector<std::int64_t> dims;
    for (std::size_t i = 0; i < x.shape.rank(); ++i) {
      if (static_cast<std::int64_t>(i) != axis)
        dims.push_back(x.shape[i]);
      else if (keep)
        dims.push_back(1);
    }
    const auto axes = lazyfx::Argument::ints({axis});
    if (chance(random_, 3)) {
      const double bound = x.bound * static_cast<double>(x.shape[static_cast<std::size_t>(axis)]);
      add(call("onnx::ReduceSum", {x.node, axes}, {{"keepdims", keep ? 1 : 0}}), Shape(dims), bound);
    } else {
      add(call(pick(random_, reductions), {x.node}, {{"axes", axes}, {"keepdims", keep ? 1 : 0}}), Shape(dims), x.bound);
    }
  }

  void add_concatenation(const Known& x) {
    const std::int64_t axis = axis_of(x.shape);
    lazyfx::Argument::Items items{x.node};
    std::vector<std::int64_t> dims(x.shape.begin(), x.shape.end());
    double bound = x.bound;
    for (const Known& y : values_) {
      const auto fits = [&] {
        if (y.shape.rank() != x.shape.rank() || items.size() > 3) return false;
        for (std::size_t i = 0; i < x.shape.rank(); ++i) {
          if (static_cast<std::int64_t>(i) != axis && y.shape[i] != x.shape[i]) return false;
        }
        return true;
      };
      if (!fits() || Shape(dims).size() + y.shape.size() > max_size) continue;
      items.emplace_back(y.node);
      dims[static_cast<std::size_t>(axis)] += y.shape[static_cast<std::size_t>(axis)];
      bound = std::max(bound, y.bound);
    }
    add(call("onnx::Concat", {lazyfx::Argument::list(std::move(items))}, {{"axis", axis}}), Shape(dims), bound);
  }

  void add_movement(const Known& x) {
    if (x.shape.rank() >= 2 && chance(random_, 2)) {
      std::vector<std::int64_t> order(x.shape.rank()), dims;
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
      std::shuffle(order.begin(), order.end(), random_);
      for (const std::int64_t axis : order) dims.push_back(x.shape[static_cast<std::size_t>(axis)]);
      add(call("onnx::Transpose", {x.node}, {{"perm", lazyfx::Argument::ints(order)}}), Shape(dims), x.bound);
      return;
    }
    std::vector<std::int64_t> dims{x.shape.size()};
    for (const std::int64_t factor : sizes) {
      if (factor > 1 && dims[0] % factor == 0 && dims.size() < 3) {
        dims[0] /= factor;
        dims.push_back(factor);
      }
    }
    std::vector<std::int64_t> asked = dims;
    asked[0] = -1;
    add(call("onnx::Reshape", {x.node, lazyfx::Argument::ints(asked)}), Shape(dims), x.bound);
  }

  void insert_after(Node node) {
    const auto scope = graph_->inserting_after(node);
    const Node grown = graph_->call_function(pick(random_, unary), {node}, {}, "grown");
    node.replace_all_uses_with(grown, [grown](Node user) { return !(user == grown); });
    ++grown_;
  }

  void remove(Node node) {
    node.replace_all_uses_with(graph_->node(node.arg(0).as_node()));
    graph_->erase_node(node);
    --grown_;
  }

  Random random_;
  RandomGraphOptions options_;
  std::shared_ptr<lazyfx::Graph> graph_ = std::make_shared<lazyfx::Graph>();
  lazyfx::Container root_;
  std::vector<Shape> inputs_;
  std::vector<Known> values_;
  std::size_t weights_ = 0;
  std::size_t grown_ = 0;
};

}  // namespace support
