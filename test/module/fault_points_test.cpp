// Eager modules, interpreters and trees of modules, with each allocation failing in turn.
#define BOOST_TEST_MODULE module_fault_points
#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>

#include "lazyfx/module/ambient.hpp"
#include "lazyfx/module/explain_miss.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "support/fault_points.hpp"

using namespace support;

BOOST_AUTO_TEST_CASE(an_interpreter_survives_it) {
  every_allocation_fails_once(clean, [](World& w) {
    Interpreter interpreter(*w.module);
    const Inputs inputs(w.x);
    static_cast<void>(interpreter.run(inputs.values()));
  });
}

BOOST_AUTO_TEST_CASE(an_eager_module_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    GraphModule module(*w.runtime, ten_nodes(), w.root.get());
    static_cast<void>(module(w.x));
    set_plus(module.graph(), 3);
    module.recompile();
    static_cast<void>(module(w.x));
    module.set_graph(ten_nodes());
  });
}

BOOST_AUTO_TEST_CASE(modules_made_by_the_guards_survive_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    {
      const UseLazyGraphModule lazily;
      make_graph_module(*w.runtime, ten_nodes(), w.root.get())->recompile();
      const ForceSkipLazyGraphModule eagerly;
      make_graph_module(*w.runtime, ten_nodes(), w.root.get())->recompile();
    }
    BOOST_TEST((graph_module_kind() == GraphModuleKind::eager));
  });
}

BOOST_AUTO_TEST_CASE(turning_an_eager_module_lazy_survives_it) {
  every_allocation_fails_once(nothing, [](World& w) {
    const auto eager = std::make_shared<GraphModule>(*w.runtime, ten_nodes(), w.root.get());
    const auto lazy = LazyGraphModule::from_graphmodule(eager);
    LazyGraphModule::force_recompile(*lazy);
  });
}

BOOST_AUTO_TEST_CASE(explaining_a_miss_survives_it) {
  every_allocation_fails_once(clean, [](World& w) {
    LazyGraphModule other(*w.runtime, ten_nodes(), w.root.get());
    static_cast<void>(explain_miss(*w.module, other));
    set_plus(other.graph(), 3);
    other.recompile();
    static_cast<void>(explain_miss(*w.module, other));
  });
}

BOOST_AUTO_TEST_CASE(changing_the_tree_survives_it) {
  every_allocation_fails_once(clean, [](World& w) {
    w.module->set_tensor("a.path.that.is.longer.than.a.short.string", vec({1}));
    w.module->set_submodule("a_submodule_with_a_name_of_some_length", std::make_shared<Container>());
    w.module->delete_all_unused_submodules();
    static_cast<void>(w.module->named_tensors());
    static_cast<void>(w.module->find_tensor("w"));
    w.module->remove("a");
    static_cast<void>(to_string(*w.module));
  });
}
