#include "compile/runtime_core.hpp"

#include <algorithm>

#include "compile/watch.hpp"

namespace lazyfx::detail {

using compile::CompileOutcome;
using compile::Executable;
using compile::Failure;
using compile::Flight;

namespace {
std::size_t thread_count(const RuntimeOptions& options) {
  return options.threads() != 0 ? options.threads() : compile::available_processors();
}
void add(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }
}  // namespace

RuntimeCore::RuntimeCore(RuntimeOptions options)
    : options_(std::move(options)),
      observer_(options_),
      scheduler_(std::make_shared<compile::Scheduler>(thread_count(options_), &observer_.queue_wait)) {}

RuntimeCore::~RuntimeCore() { scheduler_->stop(); }

Failure RuntimeCore::refusal() const {
  if (stopping()) return Failure::stopped();
  return {ErrorKind::resource, "no thread could be started to compile on"};
}

void RuntimeCore::stop() {
  stopping_.store(true, std::memory_order_release);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, flight] : flights_) flight->stop.store(true, std::memory_order_relaxed);
  }
  scheduler_->stop();
  observer_.stop();
}

RuntimeCore::Match RuntimeCore::match(std::uint64_t key, const compile::Source& source) const {
  std::vector<std::shared_ptr<Executable>> executables;
  std::vector<std::shared_ptr<Flight>> flights;
  {
    const std::lock_guard lock(mutex_);
    const auto [e, e_end] = executables_.equal_range(key);
    for (auto i = e; i != e_end; ++i) {
      if (auto alive = i->second.lock()) executables.push_back(std::move(alive));
    }
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
  return match;
}

RuntimeCore::Admission RuntimeCore::admit(const Match& match, std::uint64_t key, const compile::Source& source,
                                          std::shared_ptr<compile::Subscriber> subscriber, std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  Admission admission;
  const auto was_seen = [&](const void* p) { return std::find(match.seen.begin(), match.seen.end(), p) != match.seen.end(); };
  const auto [e, e_end] = executables_.equal_range(key);
  for (auto i = e; i != e_end;) {
    const auto alive = i->second.lock();
    if (!alive) {
      i = executables_.erase(i);
      continue;
    }
    if (!was_seen(alive.get())) admission.retry = true;
    ++i;
  }
  const auto [f, f_end] = flights_.equal_range(key);
  bool under_way = false;
  for (auto i = f; i != f_end; ++i) {
    if (!was_seen(i->second.get())) admission.retry = true;
    under_way = under_way || i->second == match.flight;
  }
  if (match.executable) {
    admission.retry = false;
    admission.hit = match.executable;
    add(counters_.hits);
    return admission;
  }
  if (admission.retry) return admission;
  if (under_way && !match.flight->stop.load(std::memory_order_relaxed)) {
    match.flight->seats.push_back({std::move(subscriber), generation});
    admission.joined = match.flight;
    add(counters_.joined);
    return admission;
  }
  auto flight = std::make_shared<Flight>();
  flight->key = key;
  flight->source = source;
  flight->generation = generation;
  flight->seats.push_back({std::move(subscriber), generation});
  flight->stop.store(stopping(), std::memory_order_relaxed);
  flights_.emplace(key, flight);
  admission.lead = std::move(flight);
  return admission;
}

void RuntimeCore::fly(const std::shared_ptr<Flight>& flight, std::span<const compile::Signature> ahead) {
  const CompileOutcome outcome = compile(*flight, ahead);
  std::vector<Flight::Seat> seats;
  {
    const std::lock_guard lock(mutex_);
    const auto [f, f_end] = flights_.equal_range(flight->key);
    for (auto i = f; i != f_end; ++i) {
      if (i->second == flight) {
        flights_.erase(i);
        break;
      }
    }
    if (outcome.executable) {
      if (executables_.size() >= sweep_at_) {
        std::erase_if(executables_, [](const auto& entry) { return entry.second.expired(); });
        sweep_at_ = 2 * executables_.size() + 64;
      }
      executables_.emplace(flight->key, outcome.executable);
    }
    seats.swap(flight->seats);
  }
  for (const auto& seat : seats) seat.subscriber->on_compiled(seat.generation, outcome);
}

CompileOutcome RuntimeCore::compile(Flight& flight, std::span<const compile::Signature> ahead) {
  add(counters_.started);
  const compile::StopToken stop(&flight.stop);
  compile::Watch watch(observer_, compile::Watch::Of::compile, flight.source.class_name, flight.generation);
  CompileOutcome outcome;
  try {
    auto program = compile::bind_program(flight.source, options_.operators(), stop);
    auto executable = std::make_shared<Executable>(program, weak_from_this(), options_.max_signatures());
    compile::Signature fixed;
    if (compile::fixed_signature(*program, fixed)) {
      executable->make_ahead(fixed, stop);
    } else {
      for (const auto& signature : ahead) {
        if (signature.inputs().size() != program->inputs.size()) continue;
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
  } catch (const compile::Stopped&) {
    add(counters_.cancelled);
  } catch (...) {
    outcome.failure = Failure::current();
    add(counters_.failed);
    watch.failed(outcome.failure);
  }
  return outcome;
}

void RuntimeCore::leave(Flight& flight, const compile::Subscriber* subscriber) {
  std::vector<Flight::Seat> left;  // released after the lock
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(flight.seats.begin(), flight.seats.end(), [&](const auto& s) { return s.subscriber.get() == subscriber; });
  if (at == flight.seats.end()) return;
  left.push_back(std::move(*at));
  flight.seats.erase(at);
  if (flight.seats.empty()) flight.stop.store(true, std::memory_order_relaxed);
}

}  // namespace lazyfx::detail

namespace lazyfx {

Runtime::Runtime(RuntimeOptions options) : core_(std::make_shared<detail::RuntimeCore>(std::move(options))) {}
Runtime::~Runtime() { stop(); }
const RuntimeOptions& Runtime::options() const noexcept { return core_->options(); }
const OperatorRegistry& Runtime::operators() const noexcept { return core_->options().operators(); }
void Runtime::stop() { core_->stop(); }

}  // namespace lazyfx
