// The trace, parsed as a viewer would.
#define BOOST_TEST_MODULE compile_trace
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/coroutine.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;
using Json = nlohmann::json;

namespace {

const Tensor zeros = support::vec({0, 0, 0, 0});

struct Slice {
  std::string category, name;
  double begin = 0, end = 0;
  int thread = 0;
  Json args;

  bool inside(const Slice& other) const { return thread == other.thread && begin >= other.begin && end <= other.end; }
  bool apart_from(const Slice& other) const { return thread != other.thread || end <= other.begin || begin >= other.end; }
};

struct Trace {
  std::vector<Slice> slices;
  std::map<int, std::string> threads;
  std::uint64_t lost = 0;

  explicit Trace(const Runtime& runtime) {
    std::ostringstream out;
    runtime.write_trace(out);
    parse(out.str());
  }
  explicit Trace(const std::string& text) { parse(text); }

  std::vector<Slice> of(const std::string& category) const {
    std::vector<Slice> some;
    std::copy_if(slices.begin(), slices.end(), std::back_inserter(some), [&](const Slice& s) { return s.category == category; });
    return some;
  }

 private:
  void parse(const std::string& text) {
    const Json json = Json::parse(text);
    lost = json.at("otherData").at("slices_lost");
    for (const Json& event : json.at("traceEvents")) {
      if (event.at("ph") == "M") {
        BOOST_TEST(event.at("name") == "thread_name");
        threads[event.at("tid")] = event.at("args").at("name");
        continue;
      }
      BOOST_TEST(event.at("ph") == "X");
      BOOST_TEST(event.at("dur").get<double>() >= 0);
      slices.push_back({event.at("cat"), event.at("name"), event.at("ts"), event.at("ts").get<double>() + event.at("dur").get<double>(),
                        event.at("tid"), event.at("args")});
    }
  }
};

/// The one of `others` around `slice`.
const Slice& parent_of(const Slice& slice, const std::vector<Slice>& others) {
  const auto at = std::find_if(others.begin(), others.end(), [&](const Slice& o) { return slice.inside(o); });
  BOOST_REQUIRE_MESSAGE(at != others.end(), slice.name << " stands in nothing");
  return *at;
}

std::shared_ptr<Graph> two_kernels() {
  auto graph = std::make_shared<Graph>();
  const Node x = graph->placeholder("x", TensorType(DType::f32, Shape{4, 4}));
  const Node product = graph->call_function("onnx::MatMul", {x, x}, {}, "product");
  graph->output(graph->call_function("onnx::Softmax", {product}, {}, "likely"));
  return graph;
}

LazyGraphModuleOptions named(const char* name) { return LazyGraphModuleOptions().class_name(name); }

}  // namespace

BOOST_AUTO_TEST_CASE(a_compile_holds_its_passes_and_they_hold_the_kernels) {
  Runtime runtime(RuntimeOptions().trace(1000));
  LazyGraphModule module(runtime, two_kernels(), nullptr, named("Pair"));
  module.recompile();
  module.real_recompile();
  const Trace trace(runtime);
  const auto compiles = trace.of("compile"), passes = trace.of("pass"), kernels = trace.of("kernel");
  BOOST_REQUIRE(compiles.size() == 1u);
  BOOST_TEST(compiles[0].args.at("module") == "Pair");
  BOOST_TEST(compiles[0].args.at("generation") == 2);
  BOOST_TEST(compiles[0].args.at("outcome") == "finished");
  std::vector<std::string> names;
  for (const Slice& pass : passes) {
    names.push_back(pass.name);
    BOOST_TEST(pass.inside(compiles[0]), pass.name);
    BOOST_TEST(pass.args.at("module") == "Pair");
    for (const Slice& other : passes) BOOST_TEST((&pass == &other || pass.apart_from(other)), pass.name << " and " << other.name);
  }
  const std::vector<std::string> expected = {"bind", "lower", "eliminate", "fold", "fuse", "layouts", "kernels", "memory plan"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  std::set<std::string> nodes;
  for (const Slice& kernel : kernels) {
    BOOST_TEST(parent_of(kernel, passes).name == "kernels");
    BOOST_TEST(!kernel.name.empty());
    nodes.insert(kernel.args.at("node"));
  }
  BOOST_TEST((nodes == std::set<std::string>{"product", "likely"}));
}

BOOST_AUTO_TEST_CASE(plans_and_runs_have_slices_of_their_own) {
  Runtime runtime(RuntimeOptions().trace(1000));
  LazyGraphModule module(runtime, support::plus(1, TensorType(DType::f32, {Dim("N")})), nullptr, named("Open"));
  support::Loop loop;
  support::Call(loop, module, zeros, ForwardOptions().run_on(RunOn::pool)).get();
  const Trace trace(runtime);
  const auto compiles = trace.of("compile"), runs = trace.of("run");
  BOOST_REQUIRE(compiles.size() == 2u);
  BOOST_TEST(compiles[0].name == "compile");
  BOOST_TEST(compiles[1].name == "specialize");
  for (const Slice& pass : trace.of("pass")) BOOST_TEST(parent_of(pass, compiles).name == (pass.name == "bind" ? "compile" : "specialize"));
  BOOST_REQUIRE(runs.size() == 1u);
  BOOST_TEST(runs[0].args.at("module") == "Open");
  BOOST_TEST(runs[0].args.at("generation") == 1);
  BOOST_TEST(runs[0].begin >= compiles[1].end);
}

BOOST_AUTO_TEST_CASE(threads_have_rows_with_their_names) {
  Runtime runtime(RuntimeOptions().trace(1000).threads(1));
  LazyGraphModule on_pool(runtime, support::plus(1)), here(runtime, support::plus(2));
  support::Loop loop;
  support::Call(loop, on_pool, zeros).get();
  here.real_recompile();
  const Trace trace(runtime);
  std::set<int> rows;
  for (const Slice& slice : trace.slices) rows.insert(slice.thread);
  BOOST_TEST(rows.size() >= 1u);
  for (const int row : rows) BOOST_TEST(trace.threads.contains(row));
  const auto compiles = trace.of("compile");
  BOOST_REQUIRE(compiles.size() == 2u);
  BOOST_TEST(trace.threads.at(compiles[0].thread) == "lazyfx");
}

BOOST_AUTO_TEST_CASE(a_failed_and_a_stopped_compile_say_so) {
  const auto gate = std::make_shared<support::Gate>();
  Runtime runtime(RuntimeOptions().trace(1000).operators(support::standard_and(
      support::held_in_compile("t::held", gate), support::acts_in_compile("t::broken", [] { throw std::runtime_error("no"); }))));
  const support::OpenAtEnd open(*gate);
  LazyGraphModule broken(runtime, support::chain({"t::broken"}), nullptr, named("Broken"));
  BOOST_CHECK_THROW(broken(Inputs(zeros)), CompileError);
  {
    LazyGraphModule left(runtime, support::chain({"t::held"}), nullptr, named("Left"));
    left.prefetch();
    gate->wait_for_arrivals(1);
  }
  gate->open();
  runtime.stop();
  std::map<std::string, std::string> outcomes;
  for (const Slice& compile : Trace(runtime).of("compile")) outcomes[compile.args.at("module")] = compile.args.at("outcome");
  BOOST_TEST(outcomes["Broken"] == "failed");
  BOOST_TEST(outcomes["Left"] == "cancelled");
}

BOOST_AUTO_TEST_CASE(a_compile_inside_a_compile_nests) {
  // An operator that calls a module when it is folded.
  std::shared_ptr<LazyGraphModule> inner;
  // The only thread compiles the outer one, so that no other can take the inner one from under it.
  Runtime runtime(RuntimeOptions().threads(1).trace(1000).operators(
      support::standard_and(support::acts_in_compile("t::calls", [&] { inner->call(std::vector<Value>{zeros}); }))));
  inner = std::make_shared<LazyGraphModule>(runtime, support::plus(1), nullptr, named("Inner"));
  LazyGraphModule outer(runtime, support::chain({"t::calls"}), nullptr, named("Outer"));
  outer.prefetch();
  while (outer.needs_recompile()) std::this_thread::yield();
  const Trace trace(runtime);
  const auto compiles = trace.of("compile"), passes = trace.of("pass");
  BOOST_REQUIRE(compiles.size() == 2u);
  BOOST_TEST(compiles[0].args.at("module") == "Inner");
  BOOST_TEST(compiles[0].inside(compiles[1]));
  std::vector<Slice> lowerings;
  for (const Slice& pass : passes) {
    if (pass.name == "lower" && pass.args.at("module") == "Outer") lowerings.push_back(pass);
  }
  BOOST_REQUIRE(lowerings.size() == 1u);
  const auto of_outer = [](const Slice& slice) { return slice.args.at("module") == "Outer"; };
  BOOST_TEST(std::count_if(passes.begin(), passes.end(), of_outer) == 8);
  BOOST_TEST(compiles[0].inside(lowerings[0]));
  inner.reset();
}

BOOST_AUTO_TEST_CASE(the_ring_keeps_the_newest_slices_and_counts_the_rest) {
  Runtime runtime(RuntimeOptions().trace(10));
  std::uint64_t seen = 0;
  for (int i = 0; i < 20; ++i) {
    LazyGraphModule module(runtime, support::plus(i), nullptr, named(("M" + std::to_string(i)).c_str()));
    module.real_recompile();
    const Trace trace(runtime);
    BOOST_TEST(trace.slices.size() <= 10u);
    seen = trace.lost + trace.slices.size();
  }
  const Trace trace(runtime);
  BOOST_TEST(trace.slices.size() == 10u);
  BOOST_TEST(seen == trace.lost + 10);
  BOOST_TEST(trace.lost >= 20u * 8u - 10u);
  // A compile leaves ten slices: itself, eight passes and a kernel.
  BOOST_TEST(std::all_of(trace.slices.begin(), trace.slices.end(), [](const Slice& slice) { return slice.args.at("module") == "M19"; }));
}

BOOST_AUTO_TEST_CASE(without_the_option_the_trace_is_empty_and_valid) {
  Runtime runtime;
  LazyGraphModule module(runtime, support::plus(1));
  module.real_recompile();
  const Trace trace(runtime);
  BOOST_TEST(trace.slices.empty());
  BOOST_TEST(trace.threads.empty());
}

BOOST_AUTO_TEST_CASE(names_that_are_no_utf8_or_too_long_make_valid_json_still) {
  Runtime runtime(RuntimeOptions().trace(100));
  LazyGraphModule odd(runtime, support::plus(1), nullptr, named("a\"b\\\n\xff\xfe"));
  LazyGraphModule lengthy(runtime, support::plus(2), nullptr, named(std::string(1000, 'x').c_str()));
  odd.real_recompile();
  lengthy.real_recompile();
  const Trace trace(runtime);
  const auto compiles = trace.of("compile");
  BOOST_TEST(compiles.size() == 2u);
  BOOST_TEST(compiles[0].args.at("module").get<std::string>().starts_with("a\"b\\\n"));
  BOOST_TEST(compiles[1].args.at("module").get<std::string>().size() < 64u);
}

BOOST_AUTO_TEST_CASE(a_trace_goes_to_a_file_and_says_when_it_cannot) {
  const auto file = std::filesystem::temp_directory_path() / ("lazyfx-trace-" + std::to_string(::getpid()) + ".json");
  Runtime runtime(RuntimeOptions().trace(100));
  LazyGraphModule module(runtime, support::plus(1));
  module.real_recompile();
  runtime.write_trace(file);
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  BOOST_TEST(Trace(text.str()).of("compile").size() == 1u);
  std::filesystem::remove(file);
  BOOST_CHECK_EXCEPTION(runtime.write_trace(file / "under" / "a file"), Error,
                        [&](const Error& e) { return std::string(e.what()).find(file.string()) != std::string::npos; });
}
