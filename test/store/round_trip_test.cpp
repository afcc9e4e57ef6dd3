#define BOOST_TEST_MODULE store_round_trip
#include <boost/test/unit_test.hpp>

#include <sstream>

#include "fuzz/onnx_seeds.hpp"
#include "interop/importing.hpp"
#include "lazyfx/module/ambient.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "lazyfx/store/archive.hpp"
#include "modules.hpp"
#include "support/random_graph.hpp"

using namespace lazyfx;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::shared_ptr<Module> round_trip(const Module& module, Runtime& runtime, const Reconstructors& known = {}) {
  return load_from_bytes(bytes_of(save_to_bytes(module, known)), runtime, LoadOptions().reconstructors(known));
}

bool same(const Module& a, const Module& b, const Reconstructors& known = {}) { return reduce(a, known).state == reduce(b, known).state; }

void check_same_graph(const Graph& a, const Graph& b) {
  BOOST_TEST(a.freeze().same_content(b.freeze()));
  BOOST_TEST(a.freeze().id_limit() == b.freeze().id_limit());
  BOOST_REQUIRE(a.size() == b.size());
  auto other = b.nodes().begin();
  for (const Node node : a.nodes()) {
    const Node copy = *other;
    ++other;
    bool equal = node.id() == copy.id() && node.op() == copy.op() && node.name() == copy.name() && node.target() == copy.target() &&
                 node.args() == copy.args() && node.kwargs() == copy.kwargs() && node.type() == copy.type() && node.meta() == copy.meta() &&
                 node.user_count() == copy.user_count();
    const auto users = node.users(), copies = copy.users();
    for (std::size_t i = 0; equal && i < users.size(); ++i) equal = users[i].id() == copies[i].id();
    if (!equal) BOOST_ERROR("node " << node.name() << " came back as " << copy.format());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_graph_with_every_kind_of_argument_comes_back_in_every_respect) {
  Runtime runtime;
  LazyGraphModule module(runtime, stored::every_kind());
  const auto loaded = std::dynamic_pointer_cast<LazyGraphModule>(round_trip(module, runtime));
  BOOST_REQUIRE(loaded);
  check_same_graph(module.graph(), loaded->graph());
  BOOST_TEST(same(module, *loaded));
  BOOST_TEST(module.graph().find("third").users().size() == 1);
  // What is made next is named and numbered as it would have been.
  const Node here = module.graph().call_function("onnx::Relu", {module.graph().find("x")});
  const Node there = loaded->graph().call_function("onnx::Relu", {loaded->graph().find("x")});
  BOOST_TEST(here.name() == there.name());
  BOOST_TEST((here.id() == there.id()));
}

BOOST_AUTO_TEST_CASE(random_graphs_come_back_and_answer_bit_for_bit) {
  Runtime runtime;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    support::RandomGraph random(seed, {.nodes = 5 + seed * 3});
    LazyGraphModule module(runtime, random.graph(), &random.root(), LazyGraphModuleOptions().schedule(Schedule::on_demand));
    for (int i = 0; i < 10; ++i) random.edit();
    const auto loaded = std::dynamic_pointer_cast<LazyGraphModule>(round_trip(module, runtime));
    BOOST_REQUIRE(loaded);
    check_same_graph(module.graph(), loaded->graph());
    BOOST_TEST(same(module, *loaded));
    module.recompile();
    support::Random values(seed);
    const auto inputs = random.inputs(values);
    BOOST_TEST((module.call(inputs) == loaded->call(inputs)));
  }
}

BOOST_AUTO_TEST_CASE(a_hundred_thousand_nodes_come_back) {
  Runtime runtime;
#ifdef LAZYFX_SLOW_BUILD
  constexpr std::size_t nodes = 10'000;
#else
  constexpr std::size_t nodes = 100'000;
#endif
  auto graph = std::make_shared<Graph>();
  std::mt19937_64 random(7);
  std::vector<Node> made{graph->placeholder("x")};
  while (made.size() < nodes) {
    const Node a = made[random() % made.size()], b = made[random() % made.size()];
    Node node = random() % 4 == 0 ? graph->call_function("onnx::Concat", {Argument::list({a, b})}, {{"axis", 0}})
                                  : graph->call_function("onnx::Add", {a, b});
    if (random() % 3 == 0) node.set_meta("n", static_cast<std::int64_t>(random() % 100));
    if (random() % 16 == 0) made[random() % made.size()].set_type(TensorType(DType::f32, {Dim("N"), Dim(3)}));
    made.push_back(node);
  }
  graph->output(made.back());
  LazyGraphModule module(runtime, graph, nullptr, LazyGraphModuleOptions().schedule(Schedule::on_demand));
  const auto loaded = std::dynamic_pointer_cast<LazyGraphModule>(round_trip(module, runtime));
  BOOST_REQUIRE(loaded);
  check_same_graph(module.graph(), loaded->graph());
}

BOOST_AUTO_TEST_CASE(attributes_submodules_sharing_and_names_come_back) {
  Runtime runtime;
  const auto module = stored::nested(runtime);
  const auto loaded = round_trip(*module, runtime);
  BOOST_TEST(same(*module, *loaded));
  BOOST_TEST(loaded->class_name() == "Nested");
  const auto* unreferenced = loaded->find_tensor("unreferenced");
  BOOST_REQUIRE(unreferenced);
  BOOST_TEST(!unreferenced->persistent);
  BOOST_TEST((loaded->find_tensor("layers.0.weight")->kind == Module::TensorKind::parameter));
  BOOST_TEST(loaded->find_tensor("layers.0.weight")->tensor.is_same(loaded->find_tensor("child.bias")->tensor));
  BOOST_TEST(loaded->find_submodule("child") == loaded->find_submodule("again"));
  BOOST_TEST(loaded->find_submodule("unused") != nullptr);
  const Value x = Tensor::from<float>({1, 1, 1, 1}, Shape{4});
  BOOST_TEST((loaded->call(std::span(&x, 1)) == module->call(std::span(&x, 1))));
}

BOOST_AUTO_TEST_CASE(saving_neither_compiles_nor_marks_and_holds_edits_never_marked) {
  Runtime runtime;
  const auto module = stored::nested(runtime);
  module->recompile();
  module->graph().find("x").set_meta("edited", true);
  const auto before = runtime.stats();
  const auto generation = module->generation();
  const std::string bytes = save_to_bytes(*module);
  BOOST_TEST(runtime.stats().marks == before.marks);
  BOOST_TEST(runtime.stats().compiles_started == before.compiles_started);
  BOOST_TEST(module->generation() == generation);
  const auto loaded = std::dynamic_pointer_cast<LazyGraphModule>(load_from_bytes(bytes_of(bytes), runtime));
  BOOST_REQUIRE(loaded);
  BOOST_TEST(runtime.stats().compiles_started == before.compiles_started);
  BOOST_TEST(loaded->generation() == generation);
  BOOST_TEST(loaded->needs_recompile());
  BOOST_TEST((loaded->schedule() == Schedule::on_demand));
  BOOST_TEST((loaded->graph().find("x").meta().at("edited") == Value(true)));
  BOOST_TEST(save_to_bytes(*loaded) == bytes);
}

BOOST_AUTO_TEST_CASE(what_was_saved_decides_about_laziness_unless_skipping_is_forced) {
  Runtime runtime;
  Container root;
  root.set_parameter("bias", Tensor::zeros(DType::f32, Shape{4}));
  const GraphModule eager(runtime, stored::child_graph(), &root);
  const LazyGraphModule lazy(runtime, stored::child_graph(), &root);
  const auto is_lazy = [&](const Module& m) { return dynamic_cast<GraphModule&>(*round_trip(m, runtime)).is_lazy(); };
  BOOST_TEST(!is_lazy(eager));
  BOOST_TEST(is_lazy(lazy));
  {
    const UseLazyGraphModule use(true);
    BOOST_TEST(!is_lazy(eager));
  }
  const UseLazyGraphModule dont(false);
  BOOST_TEST(is_lazy(lazy));
  const ForceSkipLazyGraphModule skip;
  BOOST_TEST(!is_lazy(lazy));
}

BOOST_AUTO_TEST_CASE(a_user_module_comes_back_through_its_reconstructor_and_is_reduced_once) {
  Runtime runtime;
  int asked = 0;
  Reconstructors known;
  known.add<stored::Scale>(
      "test.Scale",
      [&asked](const stored::Scale& s) {
        ++asked;
        return Value(s.by());
      },
      [](const Value& by) -> std::shared_ptr<Module> { return std::make_shared<stored::Scale>(by.as_double()); });
  Container root;
  const auto scale = std::make_shared<stored::Scale>(2.5);
  scale->set_buffer("b", Tensor::scalar<float>(1));
  root.set_submodule("one", scale);
  root.set_submodule("two", scale);
  const std::string bytes = save_to_bytes(root, known);
  BOOST_TEST(asked == 1);
  const auto loaded = load_from_bytes(bytes_of(bytes), runtime, LoadOptions().reconstructors(known));
  const auto one = std::dynamic_pointer_cast<stored::Scale>(loaded->find_submodule("one"));
  BOOST_REQUIRE(one);
  BOOST_TEST(one->by() == 2.5);
  BOOST_TEST(one == loaded->find_submodule("two"));
  BOOST_TEST(one->find_tensor("b")->tensor.item<float>() == 1);
  BOOST_CHECK_EXCEPTION(load_from_bytes(bytes_of(bytes), runtime), StoreError, [](const StoreError& e) {
    return e.fault() == StoreFault::incompatible && std::string(e.what()).find("test.Scale was not found") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(branches_and_loops_come_back_and_answer_the_same) {
  Runtime runtime;
  const auto model = importing::import_bytes(onnx_seeds::control_flow());
  LazyGraphModule module(runtime, model.graph, model.root.get());
  const auto loaded = std::dynamic_pointer_cast<LazyGraphModule>(round_trip(module, runtime));
  BOOST_REQUIRE(loaded);
  BOOST_TEST(same(module, *loaded));
  const auto body = std::dynamic_pointer_cast<Subgraph>(loaded->find_submodule("loop.body"));
  BOOST_REQUIRE(body);
  check_same_graph(std::dynamic_pointer_cast<Subgraph>(module.find_submodule("loop.body"))->source(), body->source());
  const Value x = Tensor::from<float>({1, -2}, Shape{2});
  const Value answer = loaded->call({&x, 1});
  BOOST_TEST((answer == module.call({&x, 1})));
  BOOST_TEST((answer[0] == Value(Tensor::from<float>({4, -8}, Shape{2}))));
  BOOST_TEST((deep_copy(module, runtime)->call({&x, 1}) == answer));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_saved_is_named_by_its_path) {
  Runtime runtime;
  Container root;
  root.add_submodule("blocks.1.scale", std::make_shared<stored::Scale>(1));
  BOOST_CHECK_EXCEPTION(reduce(root), Error, [](const Error& e) {
    return std::string(e.what()).starts_with("root.blocks[1].scale: ") && e.kind() == ErrorKind::unsupported;
  });
  BOOST_TEST((reduce(root, stored::with_scale()).reconstructor == "lazyfx.Container"));
}

BOOST_AUTO_TEST_CASE(a_deep_copy_is_equal_and_edits_of_it_stay_in_it) {
  Runtime runtime;
  const auto module = stored::nested(runtime);
  const auto copy = std::dynamic_pointer_cast<LazyGraphModule>(deep_copy(*module, runtime));
  BOOST_REQUIRE(copy);
  BOOST_TEST(same(*module, *copy));
  copy->graph().find("x").set_meta("edited", true);
  copy->set_attr("layers.0.weight", Tensor::zeros(DType::f32, Shape{4}));
  BOOST_TEST(module->graph().find("x").meta().empty());
  BOOST_TEST(module->find_tensor("layers.0.weight")->tensor.values<float>()[1] == 2);
  BOOST_TEST(!same(*module, *copy));
}

BOOST_AUTO_TEST_CASE(text_and_xml_show_the_names) {
  Runtime runtime;
  const auto module = stored::nested(runtime);
  std::ostringstream text, xml;
  write_text(text, *module);
  write_xml(xml, *module);
  BOOST_TEST(text.str().find("onnx::Mul") != std::string::npos);
  BOOST_TEST(xml.str().find("<item>onnx::Mul</item>") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_debounced_schedule_keeps_its_quiet_time) {
  Runtime runtime;
  auto graph = std::make_shared<Graph>();
  graph->output(graph->placeholder("x"));
  LazyGraphModule module(runtime, graph, nullptr,
                         LazyGraphModuleOptions().schedule(Schedule::debounced).quiet_time(std::chrono::milliseconds(70)));
  const auto loaded = std::dynamic_pointer_cast<LazyGraphModule>(round_trip(module, runtime));
  BOOST_REQUIRE(loaded);
  BOOST_TEST((loaded->schedule() == Schedule::debounced));
  BOOST_TEST((loaded->quiet_time() == std::chrono::milliseconds(70)));
}
