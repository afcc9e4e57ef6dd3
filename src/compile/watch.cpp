#include "compile/watch.hpp"

#include <utility>

namespace lazyfx::compile {
namespace {

thread_local Watch* innermost = nullptr;

}  // namespace

Watch* Watch::current() noexcept { return innermost; }

Watch::Watch(Observer& observer, Of what, const std::string& module, std::uint64_t generation) noexcept
    : observer_(observer), what_(what), module_(module), generation_(generation), outer_(innermost) {
  innermost = this;
  {
    const std::lock_guard lock(observer_.mutex_);
    observer_.watches_.push_back(*this);
  }
  tell(CompileEventKind::started, "");
}

Watch::~Watch() {
  const auto end = Observer::Clock::now();
  tell(outcome_, "");
  (what_ == Of::compile ? observer_.compile_time : observer_.specialize_time).add(end - begin_);
  if (Trace* trace = observer_.trace()) {
    Trace::Slice slice;
    slice.category = "compile";
    slice.name = what_ == Of::compile ? "compile" : "specialize";
    slice.module = module_;
    slice.generation = generation_;
    slice.outcome = to_string(outcome_);
    slice.begin = begin_;
    slice.end = end;
    trace->add(slice);
  }
  {
    const std::lock_guard lock(observer_.mutex_);
    observer_.watches_.erase(observer_.watches_.iterator_to(*this));
  }
  innermost = outer_;
}

void Watch::failed(const Failure& why) noexcept {
  outcome_ = CompileEventKind::failed;
  error_ = why.error();
}

void Watch::tell(CompileEventKind kind, const char* step) noexcept {
  if (!observer_.listens()) return;
  CompileEvent event;
  event.kind = kind;
  event.generation = generation_;
  event.elapsed = Observer::Clock::now() - begin_;
  event.steps_done = done_.load(std::memory_order_relaxed);
  event.steps_in_all = in_all_.load(std::memory_order_relaxed);
  event.error = error_;
  try {
    event.module = module_;
    event.step = step;
  } catch (const std::bad_alloc&) {
    // As where others are told: an event without its name says more than none.
  }
  observer_.tell(std::move(event));
}

void Watch::step_done(const char* name) noexcept {
  done_.fetch_add(1, std::memory_order_relaxed);
  tell(CompileEventKind::step, name);
}

CompileProgress Watch::progress() const {
  return {module_,
          generation_,
          Observer::Clock::now() - begin_,
          step_.load(std::memory_order_relaxed),
          done_.load(std::memory_order_relaxed),
          in_all_.load(std::memory_order_relaxed)};
}

Step::Step(const char* name, Kind kind) noexcept
    : watch_(innermost), trace_(watch_ != nullptr ? watch_->observer_.trace() : nullptr), name_(name), kind_(kind) {
  if (watch_ != nullptr) watch_->step_.store(name, std::memory_order_relaxed);
  if (trace_ != nullptr) begin_ = Observer::Clock::now();
}

Step::~Step() {
  if (trace_ != nullptr) {
    Trace::Slice slice;
    slice.category = kind_ == Kind::pass ? "pass" : "kernel";
    slice.name = what_.empty() ? std::string_view(name_) : std::string_view(what_);
    slice.module = watch_->module_;
    slice.generation = watch_->generation_;
    slice.node = node_;
    slice.begin = begin_;
    slice.end = Observer::Clock::now();
    trace_->add(slice);
  }
  if (watch_ != nullptr) watch_->step_done(name_);
}

Charge charge_here(std::atomic<std::size_t> Gauges::* count, std::size_t tables, std::size_t weights, std::size_t graphs) {
  Watch* const watch = Watch::current();
  return {watch != nullptr ? watch->observer().gauges() : nullptr, count, tables, weights, graphs};
}

}  // namespace lazyfx::compile
