// What ships is made as it is asked for: what a process asks for first, and from how many threads, makes no difference.
#define BOOST_TEST_MODULE ops_shipped
#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "lazyfx/ops/registry.hpp"
#include "support/child.hpp"

using namespace lazyfx;

namespace {

struct Known {
  std::string name;
  int version = 0;
  std::string type() const { return name.substr(0, name.find('@')); }
};

/// What `act` returns in a process of its own, which has not asked for anything yet.
template <class Act>
std::string in_a_new_process(Act&& act) {
  const support::Ended ended = support::in_a_child([&act](int to) {
    const std::string text = act();
    if (write(to, text.data(), text.size()) != static_cast<ssize_t>(text.size())) _exit(1);
  });
  BOOST_TEST(ended.status == 0);
  return ended.output;
}

/// Without asking in this process.
std::vector<Known> everything() {
  std::istringstream text(in_a_new_process([] {
    std::string lines;
    for (const OperatorPtr& op : OperatorRegistry::standard().all()) lines += op->name + " " + std::to_string(op->since_version) + "\n";
    return lines;
  }));
  std::vector<Known> known;
  for (Known k; text >> k.name >> k.version;) known.push_back(k);
  return known;
}

}  // namespace

BOOST_AUTO_TEST_CASE(whatever_a_process_asks_for_first_is_found) {
  const auto known = everything();
  BOOST_TEST(known.size() > 150u);
  for (const Known& k : known) {
    BOOST_TEST(in_a_new_process([&] {
                 const OperatorPtr op = OperatorRegistry::standard().find(k.name);
                 return op ? op->name : "nothing";
               }) == k.name);
    if (!k.name.starts_with("onnx::")) continue;
    BOOST_TEST(in_a_new_process([&] {
                 const OperatorPtr op = OperatorRegistry::standard().find_version("", k.type().substr(6), k.version);
                 return op ? op->name : "nothing";
               }) == k.name);
  }
  BOOST_TEST(in_a_new_process([] { return OperatorRegistry::standard().find_method("clamp")->name; }) == "onnx::Clip");
}

BOOST_AUTO_TEST_CASE(threads_that_ask_at_once_get_the_same_definitions) {
  const auto known = everything();
  std::vector<std::vector<OperatorPtr>> found(8);
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < found.size(); ++t) {
    threads.emplace_back([&, t] {
      auto order = known;
      std::ranges::shuffle(order, std::mt19937_64(t));
      while (!go) std::this_thread::yield();
      for (const Known& k : order) found[t].push_back(OperatorRegistry::standard().find(k.name));
      std::ranges::sort(found[t], {}, [](const OperatorPtr& op) { return op->name; });
    });
  }
  go = true;
  for (auto& thread : threads) thread.join();
  for (const auto& operators : found) BOOST_TEST((operators == found[0]));
  BOOST_TEST((found[0] == OperatorRegistry::standard().all()));
}
