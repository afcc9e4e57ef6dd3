#include "onnx_values.hpp"

#include <algorithm>
#include <functional>
#include <queue>

namespace lazyfx::onnx {
namespace {

class Resolver {
 public:
  Resolver(const GraphDef& graph, Problems& problems) : graph_(graph), problems_(problems) {
    table_.values.resize(graph.value_names.size());
  }

  ValueTable resolve() {
    by_name_.reserve(graph_.initializers.size() + graph_.inputs.size() + graph_.value_names.size() / 2);
    for (std::uint32_t i = 0; i < graph_.initializers.size(); ++i) {
      table_.initializers.push_back(define(graph_.initializers[i].name, {ValueTable::Kind::initializer, i}));
    }
    for (std::uint32_t i = 0; i < graph_.inputs.size(); ++i) define_input(i);
    for (std::uint32_t i = 0; i < graph_.nodes.size(); ++i) define_outputs(i);
    for (std::uint32_t i = 0; i < graph_.nodes.size(); ++i) look_up_inputs(i);
    look_up_graph_outputs();
    return std::move(table_);
  }

 private:
  std::uint32_t define(std::string_view name, ValueTable::Maker maker) {
    const auto value = static_cast<std::uint32_t>(table_.makers.size());
    const auto [at, fresh] = by_name_.try_emplace(name, value);
    if (!fresh) {
      problems_.add(ErrorKind::invalid_model, "value " + in_quotes(name) + " is made twice, by " + describe(table_.makers[at->second]) +
                                                  " and by " + describe(maker));
      return at->second;
    }
    table_.makers.push_back(maker);
    return value;
  }

  // Files of IR version 3 list every initializer among the inputs too; such an input has its value.
  void define_input(std::uint32_t i) {
    const auto name = graph_.inputs[i].name;
    const auto known = by_name_.find(name);
    const bool has_value = known != by_name_.end() && table_.makers[known->second].kind == ValueTable::Kind::initializer;
    if (name.empty()) problems_.add(ErrorKind::invalid_model, "graph input " + std::to_string(i) + " has no name");
    table_.inputs.push_back(has_value ? ValueTable::absent : define(name, {ValueTable::Kind::input, i}));
  }

  void define_outputs(std::uint32_t i) {
    const auto outputs = graph_.nodes[i].outputs;
    for (auto o = outputs.first; o < outputs.first + outputs.count; ++o) {
      const auto name = graph_.value_names[o];
      table_.values[o] = name.empty() ? ValueTable::absent : define(name, {ValueTable::Kind::node_output, i});
    }
  }

  void look_up_inputs(std::uint32_t i) {
    look_up(i, graph_.nodes[i].inputs);
    look_up(i, graph_.nodes[i].captures);
  }

  void look_up(std::uint32_t i, Range range) {
    for (auto o = range.first; o < range.first + range.count; ++o) {
      const auto name = graph_.value_names[o];
      if (name.empty()) {
        table_.values[o] = ValueTable::absent;
      } else if (const auto known = by_name_.find(name); known != by_name_.end()) {
        table_.values[o] = known->second;
      } else {
        table_.values[o] = ValueTable::unknown;
        problems_.add(ErrorKind::invalid_model, place_of(graph_, i) + " reads " + in_quotes(name) + ", which nothing makes");
      }
    }
  }

  void look_up_graph_outputs() {
    if (graph_.outputs.empty()) problems_.add(ErrorKind::invalid_model, "the graph has no outputs");
    std::unordered_map<std::string_view, std::size_t> seen;
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      const auto name = graph_.outputs[i].name;
      const auto known = by_name_.find(name);
      if (known == by_name_.end()) problems_.add(ErrorKind::invalid_model, "graph output " + in_quotes(name) + " is made by nothing");
      if (!seen.emplace(name, i).second) problems_.add(ErrorKind::invalid_model, "graph output " + in_quotes(name) + " is listed twice");
      table_.graph_outputs.push_back(known == by_name_.end() ? ValueTable::unknown : known->second);
    }
  }

  std::string describe(ValueTable::Maker maker) const {
    switch (maker.kind) {
      case ValueTable::Kind::initializer: return "initializer " + std::to_string(maker.index);
      case ValueTable::Kind::input: return "graph input " + std::to_string(maker.index);
      case ValueTable::Kind::node_output: break;
    }
    return place_of(graph_, maker.index);
  }

  const GraphDef& graph_;
  Problems& problems_;
  ValueTable table_;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;
};

/// Calls `f(maker)` for each node whose output `node` reads.
template <class F>
void each_predecessor(const GraphDef& graph, const ValueTable& values, std::uint32_t node, F&& f) {
  for (const Range range : {graph.nodes[node].inputs, graph.nodes[node].captures}) {
    for (const auto value : values.of(range)) {
      if (value >= ValueTable::unknown) continue;
      const auto maker = values.makers[value];
      if (maker.kind == ValueTable::Kind::node_output) f(maker.index);
    }
  }
}

bool in_order(const GraphDef& graph, const ValueTable& values) {
  bool sorted = true;
  for (std::uint32_t i = 0; i < graph.nodes.size() && sorted; ++i) {
    each_predecessor(graph, values, i, [&](std::uint32_t maker) { sorted = sorted && maker < i; });
  }
  return sorted;
}

// Every node left waits for one that is left too, so walking back from any must meet a node twice.
void report_cycle(const GraphDef& graph, const ValueTable& values, const std::vector<std::uint32_t>& missing, Problems& problems) {
  std::vector<std::uint32_t> path;
  std::vector<bool> seen(graph.nodes.size());
  auto node = static_cast<std::uint32_t>(std::find_if(missing.begin(), missing.end(), [](auto n) { return n > 0; }) - missing.begin());
  while (!seen[node]) {
    seen[node] = true;
    path.push_back(node);
    auto next = node;
    bool found = false;
    each_predecessor(graph, values, node, [&](std::uint32_t maker) {
      if (!found && missing[maker] > 0) {
        next = maker;
        found = true;
      }
    });
    node = next;
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), node));
  constexpr std::size_t shown = 5;
  std::string text = "nodes read each other's results in a cycle of " + std::to_string(path.size()) + ": " + place_of(graph, path.front());
  for (std::size_t i = 1; i < std::min(path.size(), shown); ++i) text += ", which reads from " + place_of(graph, path[i]);
  if (path.size() > shown) text += ", and so on";
  problems.add(ErrorKind::invalid_model, text);
}

}  // namespace

std::string place_of(const GraphDef& graph, std::size_t node) {
  const auto& def = graph.nodes[node];
  const std::string which = def.name.empty() ? std::to_string(node) : in_quotes(def.name);
  const std::string op = in_quotes(def.op_type);
  return "node " + which + " (" + op.substr(1, op.size() - 2) + ")";
}

ValueTable resolve_values(const GraphDef& graph, Problems& problems) { return Resolver(graph, problems).resolve(); }

std::vector<std::uint32_t> order_nodes(const GraphDef& graph, const ValueTable& values, Problems& problems) {
  const auto count = static_cast<std::uint32_t>(graph.nodes.size());
  std::vector<std::uint32_t> order;
  order.reserve(count);
  if (in_order(graph, values)) {
    for (std::uint32_t i = 0; i < count; ++i) order.push_back(i);
    return order;
  }
  // Kahn's algorithm, taking the earliest of the file among those that are ready.
  std::vector<std::uint32_t> missing(count), readers_begin(count + 1), readers;
  for (std::uint32_t i = 0; i < count; ++i) {
    each_predecessor(graph, values, i, [&](std::uint32_t maker) {
      ++missing[i];
      ++readers_begin[maker + 1];
    });
  }
  for (std::uint32_t i = 0; i < count; ++i) readers_begin[i + 1] += readers_begin[i];
  readers.resize(readers_begin.back());
  auto fill = readers_begin;
  for (std::uint32_t i = 0; i < count; ++i) {
    each_predecessor(graph, values, i, [&](std::uint32_t maker) { readers[fill[maker]++] = i; });
  }
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> ready;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (missing[i] == 0) ready.push(i);
  }
  while (!ready.empty()) {
    const auto node = ready.top();
    ready.pop();
    order.push_back(node);
    for (auto r = readers_begin[node]; r < readers_begin[node + 1]; ++r) {
      if (--missing[readers[r]] == 0) ready.push(readers[r]);
    }
  }
  if (order.size() < count) report_cycle(graph, values, missing, problems);
  return order;
}

}  // namespace lazyfx::onnx
