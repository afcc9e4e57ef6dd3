// What it costs that N coroutines of one loop wait for something that another thread does: for a module's compile, for a hand-written Asio
// event, and, as threads do, for a std::shared_future. Run it as: taskset -c 0,1 build/release/bin/bench/awaits_bench
//
// One round: the other thread stands at a starting gun; the module is marked, N coroutines are spawned and wait, the gun is fired, the other
// thread does its work (a compile, a compile that is found in the cache, or nothing) and tells all of them, and the last one ends. Futures
// cannot be awaited, so N threads wait for them. They live through all rounds, and no round begins with waking them for it, so that a
// round of theirs holds the waiting alone, where one of the others holds the spawning of N coroutines too: what that is is measured with
// coroutines that are posted to their own loop and wait for nobody.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "lazyfx/ops/registry.hpp"

namespace {

using namespace lazyfx;
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

/// Another thread stands at it until it is fired.
class Gun {
 public:
  void stand() {
    const std::uint64_t before = fired_.load();
    arrived_.fetch_add(1);
    arrived_.notify_one();
    fired_.wait(before);
  }
  /// Until the other stands there, once more.
  void await_arrival() {
    ++expected_;
    for (std::uint64_t now = arrived_.load(); now < expected_; now = arrived_.load()) arrived_.wait(now);
  }
  void fire() {
    fired_.fetch_add(1);
    fired_.notify_one();
  }

 private:
  std::atomic<std::uint64_t> arrived_{0}, fired_{0};
  std::uint64_t expected_ = 0;
};

/// A thread that does one thing whenever the gun is fired.
class Other {
 public:
  Other(Gun& gun, std::function<void()> act) : gun_(gun) {
    thread_ = std::thread([this, act = std::move(act)] {
      for (;;) {
        gun_.stand();
        if (over_.load()) return;
        act();
      }
    });
  }
  ~Other() {
    gun_.await_arrival();
    over_.store(true);
    gun_.fire();
    thread_.join();
  }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;

 private:
  Gun& gun_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

/// An event as one writes it for Asio: any completion token, each handler completes on its own executor, which has work until then. It is
/// fired on any thread, once. It knows no cancellation, which an await of a module does.
class Event {
 public:
  template <class Token = asio::use_awaitable_t<>>
  auto async_wait(Token&& token = Token()) {
    return asio::async_initiate<Token, void()>(
        [this](auto handler) {
          std::unique_ptr<Waiting> waiting = std::make_unique<WaitingHandler<decltype(handler)>>(std::move(handler));
          {
            const std::lock_guard lock(mutex_);
            if (!fired_) return waiting_.push_back(std::move(waiting));
          }
          waiting->complete();
        },
        token);
  }
  void fire() {
    std::vector<std::unique_ptr<Waiting>> waiting;
    {
      const std::lock_guard lock(mutex_);
      fired_ = true;
      waiting.swap(waiting_);
    }
    for (const auto& one : waiting) one->complete();
  }
  /// REQUIRES: nobody waits.
  void reset() {
    const std::lock_guard lock(mutex_);
    fired_ = false;
  }

 private:
  struct Waiting {
    virtual ~Waiting() = default;
    virtual void complete() = 0;
  };
  template <class Handler>
  struct WaitingHandler final : Waiting {
    explicit WaitingHandler(Handler h) : work(asio::get_associated_executor(h)), handler(std::move(h)) {}
    void complete() override { asio::post(work.get_executor(), std::move(handler)); }
    asio::executor_work_guard<asio::associated_executor_t<Handler>> work;
    Handler handler;
  };

  std::mutex mutex_;
  bool fired_ = false;
  std::vector<std::unique_ptr<Waiting>> waiting_;
};

struct Round {
  double all_us = 0;  ///< from the mark to the end of the last
  double release_us = 0;  ///< of it, from the gun on
};
double us(Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double, std::micro>(to - from).count(); }

/// The round of coroutines: `begin` and then N of `wait` on a loop, until all have ended.
template <class Begin, class Wait>
Round coroutines(asio::io_context& loop, std::size_t n, Gun& gun, const Begin& begin, const Wait& wait) {
  gun.await_arrival();
  const auto from = Clock::now();
  begin();
  for (std::size_t i = 0; i < n; ++i) asio::co_spawn(loop, wait(), asio::detached);
  loop.restart();
  loop.poll();
  const auto fired = Clock::now();
  gun.fire();
  loop.run();
  const auto to = Clock::now();
  return {us(from, to), us(fired, to)};
}

class Way {
 public:
  virtual ~Way() = default;
  virtual Round round() = 0;
};

/// The pool's one thread stands at the gun in a call of another module; what was marked meanwhile it compiles when that has ended.
class OfModule : public Way {
 public:
  OfModule(std::size_t n, bool found_in_cache) : n_(n), found_in_cache_(found_in_cache) { busy_.real_recompile(); }

  Round round() override {
    Inputs inputs(x_);
    busy_.forward(std::move(inputs), ForwardOptions().run_on(RunOn::pool), asio::bind_executor(loop_, [](std::exception_ptr, Value) {}));
    constant_ = found_in_cache_ ? 3 - constant_ : constant_ + 1;
    total_.update_arg(1, static_cast<double>(constant_));
    return coroutines(loop_, n_, gun_, [this] { module_.recompile(); }, [this] { return wait(module_); });
  }

 private:
  static OperatorRegistry with_gun(Gun& gun) {
    Operator stands;
    stands.name = "bench::stands";
    stands.schema.inputs = {{"x"}};
    stands.schema.outputs = {{"y"}};
    stands.type_rule = [](const TypeContext& c) { return std::vector<TensorType>{*c.inputs[0]}; };
    stands.reference = [&gun](std::span<const Tensor> in, const Attributes&, std::size_t) {
      gun.stand();
      return std::vector<Tensor>{in[0]};
    };
    OperatorRegistry registry = OperatorRegistry::standard();
    registry.add(std::move(stands));
    return registry;
  }
  static std::shared_ptr<Graph> calling(const char* target, Arguments rest) {
    auto graph = std::make_shared<Graph>();
    Arguments arguments{graph->placeholder("x", TensorType(DType::f32, Shape{4}))};
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    graph->output(graph->call_function(target, std::move(arguments), {}, "total"));
    return graph;
  }
  static asio::awaitable<void> wait(LazyGraphModule& module) { co_await module.wait_ready(Tier::baseline); }

  const std::size_t n_;
  const bool found_in_cache_;
  const Tensor x_ = Tensor::zeros(DType::f32, Shape{4});
  asio::io_context loop_{1};
  Gun gun_;
  Runtime runtime_{RuntimeOptions().threads(1).cache_bytes(found_in_cache_ ? 1 << 20 : 0).operators(with_gun(gun_))};
  LazyGraphModule busy_{runtime_, calling("bench::stands", {})};
  std::shared_ptr<Graph> graph_ = calling("onnx::Add", {1.0});
  Node total_ = graph_->find("total");
  LazyGraphModule module_{runtime_, graph_};
  int constant_ = 1;
};

class OfEvent : public Way {
 public:
  explicit OfEvent(std::size_t n) : n_(n) {}
  Round round() override {
    return coroutines(loop_, n_, gun_, [this] { event_.reset(); }, [this] { return wait(event_); });
  }

 private:
  static asio::awaitable<void> wait(Event& event) { co_await event.async_wait(); }

  const std::size_t n_;
  asio::io_context loop_{1};
  Gun gun_;
  Event event_;
  Other other_{gun_, [this] { event_.fire(); }};
};

class OfFuture : public Way {
 public:
  OfFuture(std::size_t n, std::size_t rounds) : n_(n), promises_(rounds) {
    for (auto& promise : promises_) futures_.push_back(promise.get_future().share());
    for (std::size_t i = 0; i < n; ++i) threads_.emplace_back([this] { wait(); });
  }
  ~OfFuture() override {
    while (next_ < promises_.size()) round();
    for (std::thread& thread : threads_) thread.join();
  }
  Round round() override {
    gun_.await_arrival();
    const std::uint64_t all = n_ * (next_ + 1);
    const auto from = Clock::now();
    gun_.fire();
    for (std::uint64_t now = ended_.load(); now < all; now = ended_.load()) ended_.wait(now);
    const auto to = Clock::now();
    ++next_;
    return {us(from, to), us(from, to)};
  }

 private:
  void wait() {
    for (const auto& shared : futures_) {
      const std::shared_future<void> future = shared;  // as each waiter has its own
      future.get();
      if (ended_.fetch_add(1) % n_ == n_ - 1) ended_.notify_one();
    }
  }

  const std::size_t n_;
  std::size_t next_ = 0;
  std::atomic<std::uint64_t> ended_{0};
  std::vector<std::promise<void>> promises_;
  std::vector<std::shared_future<void>> futures_;
  std::vector<std::thread> threads_;
  Gun gun_;
  Other other_{gun_, [this] { promises_[next_].set_value(); }};
};

class OfNobody : public Way {
 public:
  explicit OfNobody(std::size_t n) : n_(n) {}
  Round round() override {
    const auto from = Clock::now();
    for (std::size_t i = 0; i < n_; ++i) asio::co_spawn(loop_, wait(), asio::detached);
    loop_.restart();
    loop_.run();
    return {us(from, Clock::now()), 0};
  }

 private:
  static asio::awaitable<void> wait() { co_await asio::post(asio::use_awaitable); }

  const std::size_t n_;
  asio::io_context loop_{1};
};

struct Row {
  const char* name;
  std::unique_ptr<Way> way;
  std::vector<double> all = {}, release = {};
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// All ways take turns, so that what else the machine does falls on all of them.
void measure(std::size_t n, std::size_t rounds) {
  constexpr std::size_t turns = 20, unmeasured = 3;
  const std::size_t a_turn = std::max<std::size_t>(1, rounds / turns);
  std::vector<Row> rows;
  rows.push_back({"a module's compile", std::make_unique<OfModule>(n, false)});
  rows.push_back({"a module's compile, found in the cache", std::make_unique<OfModule>(n, true)});
  rows.push_back({"an Asio event", std::make_unique<OfEvent>(n)});
  rows.push_back({"a shared_future, in threads", std::make_unique<OfFuture>(n, turns * (a_turn + unmeasured))});
  rows.push_back({"nobody: spawned and posted", std::make_unique<OfNobody>(n)});
  for (std::size_t turn = 0; turn < turns; ++turn) {
    for (Row& row : rows) {
      for (std::size_t i = 0; i < a_turn + unmeasured; ++i) {
        const Round round = row.way->round();
        if (i < unmeasured) continue;
        row.all.push_back(round.all_us);
        row.release.push_back(round.release_us);
      }
    }
  }
  std::printf("%zu waiting, %zu rounds, medians\n%-42s%14s%18s%16s\n", n, turns * a_turn, "for", "us a round", "of it released",
              "awaits/s");
  for (const Row& row : rows) {
    const double all = median(row.all);
    std::printf("%-42s%14.1f%18.1f%16.0f\n", row.name, all, median(row.release), static_cast<double>(n) * 1e6 / all);
  }
  const double compiled = median(rows[0].all), found = median(rows[1].all);
  std::printf("of the module's round the compile itself: %.1f us, %.0f %%\n\n", compiled - found, 100 * (compiled - found) / compiled);
}

}  // namespace

int main() {
  measure(1, 4000);
  measure(8, 2000);
  measure(1000, 200);
}
