#include "store/graph_table.hpp"

#include "graph/restore.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/store/store_error.hpp"

namespace lazyfx::store {
namespace {

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::invalid_model, what); }

TypeRow describe_type(const TensorType& type, Interner& interner) {
  TypeRow row;
  row.dtype = static_cast<std::uint8_t>(type.dtype);
  row.ranked = type.dims.has_value();
  if (type.dims) {
    for (const Dim& dim : *type.dims) row.dims.push_back({dim.size, interner.text(dim.name)});
  }
  return row;
}

const std::string& text_at(const std::vector<std::string>& strings, std::uint32_t index) {
  if (index >= strings.size()) fail("string " + std::to_string(index) + " does not exist");
  return strings[index];
}

TensorType rebuild_type(const TypeRow& row, const std::vector<std::string>& strings) {
  if (row.dtype >= dtype_count) fail("element type " + std::to_string(row.dtype) + " does not exist");
  TensorType type(static_cast<DType>(row.dtype));
  if (!row.ranked) {
    if (!row.dims.empty()) fail("a type of open rank has dimensions");
    return type;
  }
  auto& dims = type.dims.emplace();
  for (const DimRow& d : row.dims) {
    if (d.size < -1) fail("a dimension of a type is " + std::to_string(d.size));
    Dim dim(text_at(strings, d.name));
    dim.size = d.size;
    dims.push_back(std::move(dim));
  }
  return type;
}

detail::NodeDescription rebuild_node(const NodeRow& row, const GraphTable& table, const std::vector<std::string>& strings,
                                     AtomReader& atoms) {
  detail::NodeDescription node;
  node.id = NodeId{row.id};
  if (row.op > static_cast<std::uint8_t>(Opcode::output)) fail("opcode " + std::to_string(row.op) + " is none of the six");
  node.op = static_cast<Opcode>(row.op);
  node.name = text_at(strings, row.name);
  node.target = text_at(strings, row.target);
  const std::uint64_t needed = std::uint64_t{row.args} + 2 * std::uint64_t{row.kwargs} + 2 * std::uint64_t{row.metadata};
  if (needed > atoms.left()) fail("the arguments of node " + node.name + " are cut off");
  node.args.reserve(row.args);
  for (std::uint32_t i = 0; i < row.args; ++i) node.args.push_back(atoms.argument());
  node.kwargs.reserve(row.kwargs);
  for (std::uint32_t i = 0; i < row.kwargs; ++i) {
    std::string key = atoms.text();
    node.kwargs.emplace_back(std::move(key), atoms.argument());
  }
  for (std::uint32_t i = 0; i < row.metadata; ++i) {
    std::string key = atoms.text();
    if (!node.meta.emplace(std::move(key), atoms.value()).second) fail("node " + node.name + " has a metadata key twice");
  }
  if (row.type > table.types.size()) fail("type " + std::to_string(row.type) + " does not exist");
  if (row.type != 0) node.type = rebuild_type(table.types[row.type - 1], strings);
  return node;
}

}  // namespace

GraphTable describe_graph(const Graph& graph, Interner& interner) {
  graph.lint();
  GraphTable table;
  table.id_limit = detail::GraphTables::id_limit(graph);
  table.nodes.reserve(graph.size());
  for (const Node node : graph.nodes()) {
    NodeRow row;
    row.id = static_cast<std::uint32_t>(node.id());
    row.op = static_cast<std::uint8_t>(node.op());
    row.name = interner.text(node.name());
    row.target = interner.text(node.target());
    row.args = static_cast<std::uint32_t>(node.args().size());
    row.kwargs = static_cast<std::uint32_t>(node.kwargs().size());
    row.metadata = static_cast<std::uint32_t>(node.meta().size());
    for (const Argument& arg : node.args()) append_atoms(table.atoms, arg, interner);
    for (const auto& [key, arg] : node.kwargs()) {
      append_atoms(table.atoms, Argument(key), interner);
      append_atoms(table.atoms, arg, interner);
    }
    for (const auto& [key, value] : node.meta()) {
      append_atoms(table.atoms, Argument(key), interner);
      append_atoms(table.atoms, value, interner);
    }
    if (node.type()) {
      table.types.push_back(describe_type(*node.type(), interner));
      row.type = static_cast<std::uint32_t>(table.types.size());
    }
    table.nodes.push_back(row);
  }
  for (const auto& [id, users] : detail::GraphTables::users_out_of_order(graph)) {
    UserRow row{static_cast<std::uint32_t>(id), {}};
    for (const NodeId user : users) row.users.push_back(static_cast<std::uint32_t>(user));
    table.users.push_back(std::move(row));
  }
  for (const auto& [base, highest] : detail::GraphTables::highest_suffixes(graph)) table.suffixes.push_back({interner.text(base), highest});
  return table;
}

std::shared_ptr<Graph> rebuild_graph(const GraphTable& table, const std::vector<std::string>& strings, const std::vector<Tensor>& tensors,
                                     std::uint64_t most_ids) {
  if (table.id_limit > most_ids) {
    throw StoreError(StoreFault::too_large,
                     "a graph with " + std::to_string(table.id_limit) + " node ids is beyond the limit of " + std::to_string(most_ids));
  }
  detail::GraphDescription description;
  description.id_limit = static_cast<std::size_t>(table.id_limit);
  AtomReader atoms(table.atoms, strings, tensors);
  description.nodes.reserve(table.nodes.size());
  for (const NodeRow& row : table.nodes) description.nodes.push_back(rebuild_node(row, table, strings, atoms));
  if (!atoms.done()) fail("a graph has arguments that belong to no node");
  for (const UserRow& row : table.users) {
    if (row.id >= table.id_limit) fail("the users of a node that never was are listed");
    auto& users = description.users.emplace_back(NodeId{row.id}, std::vector<NodeId>()).second;
    for (const std::uint32_t user : row.users) users.push_back(NodeId{user});
  }
  for (const SuffixRow& row : table.suffixes) description.highest_suffixes.emplace_back(text_at(strings, row.base), row.highest);
  return detail::restore_graph(std::move(description));
}

}  // namespace lazyfx::store
