#include <algorithm>
#include <array>
#include <ostream>

#include "graph/argument_text.hpp"
#include "graph/graph_impl.hpp"

namespace lazyfx {
namespace {

detail::AppendName names_in(const detail::NodeTable& table, const char* sigil) {
  return [&table, sigil](std::string& text, NodeId id) {
    text += sigil;
    text += table.body(id).name;
  };
}

std::string as_tuple(const Arguments& args, const detail::AppendName& name) {
  std::string text = "(";
  detail::append_arguments(text, args, name);
  return text + (args.size() == 1 ? ",)" : ")");
}

std::string as_dict(const Keywords& kwargs, const detail::AppendName& name) {
  std::string text = "{";
  detail::append_keywords(text, kwargs, name, "");
  return text + "}";
}

}  // namespace

std::string Node::format() const {
  const auto& b = body();
  const auto name = names_in(table(), "%");
  std::string text;
  if (b.op == Opcode::output && b.args.size() == 1 && b.kwargs.empty()) {
    text = "return ";
    detail::append_argument(text, b.args[0], name);
    return text;
  }
  text = "%" + b.name + " : [num_users=" + std::to_string(user_count()) + "] = " + to_string(b.op) + "[target=";
  detail::append_word(text, *b.target);
  text += ']';
  if (b.op == Opcode::placeholder && b.args.size() == 1 && b.kwargs.empty()) {
    text += "(default = ";
    detail::append_argument(text, b.args[0], name);
    return text + ")";
  }
  if ((b.op == Opcode::placeholder || b.op == Opcode::get_attr) && b.args.empty() && b.kwargs.empty()) return text;
  return text + "(args = " + as_tuple(b.args, name) + ", kwargs = " + as_dict(b.kwargs, name) + ")";
}

std::string to_string(const Graph& graph) {
  std::string text = "graph():";
  for (const Node node : graph.nodes()) text += "\n    " + node.format();
  return text + "\n";
}

void Graph::print_tabular(std::ostream& out) const {
  using Row = std::array<std::string, 5>;
  const auto name = names_in(impl_->table, "");
  std::vector<Row> rows{{"opcode", "name", "target", "args", "kwargs"}};
  for (const Node node : nodes()) {
    std::string target;
    detail::append_word(target, node.target());
    rows.push_back({to_string(node.op()), node.name(), target, as_tuple(node.args(), name), as_dict(node.kwargs(), name)});
  }
  std::array<std::size_t, 5> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const auto print = [&](const Row& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    out << line << '\n';
  };
  print(rows[0]);
  Row rule;
  for (std::size_t i = 0; i < rule.size(); ++i) rule[i] = std::string(widths[i], '-');
  print(rule);
  for (std::size_t i = 1; i < rows.size(); ++i) print(rows[i]);
}

}  // namespace lazyfx
