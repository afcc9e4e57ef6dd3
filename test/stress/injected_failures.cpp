// Compiles that fail, each awaited by eight: every one of them must hear of it, once, and the next mark must be answered.
//
//   injected_failures [--seconds S] [--count FAILURES] [--seed N]
#include <atomic>
#include <exception>
#include <random>
#include <stdexcept>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/counts.hpp"
#include "support/graphs.hpp"
#include "support/operators.hpp"
#include "support/values.hpp"

using namespace lazyfx;

int main(int argc, char** argv) {
  support::Counts counts(100'000);
  if (!counts.read(argc, argv)) return 2;
  std::mt19937_64 random(counts.seed);
  std::atomic<int> how{0};
  const auto act = [&how] {
    switch (how.load()) {
      case 1: throw std::runtime_error("injected");
      case 2: throw Error(ErrorKind::invalid_graph, "injected");
      case 3: throw 3;
      case 4: throw std::bad_alloc();
      default: break;
    }
  };
  Runtime runtime(RuntimeOptions().threads(2).operators(support::standard_and(support::acts_in_compile("t::acts", act))));
  auto graph = support::plus(0);
  Node total = graph->find("total");
  const Node acts = graph->call_function("t::acts", {total.arg(0)});
  total.prepend(acts);
  total.update_arg(0, acts);
  LazyGraphModule module(runtime, graph);
  boost::asio::io_context loop;
  const Tensor zeros = support::vec({0, 0, 0, 0});
  constexpr int waiters = 8;
  std::uint64_t failures = 0;
  for (; !counts.enough(failures); ++failures) {
    const bool fails_now[] = {true, failures % 64 == 0};
    for (std::size_t pass = 0; pass < (fails_now[1] ? 2U : 1U); ++pass) {
      const bool fails = pass == 0;
      how = fails ? 1 + static_cast<int>(random() % 4) : 0;
      support::set_plus(*graph, static_cast<double>(1 + 2 * failures + pass));
      module.recompile();
      int heard[waiters] = {};
      bool right = true;
      for (int& n : heard) {
        module.forward(Inputs(zeros), boost::asio::bind_executor(loop, [&n, &right, fails](std::exception_ptr error, const Value&) {
                         ++n;
                         right = right && static_cast<bool>(error) == fails;
                       }));
      }
      loop.restart();
      loop.run();
      for (const int n : heard) {
        if (n != 1) return std::cerr << "failure " << failures << ": a waiter heard " << n << " times\n", 1;
      }
      if (!right) return std::cerr << "failure " << failures << ": a waiter heard the wrong thing\n", 1;
    }
  }
  if (runtime.stats().waiting != 0) return std::cerr << "somebody still waits\n", 1;
  std::cout << failures << " failures with " << waiters << " waiters each in " << counts.elapsed() << " s\n";
}
