#include "compile/executable.hpp"

#include <algorithm>
#include <optional>

#include "compile/nested.hpp"
#include "compile/runtime_core.hpp"
#include "compile/watch.hpp"

namespace lazyfx::compile {

Executable::Executable(std::uint64_t key, std::shared_ptr<const Program> program, std::weak_ptr<detail::RuntimeCore> runtime,
                       std::size_t max_plans)
    : key_(key),
      interface_(program->interface),
      program_(std::move(program)),
      runtime_(std::move(runtime)),
      max_plans_(max_plans < 1 ? 1 : max_plans),
      graph_bytes_(graph_bytes(source())),
      tensor_bytes_(tensor_bytes(*source().tensors)) {
  for (const auto& step : program_->steps) graphs_.insert(graphs_.end(), step.graphs.begin(), step.graphs.end());
  charge();
}

void Executable::charge() { charge_ = charge_here(&Gauges::executables, table_bytes(), 0, graph_bytes_); }

std::size_t Executable::table_bytes() const noexcept {
  const std::size_t bytes = sizeof *this + sizeof *interface_ + interface_->inputs.capacity() * sizeof(std::uint32_t);
  return program_ ? bytes + sizeof *program_ + program_->steps.capacity() * sizeof(Program::Step) : bytes;
}

class Executable::PlanJob final : public Job {
 public:
  PlanJob(std::shared_ptr<Executable> executable, Signature signature)
      : executable_(std::move(executable)), signature_(std::move(signature)) {}
  void run() noexcept override { static_cast<void>(executable_->build(signature_)); }
  void drop(Dropped why) noexcept override {
    executable_->settle(signature_, {nullptr, why == Dropped::stopped ? Failure::stopped() : Failure::overloaded()}, false);
  }

 private:
  std::shared_ptr<Executable> executable_;
  Signature signature_;
};

std::size_t Executable::bytes() const noexcept {
  std::size_t total = charge_.bytes() + tensor_bytes_;
  const std::lock_guard lock(mutex_);
  for (const auto& slot : slots_) total += slot.answer.plan ? slot.answer.plan->bytes() : 0;
  for (const auto& weak : graphs_) {
    if (const auto graph = weak.lock()) total += graph->bytes();
  }
  return total;
}

Executable::Plans Executable::plans() const {
  const std::lock_guard lock(mutex_);
  Plans ready;
  for (const auto& slot : slots_) {
    if (slot.answer.plan) ready.push_back(slot.answer.plan);
  }
  return ready;
}

Executable::Answer Executable::find(const Signature& signature) const {
  const std::lock_guard lock(mutex_);
  const auto slot = std::ranges::find(slots_, signature, &Slot::signature);
  return slot != slots_.end() ? slot->answer : Answer{};
}

Executable::Answer Executable::request(const Signature& signature, std::shared_ptr<PlanListener> listener, Priority priority) {
  const auto runtime = runtime_.lock();
  const std::lock_guard lock(mutex_);
  Slot* slot = find_slot(signature);
  if (slot != nullptr && slot->answer.ready()) return slot->answer;
  if (!runtime) return {nullptr, Failure::stopped()};
  Failure refusal;
  if (slot == nullptr && (slot = add_slot(signature, refusal)) == nullptr) return {nullptr, std::move(refusal)};
  if (slot->making->job) {
    runtime->scheduler().promote(*slot->making->job, priority);
  } else if (!slot->making->building) {
    slot->making->job = std::make_shared<PlanJob>(shared_from_this(), signature);
    const auto submitted = runtime->scheduler().submit(slot->making->job, priority);
    if (submitted != Scheduler::Submitted::queued) {
      // Nobody waits for it and nothing will make it: it takes no room.
      slots_.erase(slots_.begin() + (slot - slots_.data()));
      return {nullptr, runtime->refusal(submitted)};
    }
  }
  if (!listener) {
    slot->making->wanted_anyhow = true;
    return {};
  }
  auto& listeners = slot->making->listeners;
  listeners.push_back(std::move(listener));
  listeners.back()->asked_ = weak_from_this();
  listeners.back()->plan_wait_.begin(runtime->observer());
  return {};
}

void PlanListener::stop_waiting(Observer& observer) noexcept {
  if (!plan_wait_.end(observer)) return;
  if (const auto executable = asked_.lock()) executable->leave(*this);
}

/// A plan that is only queued for those who have left is not made.
void Executable::leave(const PlanListener& listener) noexcept {
  const auto runtime = runtime_.lock();
  std::shared_ptr<PlanListener> left;  // released after the lock, as the job is
  std::shared_ptr<Job> job;
  const std::lock_guard lock(mutex_);
  for (auto slot = slots_.begin(); slot != slots_.end(); ++slot) {
    if (!slot->making) continue;
    auto& listeners = slot->making->listeners;
    const auto at = std::ranges::find(listeners, &listener, &std::shared_ptr<PlanListener>::get);
    if (at == listeners.end()) continue;
    left = std::move(*at);
    listeners.erase(at);
    job = slot->making->job;
    if (!listeners.empty() || !job || !runtime) return;
    if (slot->making->wanted_anyhow)
      runtime->scheduler().demote(*job, Priority::prefetch);
    else if (runtime->scheduler().withdraw(*job))
      slots_.erase(slot);
    return;
  }
}

Executable::Answer Executable::make_now(const Signature& signature) {
  const auto runtime = runtime_.lock();
  std::optional<WaitHere> waiting;
  std::unique_lock lock(mutex_);
  for (;;) {
    Slot* slot = find_slot(signature);
    if (slot != nullptr && slot->answer.ready()) return slot->answer;
    Failure refusal;
    if (slot == nullptr && (slot = add_slot(signature, refusal)) == nullptr) return {nullptr, std::move(refusal)};
    if (runtime && !waiting) waiting.emplace(runtime->observer());
    if (!slot->making->building && (!slot->making->job || (runtime && runtime->scheduler().withdraw(*slot->making->job)))) {
      slot->making->job.reset();
      slot->making->building = true;
      lock.unlock();
      std::optional<Scheduler::Helping> helping;
      if (runtime) helping.emplace(runtime->scheduler());
      return build(signature);
    }
    if (runtime && runtime->scheduler().on_pool_thread()) {
      throw Error(ErrorKind::would_deadlock,
                  "a thread that compiles cannot wait for the plan that another makes for " + to_string(signature));
    }
    settled_.wait(lock);
  }
}

Executable::Answer Executable::make_in_run(const Signature& signature) {
  if (origin_.inherited()) return {nullptr, Failure::stopped()};
  const auto runtime = runtime_.lock();
  bool alone = false;
  {
    const std::lock_guard lock(mutex_);
    Slot* slot = find_slot(signature);
    if (slot != nullptr && slot->answer.ready()) return slot->answer;
    Failure refusal;
    if (slot == nullptr && (slot = add_slot(signature, refusal)) == nullptr) return {nullptr, std::move(refusal)};
    alone = slot->making->building || (slot->making->job && !(runtime && runtime->scheduler().withdraw(*slot->making->job)));
    if (!alone) {
      slot->making->job.reset();
      slot->making->building = true;
    }
  }
  std::optional<Scheduler::Helping> helping;
  if (runtime) helping.emplace(runtime->scheduler());
  if (!alone) return build(signature);
  try {
    return {make(signature, runtime), {}};
  } catch (const Stopped&) { return {nullptr, Failure::stopped()}; } catch (...) {
    return {nullptr, Failure::current()};
  }
}

void Executable::make_ahead(const Signature& signature, const StopToken& stop) {
  auto plan = make_plan(program_, signature, stop);  // throws for what add_slot() would refuse
  const std::lock_guard lock(mutex_);
  Slot* slot = find_slot(signature);
  Failure refusal;
  if (slot == nullptr && (slot = add_slot(signature, refusal)) == nullptr) refusal.raise();
  answer_slot(*slot, {std::move(plan), {}});
}

void Executable::make_only(const Signature& signature, const StopToken& stop) {
  make_ahead(signature, stop);
  program_.reset();
  charge();
}

std::shared_ptr<const Plan> Executable::make(const Signature& signature, const std::shared_ptr<detail::RuntimeCore>& runtime) const {
  const StopToken stop = runtime ? runtime->stop_token() : StopToken();
  if (program_) return make_plan(program_, signature, stop);
  if (!runtime) throw Stopped{};
  return make_plan(bind_program(source(), runtime->options().operators(), stop, runtime->kernels()), signature, stop);
}

PlanAnswer Executable::build(const Signature& signature) {
  const auto runtime = runtime_.lock();
  {
    const std::lock_guard lock(mutex_);
    if (Slot* slot = find_slot(signature); slot != nullptr && slot->making) {
      slot->making->building = true;
      slot->making->job.reset();
    }
  }
  Answer answer;
  bool keep = true;
  std::optional<Watch> watch;
  if (runtime) watch.emplace(runtime->observer(), Watch::Of::plan, source().class_name, 0);
  const auto fail = [&] {
    answer.failure = Failure::current();
    if (watch) watch->failed(answer.failure);
    if (runtime) runtime->counters().specializations_failed.fetch_add(1, std::memory_order_relaxed);
  };
  try {
    answer.plan = make(signature, runtime);
    if (runtime) runtime->counters().specializations.fetch_add(1, std::memory_order_relaxed);
    if (watch) watch->finished();
  } catch (const Stopped&) {
    answer.failure = Failure::stopped();
    keep = false;
  } catch (const std::bad_alloc&) {
    fail();
    keep = false;  // a later try may find memory
  } catch (...) { fail(); }
  watch.reset();  // seen by whoever is told
  settle(signature, answer, keep);
  if (runtime && answer.plan) runtime->grown(shared_from_this());
  return answer;
}

void Executable::settle(const Signature& signature, const Answer& answer, bool keep) {
  const auto runtime = runtime_.lock();
  std::vector<std::shared_ptr<PlanListener>> listeners;
  {
    const std::lock_guard lock(mutex_);
    const auto slot = std::ranges::find(slots_, signature, &Slot::signature);
    if (slot != slots_.end()) {
      if (slot->making) listeners.swap(slot->making->listeners);
      if (keep)
        answer_slot(*slot, answer);
      else
        slots_.erase(slot);
    }
    settled_.notify_all();
  }
  for (const auto& listener : listeners) {
    if (runtime) listener->plan_wait_.end(runtime->observer());
    listener->on_plan(answer);
  }
}

/// The oldest answer makes room for the newest; a failure takes no plan's.
void Executable::answer_slot(Slot& slot, const Answer& answer) {
  slot.making.reset();
  slot.answer = answer;
  std::rotate(slots_.begin() + (&slot - slots_.data()), slots_.begin() + (&slot - slots_.data()) + 1, slots_.end());
  const auto is_alike = [&](const Slot& s) {
    return s.answer.ready() && static_cast<bool>(s.answer.failure) == static_cast<bool>(answer.failure);
  };
  if (static_cast<std::size_t>(std::ranges::count_if(slots_, is_alike)) > max_plans_) slots_.erase(std::ranges::find_if(slots_, is_alike));
}

void Executable::forget_failures() {
  const std::lock_guard lock(mutex_);
  std::erase_if(slots_, [](const Slot& slot) { return static_cast<bool>(slot.answer.failure); });
}

Executable::Slot* Executable::find_slot(const Signature& signature) {
  const auto slot = std::ranges::find(slots_, signature, &Slot::signature);
  return slot != slots_.end() ? &*slot : nullptr;
}

Executable::Slot* Executable::add_slot(const Signature& signature, Failure& refusal) {
  try {
    check_signature(*interface_, signature);
  } catch (...) {
    refusal = Failure::current();
    return nullptr;
  }
  return &slots_.emplace_back(Slot{signature, {}, std::make_unique<Making>()});
}

}  // namespace lazyfx::compile
