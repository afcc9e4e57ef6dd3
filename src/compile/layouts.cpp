#include <map>
#include <numeric>

#include "compile/typed_graph.hpp"

namespace lazyfx::compile {
namespace {

using Index = TypedGraph::Index;
using kernels::Layout;

/// True when both layouts are the same bytes: one channel, or one position.
bool neutral(const Shape& shape) {
  if (shape.rank() < 3 || shape.size() == 0) return true;
  return shape[1] == 1 || shape.size() == shape[0] * shape[1];
}

bool can_be_channels_last(const Shape& shape) { return shape.rank() >= 3 && shape.rank() <= 5; }

class Assigner {
 public:
  explicit Assigner(TypedGraph& graph) : graph_(graph) {}

  void run() {
    std::vector<TypedGraph::Step> steps = std::move(graph_.steps);
    graph_.steps.clear();
    graph_.steps.reserve(steps.size());
    for (auto& step : steps) {
      if (step.primitive() == nullptr) {
        for (Index& v : step.inputs) {
          if (v != TypedGraph::none) v = in_layout(v, Layout::row_major);
        }
      } else {
        place(step);
      }
      graph_.steps.push_back(std::move(step));
    }
    for (Index& v : graph_.outputs) v = in_layout(v, Layout::row_major);
  }

 private:
  void place(TypedGraph::Step& step) {
    std::vector<kernels::Operand> operands;
    std::vector<Tensor> constants;
    for (const Index v : step.inputs) {
      operands.push_back({graph_.values[v].dtype, graph_.values[v].shape, layout_of(v)});
      constants.push_back(graph_.values[v].constant);
    }
    const Index out = step.outputs[0];
    const auto& output = graph_.values[out];
    const kernels::Operand target{output.dtype, output.shape, Layout::row_major};
    const auto preference = kernels::preferred_layouts(*step.primitive(), operands, target, constants);
    if (preference.follows) {
      const Layout layout = followed(step, output.shape);
      for (Index& v : step.inputs) v = beside(v, layout, output.shape.rank());
      graph_.values[out].layout = can_be_channels_last(target.shape) ? layout : Layout::row_major;
    } else {
      graph_.values[out].layout = preference.output;
      for (std::size_t i = 0; i < step.inputs.size(); ++i) step.inputs[i] = in_layout(step.inputs[i], preference.inputs[i]);
    }
    for (Index& v : step.epilogue_inputs) v = beside(v, graph_.values[out].layout, graph_.values[out].shape.rank());
  }

  Layout layout_of(Index v) const { return graph_.values[v].layout; }

  Layout followed(const TypedGraph::Step& step, const Shape& output) const {
    if (!can_be_channels_last(output)) return Layout::row_major;
    for (const Index v : step.inputs) {
      if (layout_of(v) == Layout::channels_last && !neutral(graph_.values[v].shape)) return Layout::channels_last;
    }
    return Layout::row_major;
  }

  /// An operand next to a value of `layout`: of full rank it is brought into the same layout, of lower rank it broadcasts as it is.
  Index beside(Index v, Layout layout, std::size_t rank) {
    return in_layout(v, graph_.values[v].shape.rank() == rank ? layout : Layout::row_major);
  }

  Index in_layout(Index v, Layout wanted) {
    const Shape shape = graph_.values[v].shape;
    if (!can_be_channels_last(shape)) wanted = Layout::row_major;
    const Index root = graph_.root(v);
    if (root != v && graph_.values[root].layout != Layout::row_major && !neutral(graph_.values[root].shape)) {
      const Index plain = in_layout(root, Layout::row_major);
      v = aliases(plain, v);
    }
    if (layout_of(v) == wanted) return v;
    if (neutral(shape)) return relabelled(v, wanted);
    const auto known = changed_.find({v, wanted});
    if (known != changed_.end()) return known->second;
    const Index out = graph_.add_value(graph_.values[v].dtype, shape);
    graph_.values[out].layout = wanted;
    if (graph_.values[graph_.root(v)].constant.defined()) {
      const Tensor constant = graph_.values[graph_.root(v)].constant.reshape(shape);
      graph_.values[out].stored = wanted == Layout::channels_last ? channels_last(constant) : constant;
    } else {
      TypedGraph::Step change;
      change.work = kernels::layout_change(shape, layout_of(v), wanted);
      change.changes_layout = true;
      change.inputs = {v};
      change.outputs = {out};
      change.node = graph_.steps.empty() ? 0 : graph_.steps.back().node;
      graph_.steps.push_back(std::move(change));
    }
    changed_.emplace(std::pair(v, wanted), out);
    return out;
  }

  /// The shape that `like` gives to its root's elements, given to `root` instead.
  Index aliases(Index root, Index like) {
    const auto known = alias_.find({root, like});
    if (known != alias_.end()) return known->second;
    const Index out = graph_.add_value(graph_.values[like].dtype, graph_.values[like].shape);
    graph_.values[out].alias_of = root;
    alias_.emplace(std::pair(root, like), out);
    return out;
  }

  /// The same bytes under the other layout's name.
  Index relabelled(Index v, Layout layout) {
    const auto known = changed_.find({v, layout});
    if (known != changed_.end()) return known->second;
    const Index out = graph_.add_value(graph_.values[v].dtype, graph_.values[v].shape);
    graph_.values[out].alias_of = v;
    graph_.values[out].layout = layout;
    changed_.emplace(std::pair(v, layout), out);
    return out;
  }

  static Tensor channels_last(const Tensor& constant) {
    std::vector<std::size_t> order{0};
    for (std::size_t axis = 2; axis < constant.rank(); ++axis) order.push_back(axis);
    order.push_back(1);
    return constant.transpose(order).contiguous();
  }

  TypedGraph& graph_;
  std::map<std::pair<Index, Layout>, Index> changed_;
  std::map<std::pair<Index, Index>, Index> alias_;
};

}  // namespace

void assign_layouts(TypedGraph& graph) { Assigner(graph).run(); }

}  // namespace lazyfx::compile
