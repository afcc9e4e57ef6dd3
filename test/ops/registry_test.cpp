#define BOOST_TEST_MODULE ops_registry
#include <boost/test/unit_test.hpp>

#include <string>

#include "lazyfx/error.hpp"
#include "lazyfx/graph/graph.hpp"
#include "lazyfx/ops/purity.hpp"
#include "lazyfx/ops/registry.hpp"

using namespace lazyfx;

namespace {

Operator identity(std::string name) {
  Operator op;
  op.name = std::move(name);
  op.schema.inputs = {{"x", Parameter::Arity::single}};
  op.schema.outputs = {{"y", Parameter::Arity::single}};
  op.type_rule = [](const TypeContext& c) { return std::vector<TensorType>{*c.inputs[0]}; };
  op.reference = [](std::span<const Tensor> in, const Attributes&, std::size_t) { return std::vector<Tensor>{in[0]}; };
  return op;
}

auto says(const std::string& part) {
  return [part](const Error& e) { return std::string(e.what()).find(part) != std::string::npos; };
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_new_registry_knows_nothing_and_the_standard_one_knows_onnx) {
  BOOST_TEST((OperatorRegistry().find("onnx::Conv") == nullptr));
  const OperatorRegistry standard = OperatorRegistry::standard();
  BOOST_REQUIRE((standard.find("onnx::Conv") != nullptr));
  BOOST_TEST(standard.find("onnx::Conv")->name == "onnx::Conv");
  BOOST_TEST((standard.find("getitem") != nullptr));
  BOOST_TEST((standard.find("onnx::Nothing") == nullptr));
}

BOOST_AUTO_TEST_CASE(the_plain_name_means_the_newest_and_an_opset_finds_its_own) {
  const OperatorRegistry standard = OperatorRegistry::standard();
  const auto meaning = [&](const char* type, int version) {
    const OperatorPtr op = standard.find_version("", type, version);
    return op == nullptr ? std::string("none") : op->name;
  };
  BOOST_TEST(meaning("Softmax", 17) == "onnx::Softmax");
  BOOST_TEST(meaning("Softmax", 13) == "onnx::Softmax");
  BOOST_TEST(meaning("Softmax", 12) == "onnx::Softmax@1");
  BOOST_TEST(meaning("Clip", 10) == "onnx::Clip@6");
  BOOST_TEST(meaning("Clip", 11) == "onnx::Clip");
  BOOST_TEST(meaning("Resize", 9) == "none");
  BOOST_TEST(meaning("Resize", 10) == "onnx::Resize@10");
  BOOST_TEST(meaning("Resize", 11) == "onnx::Resize");
  BOOST_TEST(meaning("Upsample", 8) == "onnx::Upsample@7");
  BOOST_TEST(meaning("Upsample", 9) == "onnx::Upsample");
  BOOST_TEST(meaning("Upsample", 10) == "none");
  BOOST_TEST(meaning("BatchNormalization", 8) == "onnx::BatchNormalization@7");
  BOOST_TEST(meaning("BatchNormalization", 13) == "onnx::BatchNormalization@9");
  BOOST_TEST(meaning("LayerNormalization", 16) == "none");
  BOOST_TEST((standard.find_version("ai.onnx", "Relu", 7) != nullptr));
  BOOST_TEST((standard.find_version("com.example", "Relu", 7) == nullptr));
}

BOOST_AUTO_TEST_CASE(no_opset_has_two_meanings_of_one_operator) {
  const auto all = OperatorRegistry::standard().all();
  const auto type_of = [](const Operator& op) { return op.name.substr(0, op.name.find('@')); };
  const auto covers = [](const Operator& op, int version) {
    return op.since_version <= version && (op.until_version == 0 || version <= op.until_version);
  };
  for (int version = 7; version <= 17; ++version) {
    for (std::size_t i = 1; i < all.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const bool both = type_of(*all[i]) == type_of(*all[j]) && covers(*all[i], version) && covers(*all[j], version);
        BOOST_TEST(!both, all[i]->name << " and " << all[j]->name << " in opset " << version);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(all_lists_definitions_by_name) {
  const auto all = OperatorRegistry::standard().all();
  for (std::size_t i = 1; i < all.size(); ++i) BOOST_TEST((all[i - 1]->name < all[i]->name), all[i]->name);
}

BOOST_AUTO_TEST_CASE(add_refuses_a_taken_or_empty_name_and_half_a_definition) {
  OperatorRegistry registry;
  registry.add(identity("my::same"));
  BOOST_CHECK_EXCEPTION(registry.add(identity("my::same")), Error, says("my::same is registered already"));
  BOOST_CHECK_EXCEPTION(registry.add(identity("")), Error, says("needs a name"));
  Operator untyped = identity("my::untyped");
  untyped.type_rule = nullptr;
  BOOST_CHECK_EXCEPTION(registry.add(untyped), Error, says("my::untyped has no type rule"));
  Operator kernelless = identity("my::kernelless");
  kernelless.reference = nullptr;
  BOOST_CHECK_EXCEPTION(registry.add(kernelless), Error, says("my::kernelless has no reference kernel"));
  BOOST_TEST(registry.all().size() == 1u);
}

BOOST_AUTO_TEST_CASE(copies_share_definitions_and_part_afterwards) {
  OperatorRegistry first;
  first.add(identity("my::same"));
  OperatorRegistry second = first;
  second.add(identity("my::other"));
  BOOST_TEST((first.find("my::same") == second.find("my::same")));
  BOOST_TEST((first.find("my::other") == nullptr));
}

BOOST_AUTO_TEST_CASE(a_method_means_an_operator) {
  OperatorRegistry registry = OperatorRegistry::standard();
  BOOST_REQUIRE((registry.find_method("relu") != nullptr));
  BOOST_TEST(registry.find_method("relu")->name == "onnx::Relu");
  BOOST_TEST(registry.find_method("sum")->name == "onnx::ReduceSum");
  BOOST_TEST((registry.find_method("no_such_method") == nullptr));
  BOOST_CHECK_EXCEPTION(registry.add_method("relu", "onnx::Abs"), Error, says("relu is registered already"));
  BOOST_CHECK_EXCEPTION(registry.add_method("frob", "my::frob"), Error, says("my::frob, which is not registered"));
  registry.add(identity("my::frob"));
  registry.add_method("frob", "my::frob");
  BOOST_TEST(registry.find_method("frob")->name == "my::frob");
}

BOOST_AUTO_TEST_CASE(only_what_may_be_dropped_counts_as_pure) {
  OperatorRegistry registry = OperatorRegistry::standard();
  const auto add = [&](const char* name, Effect effect) {
    Operator op = identity(name);
    op.effect = effect;
    registry.add(op);
  };
  add("my::dice", Effect::random);
  add("my::write", Effect::io);
  add("my::bump", Effect::mutating);
  registry.add_method("bump", "my::bump");
  Graph graph;
  const Node x = graph.placeholder("x");
  BOOST_TEST(is_impure(registry, x));
  BOOST_TEST(!is_impure(registry, graph.get_attr("weight")));
  BOOST_TEST(!is_impure(registry, graph.call_function("onnx::Relu", {x})));
  BOOST_TEST(!is_impure(registry, graph.call_function("my::dice", {x})));
  BOOST_TEST(is_impure(registry, graph.call_function("my::write", {x})));
  BOOST_TEST(is_impure(registry, graph.call_function("my::unheard_of", {x})));
  BOOST_TEST(!is_impure(registry, graph.call_method("relu", {x})));
  BOOST_TEST(is_impure(registry, graph.call_method("bump", {x})));
  BOOST_TEST(is_impure(registry, graph.call_method("unheard_of", {x})));
  BOOST_TEST(is_impure(registry, graph.call_module("layer", {x})));
  BOOST_TEST(is_impure(registry, graph.output(x)));
}

BOOST_AUTO_TEST_CASE(eliminate_dead_code_keeps_what_has_an_effect) {
  const OperatorRegistry registry = OperatorRegistry::standard();
  Graph graph;
  const Node x = graph.placeholder("x");
  graph.call_function("onnx::Neg", {graph.call_function("onnx::Relu", {x})});
  const Node kept = graph.call_function("my::log", {x});
  graph.output(x);
  BOOST_TEST(graph.eliminate_dead_code([&](Node n) { return is_impure(registry, n); }));
  BOOST_TEST(graph.size() == 3u);
  BOOST_TEST(!kept.erased());
}
