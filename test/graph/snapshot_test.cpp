#define BOOST_TEST_MODULE graph_snapshot
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "lazyfx/graph/code.hpp"
#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

std::string text(const Snapshot& snapshot) { return render_code(snapshot).text; }

/// x -> neg -> neg -> ... -> output, `n` nodes in between.
std::unique_ptr<Graph> chain(int n) {
  auto graph = std::make_unique<Graph>();
  Node last = graph->placeholder("x");
  for (int i = 0; i < n; ++i) last = graph->call_function("my::neg", {last});
  graph->output(last);
  return graph;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_edit_of_one_node_copies_the_chunks_that_it_touches_and_shares_all_others) {
  constexpr int count = 100'000;
  const auto graph = chain(count);
  Snapshot before = graph->freeze();
  for (const std::uint32_t at : {1U, 50'000U, 99'999U}) {
    graph->node(NodeId{at}).set_target("my::abs");
    const Snapshot after = graph->freeze();
    int copied = 0;
    for (const NodeView node : after) copied += &node.name() != &before.node(node.id()).name();
    BOOST_TEST(copied > 0);
    BOOST_TEST(copied < count / 100);
    before = after;
  }
}

BOOST_AUTO_TEST_CASE(a_snapshot_shows_what_the_graph_shows) {
  Graph graph;
  Node x = graph.placeholder("x", TensorType(DType::f32));
  Node y = graph.call_function("my::op", {x, 1}, {{"k", 2}}, "y");
  y.set_meta("m", 3);
  graph.output(y);
  const Snapshot snapshot = graph.freeze();
  BOOST_TEST(snapshot.size() == 3U);
  BOOST_TEST(snapshot.id_limit() == 3U);
  BOOST_TEST(names(snapshot) == names(graph));
  const NodeView view = snapshot.node(y.id());
  BOOST_TEST((view.id() == y.id()));
  BOOST_TEST((view.op() == Opcode::call_function));
  BOOST_TEST(view.target() == "my::op");
  BOOST_TEST((view.args() == y.args()));
  BOOST_TEST((view.kwargs() == y.kwargs()));
  BOOST_TEST(view.kwarg("k")->as_int() == 2);
  BOOST_TEST(view.kwarg("none") == nullptr);
  BOOST_TEST((view.meta() == y.meta()));
  BOOST_TEST(!view.type());
  BOOST_TEST((snapshot.node(x.id()).type() == x.type()));
}

BOOST_AUTO_TEST_CASE(a_snapshot_does_not_see_later_edits_of_any_kind) {
  const auto graph = chain(100);
  Node node = graph->node(NodeId{50});
  const Snapshot before = graph->freeze();
  const std::string was = text(before);
  const auto print = before.structure_fingerprint();
  const auto unchanged = [&](auto&& edit) {
    edit();
    return text(before) == was && before.structure_fingerprint() == print && before.size() == 102U && before.node(node.id()).meta().empty();
  };
  BOOST_TEST(unchanged([&] { node.set_args({1}); }));
  BOOST_TEST(unchanged([&] { node.set_kwargs({{"k", 1}}); }));
  BOOST_TEST(unchanged([&] { node.set_target("my::other"); }));
  BOOST_TEST(unchanged([&] { node.set_type(TensorType(DType::f32)); }));
  BOOST_TEST(unchanged([&] { node.set_meta("k", 1); }));
  BOOST_TEST(unchanged([&] { node.rename("renamed"); }));
  BOOST_TEST(unchanged([&] { graph->node(NodeId{1}).prepend(node); }));
  BOOST_TEST(unchanged([&] { graph->node(NodeId{7}).replace_all_uses_with(graph->node(NodeId{3})); }));
  BOOST_TEST(unchanged([&] { graph->erase_node(graph->node(NodeId{7})); }));
  BOOST_TEST(unchanged([&] {
    for (int i = 0; i < 3000; ++i) graph->call_function("my::more", {i});
  }));
  const Snapshot after = graph->freeze();
  BOOST_TEST(text(after) != was);
  BOOST_TEST(after.size() == graph->size());
  BOOST_TEST(names(after) == names(*graph));
}

BOOST_AUTO_TEST_CASE(freezing_an_unedited_graph_again_gives_the_same_picture) {
  const auto graph = chain(10);
  const Snapshot a = graph->freeze();
  const Snapshot b = graph->freeze();
  BOOST_TEST(a.is_same(b));
  graph->node(NodeId{3}).set_meta("k", 1);
  BOOST_TEST(!a.is_same(graph->freeze()));
  BOOST_TEST(Snapshot().is_same(Snapshot()));
}

BOOST_AUTO_TEST_CASE(snapshots_share_what_was_not_edited) {
  const auto graph = chain(1000);
  const Snapshot a = graph->freeze();
  graph->node(NodeId{500}).update_arg(0, 1);
  const Snapshot b = graph->freeze();
  std::size_t shared = 0;
  for (const NodeView node : a) shared += &node.args() == &b.node(node.id()).args();
  BOOST_TEST(shared == a.size() - 1);
}

BOOST_AUTO_TEST_CASE(nothing_is_copied_once_nobody_holds_a_snapshot) {
  const auto graph = chain(100);
  Node node = graph->node(NodeId{50});
  const void* before = &node.name();
  {
    const Snapshot held = graph->freeze();
    node.set_meta("k", 1);
    BOOST_TEST(&node.name() != before);
  }
  before = &node.name();
  { graph->freeze(); }
  node.set_meta("k", 2);
  BOOST_TEST(&node.name() == before);
}

BOOST_AUTO_TEST_CASE(a_snapshot_outlives_its_graph) {
  auto graph = chain(500);
  const Snapshot a = graph->freeze();
  graph->node(NodeId{250}).set_target("my::other");
  const Snapshot b = graph->freeze();
  graph->node(NodeId{251}).set_target("my::other");
  const auto was_a = text(a);
  const auto was_b = text(b);
  graph.reset();
  BOOST_TEST(text(a) == was_a);
  BOOST_TEST(text(b) == was_b);
}

// Every order in which a graph and its snapshots can go; what is freed too early or never, AddressSanitizer reports.
BOOST_AUTO_TEST_CASE(a_graph_and_its_snapshots_may_go_in_any_order) {
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    auto graph = chain(200);
    std::vector<std::pair<Snapshot, std::string>> held;
    for (int step = 0; step < 60; ++step) {
      const auto action = random() % 8;
      if (action < 2) {
        Snapshot snapshot = graph->freeze();
        std::string now = text(snapshot);
        held.emplace_back(std::move(snapshot), std::move(now));
      } else if (action < 4 && !held.empty()) {
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(random() % held.size()));
      } else if (action < 5) {
        graph->call_function("my::neg", {graph->find("x")});
      } else {
        Node node = graph->node(NodeId{static_cast<std::uint32_t>(random() % 200)});
        if (node.erased() || node.op() != Opcode::call_function) continue;
        if (action == 5)
          node.set_meta("step", step);
        else if (action == 6)
          node.update_arg(0, step);
        else if (node.user_count() == 0)
          graph->erase_node(node);
        else
          graph->find("x").append(node);
      }
      if (step == 40 && round % 2 == 0) break;
    }
    graph.reset();
    std::shuffle(held.begin(), held.end(), random);
    while (!held.empty()) {
      BOOST_REQUIRE(text(held.back().first) == held.back().second);
      held.pop_back();
      for (const auto& [snapshot, was] : held) BOOST_REQUIRE(snapshot.size() > 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(threads_read_snapshots_while_the_editor_edits) {
  const auto graph = chain(300);
  struct Published {
    std::mutex mutex;
    Snapshot snapshot;
    std::size_t size = 0;
    std::int64_t answer = 0;
  } published;
  std::atomic<bool> done{false};
  std::atomic<std::size_t> wrong{0};
  std::atomic<std::size_t> looks{0};
  const auto read = [&] {
    do {
      Snapshot snapshot;
      std::size_t size;
      std::int64_t answer;
      {
        const std::lock_guard lock(published.mutex);
        snapshot = published.snapshot;
        size = published.size;
        answer = published.answer;
      }
      if (size == 0) continue;
      const auto print = snapshot.structure_fingerprint();
      const bool right = snapshot.size() == size && names(snapshot).size() == size && evaluate(snapshot, {{"x", 1}}) == answer &&
                         snapshot.structure_fingerprint() == print && !text(snapshot).empty();
      if (!right) ++wrong;
      ++looks;
    } while (!done);
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read);
  std::mt19937 random(3);
  for (int i = 0; i < 400; ++i) {
    Node node = graph->node(NodeId{1 + static_cast<std::uint32_t>(random() % 300)});
    switch (random() % 5) {
      case 0: node.set_target("my::add"), node.set_args({node.arg(0), i}); break;
      case 1: node.set_meta("k", i); break;
      case 2: node.rename("n"); break;
      case 3: {
        const auto scope = graph->inserting_after(node);
        Node copy = graph->call_function("my::neg", {node});
        node.replace_all_uses_with(copy, [&](Node user) { return user != copy; });
        break;
      }
      default: node.set_target("my::neg"), node.set_args({node.arg(0)}); break;
    }
    Snapshot snapshot = graph->freeze();
    const auto answer = evaluate(snapshot, {{"x", 1}});
    const std::lock_guard lock(published.mutex);
    published.snapshot = std::move(snapshot);
    published.size = graph->size();
    published.answer = answer;
  }
  done = true;
  for (auto& reader : readers) reader.join();
  BOOST_TEST(wrong == 0U);
  BOOST_TEST(looks > 0U);
  graph->lint();
}

BOOST_AUTO_TEST_CASE(threads_may_drop_the_last_snapshots_while_the_editor_edits_and_after_the_graph_is_gone) {
  struct Mailbox {
    std::mutex mutex;
    std::vector<std::pair<Snapshot, std::uint64_t>> letters;
  } mailbox;
  std::atomic<bool> done{false};
  std::atomic<std::size_t> wrong{0};
  std::vector<std::thread> readers;
  for (unsigned seed = 1; seed <= 3; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937 random(seed);
      std::vector<std::pair<Snapshot, std::uint64_t>> mine;
      for (bool last = false; !last;) {
        last = done;
        {
          const std::lock_guard lock(mailbox.mutex);
          if (!mailbox.letters.empty()) {
            mine.push_back(std::move(mailbox.letters.back()));
            mailbox.letters.pop_back();
          }
        }
        if (mine.size() > 5 || (last && !mine.empty())) {
          const auto at = mine.begin() + static_cast<std::ptrdiff_t>(random() % mine.size());
          if (at->first.structure_fingerprint() != at->second) ++wrong;
          mine.erase(at);
        }
      }
      while (!mine.empty()) {  // the graph may be gone by now
        if (mine.back().first.structure_fingerprint() != mine.back().second) ++wrong;
        mine.pop_back();
      }
    });
  }
  auto graph = chain(100);
  for (int i = 0; i < 800; ++i) {
    graph->node(NodeId{1 + static_cast<std::uint32_t>(i * 37 % 100)}).update_kwarg("k", i);
    Snapshot snapshot = graph->freeze();
    const auto print = Graph(*graph).freeze().structure_fingerprint();
    const std::lock_guard lock(mailbox.mutex);
    mailbox.letters.emplace_back(std::move(snapshot), print);
  }
  done = true;
  graph.reset();
  for (auto& reader : readers) reader.join();
  mailbox.letters.clear();
  BOOST_TEST(wrong == 0U);
}
