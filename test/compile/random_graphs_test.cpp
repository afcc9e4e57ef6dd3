// Compiled answers against the interpreter's, on graphs made at random. A failure names the seed that makes it again.
#define BOOST_TEST_MODULE compile_random_graphs
#include <boost/test/unit_test.hpp>

#include <cstdint>

#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/random_graph.hpp"
#include "support/values.hpp"

using namespace lazyfx;

namespace {

void compare(LazyGraphModule& module, const support::RandomGraph& made, support::Random& random, std::uint64_t seed) {
  const auto inputs = made.inputs(random);
  const Value expected = Interpreter(module).run(inputs);
  const Value got = module.call(inputs);
  BOOST_TEST(support::close(got, expected), "seed " << seed << "\n" << module.code());
}

void compile_many(std::uint64_t first_seed, int count, support::RandomGraphOptions options, int edits) {
  Runtime runtime;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
    support::Random random(seed ^ 0x9e3779b97f4a7c15U);
    support::RandomGraph made(seed, options);
    made.graph()->lint();
    LazyGraphModule module(runtime, made.graph(), &made.root());
    compare(module, made, random, seed);
    for (int k = 0; k < edits; ++k) {
      made.edit();
      made.graph()->lint();
      module.recompile();
      compare(module, made, random, seed);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(compiled_answers_equal_the_interpreters_when_shapes_are_known_ahead) {
  support::RandomGraphOptions options;
  compile_many(1, 150, options, 0);
}

BOOST_AUTO_TEST_CASE(compiled_answers_equal_the_interpreters_when_shapes_are_known_at_the_call) {
  support::RandomGraphOptions options;
  options.typed = false;
  compile_many(1001, 100, options, 0);
}

BOOST_AUTO_TEST_CASE(compiled_answers_equal_the_interpreters_after_every_edit) {
  support::RandomGraphOptions options;
  compile_many(2001, 30, options, 10);
}

BOOST_AUTO_TEST_CASE(compiled_answers_equal_the_interpreters_on_larger_graphs) {
  support::RandomGraphOptions options;
  options.nodes = 300;
  compile_many(3001, 5, options, 3);
}
