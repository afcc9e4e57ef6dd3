#include "graph/restore.hpp"

#include <algorithm>

#include "graph/graph_impl.hpp"
#include "graph/keys.hpp"

namespace lazyfx::detail {
namespace {

[[noreturn]] void broken(const std::string& why) { throw Error(ErrorKind::invalid_graph, why); }

/// Where each id stands in the description, or nowhere.
std::vector<std::uint32_t> places_of(const GraphDescription& description) {
  if (description.id_limit > index_of(no_node)) broken("A graph cannot have given out " + std::to_string(description.id_limit) + " ids");
  if (description.nodes.size() > description.id_limit) broken("A graph has more nodes than it gave out ids");
  std::vector<std::uint32_t> places(description.id_limit, index_of(no_node));
  for (std::size_t i = 0; i < description.nodes.size(); ++i) {
    const NodeDescription& node = description.nodes[i];
    if (index_of(node.id) >= places.size()) broken("Node " + node.name + " has an id that was never given out");
    auto& place = places[index_of(node.id)];
    if (place != index_of(no_node)) broken("Node " + node.name + " has the id of another node");
    place = static_cast<std::uint32_t>(i);
  }
  return places;
}

class Restorer {
 public:
  explicit Restorer(GraphDescription& description) : description_(description), places_(places_of(description)) {}

  std::shared_ptr<Graph> run() {
    add_nodes();
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] != index_of(no_node)) continue;
      const NodeId gap{static_cast<std::uint32_t>(i)};
      impl_.table.own_surroundings(gap);
      impl_.table.erase(gap);
    }
    put_in_order();
    for (const NodeDescription& node : description_.nodes) add_uses(node.id);
    for (const auto& [input, order] : description_.users) {
      if (!impl_.table.live(input) || !impl_.uses.reorder(input, order)) broken("The users of a node are not those that its uses make");
    }
    for (const auto& [base, highest] : description_.highest_suffixes) impl_.names.restore_count(base, highest);
    graph_->lint();
    return std::move(graph_);
  }

 private:
  // Ids are given out in order of creation, so nodes are made in that order and moved to their places afterwards.
  void add_nodes() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const NodeId id{static_cast<std::uint32_t>(i)};
      auto body = std::make_unique<NodeBody>();
      impl_.labels.place(id, impl_.table.tail(), no_node, impl_.table);
      impl_.uses.prepare(id, 0);
      if (places_[i] == index_of(no_node)) {
        body->target = Shared(std::string());
        impl_.index.prepare(id);
        impl_.table.add(body, no_node);
        continue;
      }
      fill(*body, description_.nodes[places_[i]], id);
      impl_.index.prepare(id);
      impl_.table.add(body, no_node);
      impl_.index.add(id);
      ++impl_.edits;
    }
  }

  void fill(NodeBody& body, NodeDescription& node, NodeId id) {
    if (opcodes <= static_cast<std::size_t>(node.op)) broken("Node " + node.name + " has an opcode that is none of the six");
    if (node.target.empty()) broken("Node " + node.name + " has no target");
    if (const auto* key = repeated_key(node.kwargs)) broken("Node " + node.name + " has the keyword argument '" + *key + "' twice");
    if (!impl_.names.restore(node.name, id)) broken("The name '" + node.name + "' of a node is given twice or no legal name");
    body.op = node.op;
    body.name = std::move(node.name);
    body.target = impl_.index.intern(node.op, std::move(node.target));
    body.args = std::move(node.args);
    body.kwargs = std::move(node.kwargs);
    body.type = share(std::move(node.type));
    if (!node.meta.empty()) body.meta = Shared(std::move(node.meta));
  }

  void put_in_order() {
    const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
    if (std::is_sorted(description_.nodes.begin(), description_.nodes.end(), by_id)) return;
    for (const NodeDescription& node : description_.nodes) {
      if (impl_.table.tail() == node.id) continue;
      impl_.table.own_surroundings(node.id);
      impl_.table.own_surroundings(impl_.table.tail());
      impl_.table.unlink(node.id);
      impl_.labels.place(node.id, impl_.table.tail(), no_node, impl_.table);
      impl_.table.link_before(node.id, no_node);
    }
  }

  void add_uses(NodeId id) {
    std::vector<NodeId> used;
    const NodeBody& body = impl_.table.body(id);
    const auto collect = [&](NodeId input) {
      if (!impl_.table.live(input)) broken("Node " + body.name + " uses a node that does not exist");
      used.push_back(input);
    };
    for (const Argument& arg : body.args) for_each_node(arg, collect);
    for (const auto& entry : body.kwargs) for_each_node(entry.second, collect);
    impl_.uses.prepare(id, used.size());
    impl_.uses.assign(id, used);
  }

  GraphDescription& description_;
  std::vector<std::uint32_t> places_;
  std::shared_ptr<Graph> graph_ = std::make_shared<Graph>();
  Graph::Impl& impl_ = GraphTables::impl(*graph_);
};

}  // namespace

std::size_t GraphTables::id_limit(const Graph& graph) noexcept { return impl(graph).table.limit(); }

std::vector<std::pair<std::string, std::uint64_t>> GraphTables::highest_suffixes(const Graph& graph) {
  const auto& counts = impl(graph).names.counts();
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::vector<std::pair<NodeId, std::vector<NodeId>>> GraphTables::users_out_of_order(const Graph& graph) {
  const Graph::Impl& tables = impl(graph);
  std::vector<std::pair<NodeId, std::vector<NodeId>>> out;
  for (NodeId id = tables.table.head(); id != no_node; id = tables.table.row(id).next) {
    auto users = tables.uses.users(id);
    const auto precedes = [&](NodeId a, NodeId b) { return tables.precedes(a, b); };
    if (!std::is_sorted(users.begin(), users.end(), precedes)) out.emplace_back(id, std::move(users));
  }
  return out;
}

std::shared_ptr<Graph> restore_graph(GraphDescription description) { return Restorer(description).run(); }

}  // namespace lazyfx::detail
