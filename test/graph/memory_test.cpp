#define BOOST_TEST_MODULE graph_memory
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <new>

#include "lazyfx/graph/code.hpp"
#include "vocabulary.hpp"

using namespace vocabulary;

namespace {

// Allocations of this thread until one fails; negative: none does.
thread_local long allocations_left = -1;

#if defined(__SANITIZE_THREAD__)
#define WITHOUT_OWN_NEW
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITHOUT_OWN_NEW
#endif
#endif

}  // namespace

// A program that replaces operator new does not link with clang's ThreadSanitizer, whose runtime defines it. These tests have no threads: all
// other presets run them.
#if defined(WITHOUT_OWN_NEW)
constexpr bool can_fail = false;
#else
constexpr bool can_fail = true;
// Not inlined: the compiler would see new meet free.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace {

boost::test_tools::assertion_result allocations_can_fail(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result answer(can_fail);
  if (!can_fail) answer.message() << "ThreadSanitizer's runtime defines operator new, so no allocation can be made to fail";
  return answer;
}

struct State {
  explicit State(const Graph& graph)
      : text(to_string(graph)), snapshot(Graph(graph).freeze()), names(vocabulary::names(snapshot)), edits(graph.edit_count()) {}
  bool operator==(const State& other) const {
    return text == other.text && names == other.names && edits == other.edits && snapshot.same_content(other.snapshot);
  }
  std::string text;
  Snapshot snapshot;
  Words names;
  std::uint64_t edits;
};

template <class Edit>
bool fails_at(long allocation, Edit&& edit) {
  struct Armed {
    explicit Armed(long n) { allocations_left = n; }
    ~Armed() { allocations_left = -1; }
  };
  try {
    const Armed armed(allocation);
    edit();
  } catch (const std::bad_alloc&) { return true; }
  return false;
}

/// Runs `edit` with the first, the second, ... allocation failing, until it gets through; returns how often it failed.
template <class Edit>
int fail_everywhere(Graph& graph, Edit&& edit) {
  for (long k = 0;; ++k) {
    const State before(graph);
    const Snapshot held = graph.freeze();  // so that the edit has chunks to clone
    const bool failed = fails_at(k, edit);
    graph.lint();
    if (!failed) return static_cast<int>(k);
    BOOST_REQUIRE(State(graph) == before);
    BOOST_REQUIRE(held.same_content(before.snapshot));
  }
}

}  // namespace

BOOST_TEST_DECORATOR(*boost::unit_test::precondition(allocations_can_fail))
BOOST_AUTO_TEST_CASE(an_edit_that_runs_out_of_memory_changes_nothing) {
  Graph graph;
  Node x = graph.placeholder("x");
  Node last = x;
  for (int i = 0; i < 70; ++i) last = graph.call_function("my::neg", {last});
  Node out = graph.output(last);
  Node node = graph.node(NodeId{40});
  const std::string long_text = "a text too long to be held in place by a string";
  BOOST_TEST(fail_everywhere(graph, [&] {
               const auto scope = graph.inserting_before(node);
               graph.call_function("my::" + long_text, {x, Argument::list({x, long_text})}, {{long_text, x}}, long_text);
             }) > 8);
  for (int i = 0; i < 40; ++i) {  // through the growth of every table
    BOOST_TEST(fail_everywhere(graph, [&] {
                 const auto scope = graph.inserting_before(out);
                 graph.call_function("my::more", {x, node});
               }) > 2);
  }
  BOOST_TEST(fail_everywhere(graph, [&] { node.set_args({x, Argument::tuple({graph.node(NodeId{3}), 2})}); }) > 4);
  BOOST_TEST(fail_everywhere(graph, [&] { node.set_target(long_text + " of a target"); }) > 2);
  BOOST_TEST(fail_everywhere(graph, [&] { node.set_op(Opcode::call_method, long_text); }) > 2);
  BOOST_TEST(fail_everywhere(graph, [&] { node.rename(long_text); }) > 2);
  BOOST_TEST(fail_everywhere(graph, [&] { node.set_meta(long_text, long_text); }) > 2);
  BOOST_TEST(fail_everywhere(graph, [&] { node.set_type(TensorType(DType::f32, {Dim(long_text)})); }) > 2);
  BOOST_TEST(fail_everywhere(graph, [&] { graph.node(NodeId{41}).prepend(graph.find("more")); }) > 0);
  BOOST_TEST(fail_everywhere(graph, [&] { out.replace_input_with(last, node); }) > 2);
  BOOST_TEST(fail_everywhere(graph, [&] { graph.erase_node(last); }) > 0);
  BOOST_TEST(fail_everywhere(graph, [&] { graph.freeze(); }) == 0);  // held by the test: nothing to do
}

BOOST_TEST_DECORATOR(*boost::unit_test::precondition(allocations_can_fail))
BOOST_AUTO_TEST_CASE(a_copy_and_a_freeze_that_run_out_of_memory_leave_nothing_behind) {
  Graph graph;
  Node last = graph.placeholder("x");
  for (int i = 0; i < 100; ++i) last = graph.call_function("my::neg", {last, Argument::list({i})});
  BOOST_TEST(fail_everywhere(graph, [&] { const Graph copy(graph); }) > 100);
  Graph empty;
  std::unordered_map<std::uint32_t, Argument> values;
  for (long k = 0; fails_at(k, [&] { empty.graph_copy(graph, values); }); ++k) {
    BOOST_REQUIRE(empty.size() == 0U);
    BOOST_REQUIRE(values.empty());
  }
  BOOST_TEST(empty.size() == graph.size());
  const State before(graph);
  Snapshot snapshot;
  int failures = 0;
  while (fails_at(failures, [&] { snapshot = graph.freeze(); })) ++failures;
  BOOST_TEST(failures > 0);
  BOOST_TEST((State(graph) == before));
}
