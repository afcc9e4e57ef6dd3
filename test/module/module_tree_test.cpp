#define BOOST_TEST_MODULE module_module_tree
#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/module/module.hpp"

using namespace lazyfx;

namespace {

std::shared_ptr<Container> container() { return std::make_shared<Container>(); }

Tensor tensor(float value) { return Tensor::scalar(value); }

float at(const Module& module, std::string_view path) {
  const Module::NamedTensor* found = module.find_tensor(path);
  BOOST_REQUIRE(found);
  return found->tensor.item<float>();
}

// Checks that `act` throws Error(kind) whose message has `part` in it, and leaves `module` as it was.
template <class Act>
void refuses(const Module& module, ErrorKind kind, const std::string& part, Act&& act) {
  const std::uint64_t before = module.edit_count();
  BOOST_CHECK_EXCEPTION(act(), Error, [&](const Error& e) {
    BOOST_TEST(std::string(e.what()).find(part) != std::string::npos, e.what());
    return e.kind() == kind;
  });
  BOOST_TEST(module.edit_count() == before);
}

// One that says when it dies.
class Watched : public Container {
 public:
  explicit Watched(int& alive) : alive_(alive) { ++alive_; }
  ~Watched() override { --alive_; }

 private:
  int& alive_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(tensors_and_submodules_are_found_by_dotted_path) {
  Container root;
  auto child = container();
  child->set_parameter("weight", tensor(3));
  root.set_submodule("0", child);
  root.set_buffer("mean", tensor(2));
  BOOST_TEST(at(root, "0.weight") == 3);
  BOOST_TEST(at(root, "mean") == 2);
  BOOST_TEST(root.find_submodule("0") == child);
  BOOST_TEST((root.find_tensor("0.weight")->kind == Module::TensorKind::parameter));
  BOOST_TEST((root.find_tensor("mean")->kind == Module::TensorKind::buffer));
}

BOOST_AUTO_TEST_CASE(a_path_that_leads_nowhere_finds_nothing) {
  Container root;
  root.set_submodule("a", container());
  root.set_buffer("t", tensor(1));
  for (const char* path : {"", ".", "b", "a.b", "a.b.c", "t.x", "a.", ".a", "a..b"}) {
    BOOST_TEST(root.find_tensor(path) == nullptr, path);
    BOOST_TEST(root.find_submodule(path) == nullptr, path);
  }
  BOOST_TEST(root.find_tensor("a") == nullptr);
  BOOST_TEST(root.find_submodule("t") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_name_is_one_atom_and_either_a_tensor_or_a_submodule) {
  Container root;
  root.set_buffer("t", tensor(1));
  root.set_submodule("m", container());
  refuses(root, ErrorKind::invalid_argument, "''", [&] { root.set_buffer("", tensor(1)); });
  refuses(root, ErrorKind::invalid_argument, "'a.b'", [&] { root.set_parameter("a.b", tensor(1)); });
  refuses(root, ErrorKind::invalid_argument, "'a.b'", [&] { root.set_submodule("a.b", container()); });
  refuses(root, ErrorKind::invalid_argument, "'m' already names a submodule", [&] { root.set_buffer("m", tensor(1)); });
  refuses(root, ErrorKind::invalid_argument, "'t' already names a tensor", [&] { root.set_submodule("t", container()); });
  refuses(root, ErrorKind::invalid_argument, "'u' is undefined", [&] { root.set_buffer("u", Tensor()); });
  refuses(root, ErrorKind::invalid_argument, "'n' is null", [&] { root.set_submodule("n", nullptr); });
}

BOOST_AUTO_TEST_CASE(a_module_cannot_contain_itself) {
  auto top = container();
  auto middle = container();
  auto leaf = container();
  middle->set_submodule("leaf", leaf);
  top->set_submodule("middle", middle);
  refuses(*leaf, ErrorKind::invalid_argument, "contains", [&] { leaf->set_submodule("up", top); });
  refuses(*top, ErrorKind::invalid_argument, "contains", [&] { top->set_submodule("self", top); });
  refuses(*middle, ErrorKind::invalid_argument, "contains", [&] { middle->add_submodule("made.on.the.way", top); });
  middle->remove("leaf");
  leaf->set_submodule("up", top);  // no longer a cycle
  BOOST_TEST(leaf->find_submodule("up.middle") == middle);
}

BOOST_AUTO_TEST_CASE(add_submodule_makes_the_modules_on_the_way) {
  Container root;
  auto deep = container();
  deep->set_parameter("weight", tensor(5));
  BOOST_TEST(root.add_submodule("foo.bar.baz", deep));
  BOOST_TEST(root.find_submodule("foo.bar.baz") == deep);
  BOOST_TEST(at(root, "foo.bar.baz.weight") == 5);
  const auto bar = root.find_submodule("foo.bar");
  BOOST_TEST(root.add_submodule("foo.bar.other", container()));
  BOOST_TEST(root.find_submodule("foo.bar") == bar);  // what stood on the way is kept
  auto replacement = container();
  BOOST_TEST(root.add_submodule("foo.bar.baz", replacement));
  BOOST_TEST(root.find_submodule("foo.bar.baz") == replacement);
}

BOOST_AUTO_TEST_CASE(add_submodule_is_refused_where_a_tensor_stands) {
  Container root;
  root.set_tensor("foo.t", tensor(1));
  const std::uint64_t before = root.edit_count();
  BOOST_TEST(!root.add_submodule("foo.t.x", container()));
  BOOST_TEST(!root.add_submodule("foo.t.x.y", container()));
  BOOST_TEST(!root.add_submodule("foo.t", container()));
  BOOST_TEST(root.edit_count() == before);
  BOOST_TEST(at(root, "foo.t") == 1);
  refuses(root, ErrorKind::invalid_argument, "'a..b' is not a path", [&] { root.add_submodule("a..b", container()); });
  refuses(root, ErrorKind::invalid_argument, "null", [&] { root.add_submodule("a.b", nullptr); });
}

BOOST_AUTO_TEST_CASE(delete_submodule_says_whether_one_stood_there) {
  Container root;
  root.add_submodule("a.b", container());
  root.set_tensor("a.t", tensor(1));
  BOOST_TEST(!root.delete_submodule("a.c"));
  BOOST_TEST(!root.delete_submodule("x.y"));
  BOOST_TEST(!root.delete_submodule("a.t"));
  BOOST_TEST(!root.delete_submodule("a.t.z"));
  BOOST_TEST(!root.delete_submodule(""));
  BOOST_TEST(!root.delete_submodule("a..b"));
  BOOST_TEST(root.delete_submodule("a.b"));
  BOOST_TEST(!root.delete_submodule("a.b"));
  BOOST_TEST(root.find_submodule("a") != nullptr);
  BOOST_TEST(root.delete_submodule("a"));
  BOOST_TEST(root.find_tensor("a.t") == nullptr);
}

BOOST_AUTO_TEST_CASE(remove_takes_a_tensor_or_a_submodule_by_name) {
  Container root;
  root.set_buffer("t", tensor(1));
  root.set_submodule("m", container());
  BOOST_TEST(root.remove("t"));
  BOOST_TEST(root.remove("m"));
  BOOST_TEST(!root.remove("t"));
  BOOST_TEST(!root.remove("m"));
  BOOST_TEST(root.tensors().empty());
  BOOST_TEST(root.submodules().empty());
}

BOOST_AUTO_TEST_CASE(set_tensor_keeps_what_a_replaced_tensor_was) {
  Container root;
  root.set_tensor("a.b.w", tensor(1), Module::TensorKind::parameter);
  root.set_tensor("a.b.scratch", tensor(2), Module::TensorKind::buffer, false);
  root.set_tensor("a.b.w", tensor(3));
  root.set_tensor("a.b.scratch", tensor(4));
  BOOST_TEST(at(root, "a.b.w") == 3);
  BOOST_TEST((root.find_tensor("a.b.w")->kind == Module::TensorKind::parameter));
  BOOST_TEST(!root.find_tensor("a.b.scratch")->persistent);
}

BOOST_AUTO_TEST_CASE(set_tensor_is_refused_where_it_cannot_stand) {
  Container root;
  root.set_tensor("t", tensor(1));
  root.set_submodule("m", container());
  refuses(root, ErrorKind::invalid_argument, "'t' on the way", [&] { root.set_tensor("t.x", tensor(1)); });
  refuses(root, ErrorKind::invalid_argument, "'m' already names a submodule", [&] { root.set_tensor("m", tensor(1)); });
  refuses(root, ErrorKind::invalid_argument, "not a path", [&] { root.set_tensor("", tensor(1)); });
  refuses(root, ErrorKind::invalid_argument, "undefined", [&] { root.set_tensor("a.b.c", Tensor()); });
  BOOST_TEST(root.find_submodule("a") == nullptr);
}

BOOST_AUTO_TEST_CASE(named_tensors_lists_everything_below_sorted_by_path) {
  Container root;
  root.set_tensor("z", tensor(1));
  root.set_tensor("b.w", tensor(2), Module::TensorKind::parameter);
  root.set_tensor("b.a.w", tensor(3));
  root.set_tensor("a", tensor(4), Module::TensorKind::buffer, false);
  std::vector<std::string> paths;
  for (const auto& [path, named] : root.named_tensors()) paths.push_back(path);
  const std::vector<std::string> expected{"a", "b.a.w", "b.w", "z"};
  BOOST_TEST(paths == expected, boost::test_tools::per_element());
  BOOST_TEST(!root.named_tensors()[0].second.persistent);
}

BOOST_AUTO_TEST_CASE(edit_count_never_comes_back_to_an_old_number) {
  Container root;
  std::uint64_t last = root.edit_count();
  const auto grew = [&] {
    const std::uint64_t now = root.edit_count();
    const bool more = now > last;
    last = now;
    return more;
  };
  auto busy = container();
  for (int i = 0; i < 10; ++i) busy->set_buffer("t", tensor(static_cast<float>(i)));
  root.set_submodule("m", busy);
  BOOST_TEST(grew());
  busy->set_buffer("t", tensor(11));
  BOOST_TEST(grew());
  root.set_submodule("m", container());  // one with fewer edits behind it
  BOOST_TEST(grew());
  root.add_submodule("m.deep.er", busy);
  BOOST_TEST(grew());
  BOOST_TEST(root.delete_submodule("m.deep"));
  BOOST_TEST(grew());
  root.remove("m");
  BOOST_TEST(grew());
  BOOST_TEST(!root.remove("m"));
  BOOST_TEST(!grew());
  (void)root.named_tensors();
  BOOST_TEST(!grew());
}

BOOST_AUTO_TEST_CASE(a_shared_submodule_is_seen_under_each_of_its_names) {
  Container root;
  auto shared = container();
  root.set_submodule("a", shared);
  root.set_submodule("b", shared);
  shared->set_buffer("t", tensor(7));
  BOOST_TEST(at(root, "a.t") == 7);
  BOOST_TEST(at(root, "b.t") == 7);
  BOOST_TEST(root.named_tensors().size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_long_chain_of_modules_needs_no_stack) {
  int alive = 0;
  auto top = std::make_shared<Watched>(alive);
  for (int i = 0; i < 200'000; ++i) {
    auto above = std::make_shared<Watched>(alive);
    above->set_submodule("next", std::move(top));
    top = std::move(above);
  }
  BOOST_TEST(alive == 200'001);
  BOOST_TEST(top->edit_count() == 200'000u);
  const std::shared_ptr<Module> kept = top->find_submodule("next.next.next");
  top.reset();
  BOOST_TEST(alive == 200'001 - 3);  // what somebody holds lives on with everything below it
  BOOST_TEST(kept->edit_count() == 200'000u - 3);
}

BOOST_AUTO_TEST_CASE(a_container_cannot_be_called) {
  Container root;
  refuses(root, ErrorKind::invalid_argument, "cannot be called", [&] { root(Inputs()); });
  BOOST_TEST(root.class_name() == "Container");
}

BOOST_AUTO_TEST_CASE(inputs_are_written_without_braces) {
  const Value x = tensor(1);
  BOOST_TEST(Inputs().values().empty());
  BOOST_TEST(Inputs(x).values().size() == 1u);
  BOOST_TEST(Inputs(tensor(1)).values().size() == 1u);
  BOOST_TEST(Inputs(x, 2.5).values()[1].as_double() == 2.5);
  BOOST_TEST(Inputs(x, x, tensor(3), "four").values().size() == 4u);
  BOOST_TEST(Inputs(x, x, tensor(3), "four").values()[3].as_string() == "four");
}
