#include "compile/runtime_core.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <new>
#include <set>
#include <utility>

#include "compile/arena.hpp"
#include "compile/lasting.hpp"
#include "compile/processors.hpp"
#include "compile/retold.hpp"
#include "compile/watch.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::detail {

using compile::CompileOutcome;
using compile::Executable;
using compile::Failure;
using compile::Flight;

namespace {

// Released, so that who sees an end counted sees its beginning too.
void add(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_release); }

compile::SchedulerLimits limits_of(const RuntimeOptions& options) {
  compile::SchedulerLimits limits;
  limits.threads = options.threads() != 0 ? options.threads() : compile::available_processors();
  if (options.niceness() < 0 || options.niceness() > 19) {
    throw Error(ErrorKind::invalid_argument, "a niceness is from 0 to 19, not " + std::to_string(options.niceness()));
  }
  limits.niceness = options.niceness();
  limits.only_when_idle = options.only_when_idle();
  limits.queued = options.max_queued();
  auto& runs = limits.at_once[static_cast<std::size_t>(compile::Lane::run)];
  runs.jobs = options.max_runs() != 0 ? options.max_runs() : limits.threads;
  if (options.run_bytes() != 0) runs.bytes = options.run_bytes();
  auto& compiles = limits.at_once[static_cast<std::size_t>(compile::Lane::compile)];
  if (options.compile_bytes() != 0) compiles.bytes = options.compile_bytes();
  limits.ageing = options.ageing();
  limits.idle = options.idle_timeout();
  return limits;
}

/// The timers of an executor from outside, which are its context's work until they have fired or were cancelled.
class Timers : public std::enable_shared_from_this<Timers> {
 public:
  explicit Timers(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  void add(compile::Workplace::Time when, std::function<void()> function) {
    auto timer = std::make_shared<Timer>(executor_, when);
    {
      const std::lock_guard lock(mutex_);
      pending_.insert(timer);
    }
    timer->async_wait([self = shared_from_this(), timer, function = std::move(function)](boost::system::error_code error) {
      {
        const std::lock_guard lock(self->mutex_);
        self->pending_.erase(timer);
      }
      if (!error) function();
    });
  }
  void cancel() {
    std::set<std::shared_ptr<Timer>> pending;
    {
      const std::lock_guard lock(mutex_);
      pending.swap(pending_);
    }
    for (const auto& timer : pending) {
      boost::asio::post(executor_, [timer] { timer->cancel(); });
    }
  }

 private:
  using Timer = boost::asio::steady_timer;
  const boost::asio::any_io_executor executor_;
  std::mutex mutex_;
  std::set<std::shared_ptr<Timer>> pending_;  // protected by mutex_
};

/// An Asio executor as a place to work. Its context outlives the runtime's work, as the option asks.
std::shared_ptr<const Environment> environment_of(const RuntimeOptions& options) {
  if (options.environment()) return options.environment();
  auto environment = std::make_shared<Environment>();
  if (options.executor()) {
    const auto executor = options.executor();
    environment->workplace.post = [executor](std::function<void()> function) { boost::asio::post(executor, std::move(function)); };
    const auto timers = std::make_shared<Timers>(executor);
    environment->workplace.post_at = [timers](compile::Workplace::Time when, std::function<void()> function) {
      timers->add(when, std::move(function));
    };
    environment->stop = [timers] { timers->cancel(); };
  }
  return environment;
}

class GiveWay final : public compile::BetweenSteps {
 public:
  GiveWay(compile::Scheduler& scheduler, const Flight& flight) : scheduler_(scheduler), running_{flight.priority, flight.stop} {}
  void between_steps() noexcept override { scheduler_.give_way(running_); }

 private:
  compile::Scheduler& scheduler_;
  compile::Scheduler::Running running_;
};

}  // namespace

RuntimeCore::RuntimeCore(RuntimeOptions options)
    : options_(std::move(options)),
      environment_(environment_of(options_)),
      observer_(options_),
      scheduler_(std::make_shared<compile::Scheduler>(limits_of(options_), environment_->workplace, &observer_.queue_wait)),
      cache_(options_.cache_bytes()) {
  static_cast<void>(Failure::out_of_memory());
  static_cast<void>(Failure::overloaded());
  static_cast<void>(Failure::stopped());
  static_cast<void>(Failure::forked());
  static_cast<void>(Failure::no_thread());
}

std::shared_ptr<RuntimeCore> RuntimeCore::make(RuntimeOptions options) {
  // In a forked child it stays as the fork left it: to destroy it would wait for threads that are not there.
  return {new RuntimeCore(std::move(options)), [](RuntimeCore* core) {
            if (!core->forked()) delete core;
          }};
}

RuntimeCore::~RuntimeCore() { scheduler_->stop(); }

Failure RuntimeCore::refusal(compile::Scheduler::Submitted why) const noexcept {
  if (why == compile::Scheduler::Submitted::full) return Failure::overloaded();
  if (forked()) return Failure::forked();
  if (stopping()) return Failure::stopped();
  return Failure::no_thread();
}

void RuntimeCore::stop() {
  begin_stop();
  scheduler_->stop();
  if (forked()) return;
  trim(0);
  observer_.stop();
}

void RuntimeCore::stop(std::function<void()> ended) {
  scheduler_->on_end(std::move(ended));
  begin_stop();
}

void RuntimeCore::begin_stop() {
  stopping_.store(true, std::memory_order_release);
  if (!forked()) {
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [key, flight] : flights_) flight->stop.store(true, std::memory_order_relaxed);
    }
    try {
      if (environment_->stop) environment_->stop();
    } catch (const std::bad_alloc&) {
      // Timers that could not be cancelled fire, and find nothing to do.
    }
  }
  scheduler_->begin_stop();
}

RuntimeCore::Match RuntimeCore::match(std::uint64_t key, const compile::Source& source) {
  std::vector<std::shared_ptr<Executable>> executables;
  std::vector<compile::Cache::KnownFailurePtr> failures;
  std::vector<std::shared_ptr<Flight>> flights;
  {
    const std::lock_guard lock(mutex_);
    executables = cache_.find(key);
    failures = cache_.failures(key);
    const auto [f, f_end] = flights_.equal_range(key);
    for (auto i = f; i != f_end; ++i) flights.push_back(i->second);
  }
  Match match;
  for (const auto& e : executables) {
    match.seen.push_back(e.get());
    if (!match.executable && e->source().same_content(source)) match.executable = e;
  }
  for (const auto& f : flights) {
    match.seen.push_back(f.get());
    if (!match.flight && f->source.same_content(source)) match.flight = f;
  }
  for (const auto& f : failures) {
    if (match.failure || !f->source.same_content(source)) continue;
    match.failure = f;
    match.told = compile::Retold(f->failure, f->source).to(source);
  }
  return match;
}

RuntimeCore::Admission RuntimeCore::admit(const Match& match, std::uint64_t key, const compile::Source& source,
                                          std::shared_ptr<compile::Subscriber> subscriber, std::uint64_t generation,
                                          compile::Priority priority) {
  std::vector<std::shared_ptr<Executable>> alive;
  const std::lock_guard lock(mutex_);
  Admission admission;
  const auto was_seen = [&](const void* p) { return std::find(match.seen.begin(), match.seen.end(), p) != match.seen.end(); };
  if (match.executable) {
    admission.hit = cache_.take(key, match.executable, weak_from_this());
    add(counters_.hits);
    return admission;
  }
  alive = cache_.find(key);
  for (const auto& e : alive) admission.retry = admission.retry || !was_seen(e.get());
  const auto [f, f_end] = flights_.equal_range(key);
  bool under_way = false;
  for (auto i = f; i != f_end; ++i) {
    if (!was_seen(i->second.get())) admission.retry = true;
    under_way = under_way || i->second == match.flight;
  }
  if (admission.retry) return admission;
  if (under_way && !match.flight->stop.load(std::memory_order_relaxed)) {
    match.flight->sit(std::move(subscriber), generation, source, priority);
    admission.joined = match.flight;
    add(counters_.joined);
    return admission;
  }
  if (match.failure) {
    cache_.touch_failure(key, match.failure.get());
    admission.failure = match.told;
    add(counters_.known_failures);
    return admission;
  }
  auto flight = std::make_shared<Flight>();
  flight->key = key;
  flight->source = source;
  flight->generation = generation;
  flight->leader = subscriber;
  flight->led_by = subscriber.get();
  flight->sit(std::move(subscriber), generation, source, priority);
  flight->stop.store(stopping(), std::memory_order_relaxed);
  flights_.emplace(key, flight);
  admission.lead = std::move(flight);
  return admission;
}

void RuntimeCore::fly(const std::shared_ptr<Flight>& flight, std::span<const compile::Signature> ahead) {
  add(counters_.started);
  if (!environment_->compile) return land(flight, compile(*flight, ahead));
  std::shared_ptr<CompileTask> task;
  try {
    task = std::make_shared<CompileTask>(shared_from_this(), flight, std::vector(ahead.begin(), ahead.end()), scheduler_->keep_running());
    environment_->compile(task);
  } catch (...) {  // it was not taken over
    add(counters_.failed);
    land(flight, {nullptr, Failure::current()});
  }
}

void CompileTask::compile() { core_->land(flight_, core_->compile(*flight_, ahead_)); }

void CompileTask::fail(const Failure& failure) {
  add(core_->counters().failed);
  core_->land(flight_, {nullptr, failure});
}

void RuntimeCore::land(const std::shared_ptr<Flight>& flight, CompileOutcome outcome) noexcept {
  Flight::Seats seats;
  compile::Cache::KnownFailurePtr lasting;
  if (compile::is_lasting(outcome.failure, flight->source, options_.operators())) try {
      using compile::Cache;
      lasting = std::make_shared<const Cache::KnownFailure>(
          Cache::KnownFailure{flight->source, outcome.failure, compile::kept_bytes(flight->source)});
    } catch (const std::bad_alloc&) {
      // It is tried again.
    }
  {
    compile::Cache::Released released;
    const std::lock_guard lock(mutex_);
    const auto [f, f_end] = flights_.equal_range(flight->key);
    for (auto i = f; i != f_end; ++i) {
      if (i->second == flight) {
        flights_.erase(i);
        break;
      }
    }
    seats = flight->take_seats();
    try {
      if (outcome.executable)
        outcome.executable = cache_.insert(flight->key, outcome.executable, weak_from_this());
      else if (lasting)
        cache_.insert_failure(flight->key, std::move(lasting), released);
    } catch (const std::bad_alloc&) {
      // It is not found again by content; whoever waits for it is served all the same.
    }
  }
  const compile::Retold retold(outcome.failure, flight->source);
  for (const auto& seat : seats) {
    if (outcome.failure)
      seat.subscriber->on_compiled(seat.generation, {nullptr, retold.to(seat.source), outcome.watched});
    else
      seat.subscriber->on_compiled(seat.generation, outcome);
  }
  if (const auto leader = std::exchange(flight->leader, nullptr)) leader->on_landed(*flight);
}

void RuntimeCore::forget_failure(std::uint64_t key, const compile::Source& source) {
  const auto found = match(key, source).failure;
  if (!found) return;
  compile::Cache::Released released;
  const std::lock_guard lock(mutex_);
  cache_.forget_failure(key, found.get(), released);
}

void RuntimeCore::grown(const std::shared_ptr<Executable>& executable) noexcept {
  const std::size_t bytes = executable->bytes();
  compile::Cache::Released released;
  const std::lock_guard lock(mutex_);
  cache_.resize(*executable, bytes, released);
}

void RuntimeCore::bring_back(std::list<compile::Cache::Idle>& one) noexcept {
  if (forked()) {
    // It stays as the fork left it: to destroy it could wait for threads that are not there.
    static_cast<void>(new (std::nothrow) std::list<compile::Cache::Idle>(std::move(one)));
    return;
  }
  const std::size_t bytes = one.front().executable->bytes();
  compile::Cache::Released released;
  const std::lock_guard lock(mutex_);
  cache_.bring_back(one, bytes, !stopping(), released);
}

void RuntimeCore::trim(std::size_t bytes) {
  if (!forked()) {
    compile::Cache::Released released;
    const std::lock_guard lock(mutex_);
    cache_.trim(bytes, released);
  }
  compile::Arena::trim();
}

CompileOutcome RuntimeCore::compile(Flight& flight, std::span<const compile::Signature> ahead) {
  GiveWay give_way(*scheduler_, flight);
  const compile::StopToken stop(&flight.stop, &give_way);
  compile::Watch watch(observer_, compile::Watch::Of::compile, flight.source.class_name, flight.generation);
  CompileOutcome outcome;
  outcome.watched = flight.leader.get();
  try {
    auto program = compile::bind_program(flight.source, options_.operators(), stop, kernels_);
    auto executable = std::make_shared<Executable>(flight.key, program, weak_from_this(), options_.max_signatures());
    compile::Signature fixed;
    if (compile::fixed_signature(*program->interface, fixed)) {
      executable->make_only(fixed, stop);
    } else {
      for (const auto& signature : ahead) {
        if (signature.inputs().size() != program->interface->inputs.size()) continue;
        try {
          executable->make_ahead(signature, stop);
        } catch (const Error&) {
          // A signature of the previous generation that this one refuses fails for whoever brings it, not for the compile.
        }
      }
    }
    stop.check();
    outcome.executable = std::move(executable);
    add(counters_.finished);
    watch.finished();
  } catch (const compile::Stopped&) { add(counters_.cancelled); } catch (...) {
    outcome.failure = Failure::current();
    add(counters_.failed);
    watch.failed(outcome.failure);
  }
  return outcome;
}

void RuntimeCore::want(Flight& flight, const compile::Subscriber* subscriber, compile::Priority priority) noexcept {
  const std::lock_guard lock(mutex_);
  flight.want(subscriber, priority);
}

void RuntimeCore::leave(Flight& flight, const compile::Subscriber* subscriber) noexcept {
  Flight::Seat left;  // released after the lock
  const std::lock_guard lock(mutex_);
  if (flight.stand_up(subscriber, left) && flight.seats().empty()) flight.stop.store(true, std::memory_order_relaxed);
}

}  // namespace lazyfx::detail

namespace lazyfx {

compile::Cache::Lease::~Lease() {
  if (const auto core = runtime.lock()) core->bring_back(idle);
}

Runtime::Runtime(RuntimeOptions options) : core_(detail::RuntimeCore::make(std::move(options))) {}
Runtime::~Runtime() {
  core_->disown();
  stop();
}
const RuntimeOptions& Runtime::options() const noexcept { return core_->options(); }
const OperatorRegistry& Runtime::operators() const noexcept { return core_->options().operators(); }
void Runtime::stop() { core_->stop(); }
void Runtime::trim(std::size_t cache_bytes) { core_->trim(cache_bytes); }

}  // namespace lazyfx
