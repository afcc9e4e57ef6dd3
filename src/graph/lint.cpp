#include "graph/graph_impl.hpp"

namespace lazyfx {
namespace {

[[noreturn]] void broken(const std::string& why) { throw Error(ErrorKind::invalid_graph, why); }

/// What the opcode asks of its own arguments.
void check_form(const detail::NodeBody& body) {
  const auto refuse_if = [&](bool wrong, const char* why) {
    if (wrong) broken("Node " + body.name + ", " + detail::describe(body.op, *body.target) + ", " + why);
  };
  refuse_if(body.target->empty(), "has no target");
  switch (body.op) {
    case Opcode::placeholder: refuse_if(body.args.size() > 1 || !body.kwargs.empty(), "has more arguments than one default"); break;
    case Opcode::get_attr: refuse_if(!body.args.empty() || !body.kwargs.empty(), "has arguments"); break;
    case Opcode::call_method: refuse_if(body.args.empty(), "has no receiver: args[0] is missing"); break;
    case Opcode::output: refuse_if(body.args.size() != 1 || !body.kwargs.empty(), "does not have exactly one argument"); break;
    case Opcode::call_function:
    case Opcode::call_module: break;
  }
}

}  // namespace

void Graph::lint() const {
  const auto& impl = *impl_;
  const auto& table = impl.table;
  std::size_t count = 0;
  std::size_t uses = 0;
  std::size_t users = 0;
  NodeId prev = no_node;
  const detail::NodeBody* output = nullptr;
  std::vector<std::uint32_t> listed(table.limit());  // listed[x] == i + 1: x was met as an input of node i
  for (NodeId id = table.head(); id != no_node; prev = id, id = table.row(id).next) {
    const NodeRecord& row = table.row(id);
    if (!row.body) broken("Node " + std::to_string(detail::index_of(id)) + " was erased but is still in the list");
    const detail::NodeBody& body = *row.body;
    if (row.prev != prev || ++count > table.size() || (prev != no_node && !impl.precedes(prev, id))) {
      broken("The order of the graph is inconsistent at node " + body.name);
    }
    if (output) broken("Node " + body.name + " comes after the output");
    if (body.op == Opcode::output) output = &body;
    check_form(body);
    if (impl.names.find(body.name) != id) broken("The name " + body.name + " is not unique");

    // The arguments, and the use list made from them, name the same nodes in the same order.
    std::size_t next_input = 0;
    const auto inputs = impl.uses.inputs(id);
    const auto stamp = static_cast<std::uint32_t>(detail::index_of(id)) + 1;
    const auto check_use = [&](NodeId input) {
      if (!table.live(input)) broken("Node " + body.name + " uses a node that was erased");
      if (!impl.precedes(input, id)) {
        broken("Node " + table.body(input).name + " was used before it has been defined, by node " + body.name);
      }
      auto& seen = listed[detail::index_of(input)];
      if (seen == stamp) return;
      seen = stamp;
      if (next_input == inputs.size() || inputs[next_input] != input) broken("The uses of node " + body.name + " are inconsistent");
      ++next_input;
    };
    for (const auto& arg : body.args) for_each_node(arg, check_use);
    for (const auto& entry : body.kwargs) for_each_node(entry.second, check_use);
    if (next_input != inputs.size()) broken("Node " + body.name + " is listed as a user of more nodes than it uses");
    uses += inputs.size();
    users += impl.uses.user_count(id);
  }
  if (count != table.size() || prev != table.tail() || impl.names.size() != count) broken("The graph has nodes that are not in its list");
  if (uses != users) broken("The lists of users do not match the uses");
}

}  // namespace lazyfx
