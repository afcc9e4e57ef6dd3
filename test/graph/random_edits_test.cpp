#define BOOST_TEST_MODULE graph_random_edits
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <random>

#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

/// The graph as one would write it who need not care for speed: a vector in graph order, uses found by looking.
struct Model {
  struct Row {
    std::uint32_t id;
    std::string target;
    Arguments args;
    Keywords kwargs;
  };
  std::vector<Row> rows;
  std::map<std::uint32_t, std::vector<std::uint32_t>> users;  // in order of beginning

  static std::vector<std::uint32_t> inputs(const Row& row) {
    std::vector<std::uint32_t> out;
    const auto add = [&](NodeId id) {
      const auto i = static_cast<std::uint32_t>(id);
      if (std::find(out.begin(), out.end(), i) == out.end()) out.push_back(i);
    };
    for (const auto& a : row.args) for_each_node(a, add);
    for (const auto& [key, a] : row.kwargs) for_each_node(a, add);
    return out;
  }
  Row& row(std::uint32_t id) {
    return *std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.id == id; });
  }
  void change(std::uint32_t id, Arguments args, Keywords kwargs) {
    Row& r = row(id);
    const auto before = inputs(r);
    r.args = std::move(args);
    r.kwargs = std::move(kwargs);
    const auto after = inputs(r);
    for (const auto i : before) {
      if (std::find(after.begin(), after.end(), i) == after.end()) std::erase(users[i], id);
    }
    for (const auto i : after) {
      if (std::find(before.begin(), before.end(), i) == before.end()) users[i].push_back(id);
    }
  }
  void replace(std::uint32_t user, std::uint32_t from, std::uint32_t to) {
    const auto f = [&](NodeId id) {
      return Argument(NodeId{static_cast<std::uint32_t>(id) == from ? to : static_cast<std::uint32_t>(id)});
    };
    const Row& r = row(user);
    Arguments args;
    Keywords kwargs;
    for (const auto& a : r.args) args.push_back(map_nodes(a, f));
    for (const auto& [key, a] : r.kwargs) kwargs.emplace_back(key, map_nodes(a, f));
    change(user, std::move(args), std::move(kwargs));
  }
  void erase(std::uint32_t id) {
    change(id, {}, {});
    std::erase_if(rows, [&](const Row& r) { return r.id == id; });
    users.erase(id);
  }
};

std::vector<std::uint32_t> ids(const std::vector<Node>& nodes) {
  std::vector<std::uint32_t> out;
  for (const Node node : nodes) out.push_back(static_cast<std::uint32_t>(node.id()));
  return out;
}

class Script {
 public:
  explicit Script(unsigned seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      if (i % 16 == 0) compare();
      if (i % 7 == 0) keep();
      if (held_.size() > 6) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(below(held_.size())));
    }
    compare();
    for (const auto& [snapshot, was] : held_) BOOST_REQUIRE(names(snapshot) == was);
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  std::uint32_t any() { return model_.rows[below(model_.rows.size())].id; }
  Node handle(std::uint32_t id) { return graph_.node(NodeId{id}); }

  Argument argument(unsigned depth = 0) {
    const auto kind = below(depth < 3 ? 9 : 5);
    if (kind < 3 && !model_.rows.empty()) return NodeId{any()};
    if (kind == 3) return static_cast<int>(below(10));
    if (kind < 5) return 0.5;
    if (kind == 5) return Argument::list({argument(depth + 1), argument(depth + 1)});
    if (kind == 6) return Argument::tuple({argument(depth + 1)});
    if (kind == 7) return Argument::dict({{"a", argument(depth + 1)}, {"b", argument(depth + 1)}});
    return Argument::slice(argument(depth + 1), {}, argument(depth + 1));
  }
  Arguments arguments() {
    Arguments out;
    for (auto n = below(4); n-- > 0;) out.push_back(argument());
    return out;
  }
  Keywords keywords() {
    Keywords out;
    if (below(2)) out.emplace_back("k", argument());
    if (below(3) == 0) out.emplace_back("l", argument());
    return out;
  }

  void step() {
    const auto what = model_.rows.size() < 5 ? 0 : below(12);
    if (what < 3) return create();
    const auto id = any();
    Node node = handle(id);
    if (what == 3) {
      auto args = arguments();
      node.set_args(args);
      model_.change(id, args, model_.row(id).kwargs);
    } else if (what == 4) {
      auto kwargs = keywords();
      node.set_kwargs(kwargs);
      model_.change(id, model_.row(id).args, kwargs);
    } else if (what == 5) {
      auto args = node.args();
      const auto at = below(args.size() + 1);
      const Argument a = argument();
      node.insert_arg(at, a);
      args.insert(args.begin() + static_cast<std::ptrdiff_t>(at), a);
      model_.change(id, args, model_.row(id).kwargs);
    } else if (what == 6) {
      const auto to = any();
      node.replace_all_uses_with(handle(to));
      if (to != id) {
        for (const auto user : std::vector(model_.users[id])) model_.replace(user, id, to);
      }
    } else if (what == 7) {
      const auto to = any();
      const auto from = any();
      node.replace_input_with(handle(from), handle(to));
      if (to != from) model_.replace(id, from, to);
    } else if (what == 8) {
      const auto anchor = any();
      const bool after = below(2) != 0;
      if (after)
        handle(anchor).append(node);
      else
        handle(anchor).prepend(node);
      if (anchor != id) {
        const Model::Row row = model_.row(id);
        std::erase_if(model_.rows, [&](const Model::Row& r) { return r.id == id; });
        const auto at = std::find_if(model_.rows.begin(), model_.rows.end(), [&](const Model::Row& r) { return r.id == anchor; });
        model_.rows.insert(at + (after ? 1 : 0), row);
      }
    } else if (what == 9) {
      const std::string target = "my::op" + std::to_string(below(4));
      node.set_target(target);
      model_.row(id).target = target;
    } else {
      const bool used = !model_.users[id].empty();
      if (used) {
        BOOST_REQUIRE_THROW(graph_.erase_node(node), Error);
      } else {
        BOOST_REQUIRE(graph_.erase_node(node));
        model_.erase(id);
      }
    }
  }

  void create() {
    const std::string target = "my::op" + std::to_string(below(4));
    auto args = arguments();
    auto kwargs = keywords();
    std::size_t at = model_.rows.size();
    Node node;
    if (below(2) && at > 0) {
      at = below(at);
      const auto scope = graph_.inserting_before(handle(model_.rows[at].id));
      node = graph_.call_function(target, args, kwargs);
    } else {
      node = graph_.call_function(target, args, kwargs);
    }
    const auto id = static_cast<std::uint32_t>(node.id());
    model_.rows.insert(model_.rows.begin() + static_cast<std::ptrdiff_t>(at), {id, target, {}, {}});
    model_.change(id, args, kwargs);
  }

  void keep() {
    Snapshot snapshot = graph_.freeze();
    Words now = names(snapshot);
    BOOST_REQUIRE(now == names(graph_));
    held_.emplace_back(std::move(snapshot), std::move(now));
  }

  void compare() {
    BOOST_REQUIRE(graph_.size() == model_.rows.size());
    std::size_t i = 0;
    Node previous;
    for (const Node node : graph_.nodes()) {
      const Model::Row& row = model_.rows[i++];
      BOOST_REQUIRE(static_cast<std::uint32_t>(node.id()) == row.id);
      BOOST_REQUIRE(node.target() == row.target);
      BOOST_REQUIRE((node.args() == row.args));
      BOOST_REQUIRE((node.kwargs() == row.kwargs));
      BOOST_REQUIRE(ids(node.users()) == model_.users[row.id]);
      BOOST_REQUIRE(node.user_count() == model_.users[row.id].size());
      BOOST_REQUIRE(ids(node.all_input_nodes()) == Model::inputs(row));
      BOOST_REQUIRE((graph_.find(node.name()) == node));
      if (previous.defined()) BOOST_REQUIRE((previous < node));
      previous = node;
    }
    for (const char* target : {"my::op0", "my::op3"}) {
      std::vector<std::uint32_t> expected;
      for (const auto& row : model_.rows) {
        if (row.target == target) expected.push_back(row.id);
      }
      BOOST_REQUIRE(ids(graph_.find_nodes(Opcode::call_function, target)) == expected);
    }
    const Graph copy(graph_);
    BOOST_REQUIRE(copy.freeze().same_content(graph_.freeze()));
    for (const Node node : copy.nodes()) { BOOST_REQUIRE(ids(node.users()) == model_.users[static_cast<std::uint32_t>(node.id())]); }
    check_lint();
  }

  /// lint accepts exactly the graphs whose nodes use only what comes before them.
  void check_lint() {
    std::vector<std::uint32_t> defined;
    bool ordered = true;
    for (const auto& row : model_.rows) {
      for (const auto input : Model::inputs(row)) ordered &= std::find(defined.begin(), defined.end(), input) != defined.end();
      defined.push_back(row.id);
    }
    if (ordered)
      graph_.lint();
    else
      BOOST_REQUIRE(contains(error_of(ErrorKind::invalid_graph, [&] { graph_.lint(); }), "used before it has been defined"));
  }

  std::mt19937 random_;
  Graph graph_;
  Model model_;
  std::vector<std::pair<Snapshot, Words>> held_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(random_edits_leave_what_a_naive_model_says) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) { Script(seed).run(400); }
  }
}
