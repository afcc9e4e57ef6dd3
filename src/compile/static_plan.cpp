#include "compile/static_plan.hpp"

#include <array>
#include <optional>

#include "compile/arena.hpp"
#include "what.hpp"

namespace lazyfx::compile {
namespace {

/// A fixed number of objects in place, more on the heap: most plans are small and their runs must not allocate.
template <class T, std::size_t Small>
class Buffer {
 public:
  explicit Buffer(std::size_t n) {
    if (n > Small) large_.resize(n);
    data_ = n > Small ? large_.data() : small_.data();
  }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  T* data() noexcept { return data_; }

 private:
  std::array<T, Small> small_{};
  std::vector<T> large_;
  T* data_;
};

/// A scalar value as the rank-0 tensor that the plan was made for.
Tensor as_tensor(const Value& value) {
  if (value.is_bool()) return Tensor::scalar(value.as_bool());
  if (value.is_int()) return Tensor::scalar(value.as_int());
  if (value.is_double()) return Tensor::scalar(static_cast<float>(value.as_double()));
  return value.as_tensor();
}

}  // namespace

struct StaticPlan::Frame {
  Frame(const StaticPlan& plan, std::span<const Value> values)
      : arena(plan.arena_bytes_), inputs(values.size()), slots(plan.slots_.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      inputs[i] = values[i].is_tensor() ? values[i].as_tensor() : as_tensor(values[i]);
      const bool aligned = reinterpret_cast<std::uintptr_t>(inputs[i].raw()) % 64 == 0;
      if (!inputs[i].is_contiguous())
        inputs[i] = inputs[i].contiguous();
      else if (!aligned)
        inputs[i] = inputs[i].clone();
    }
  }

  const void* read(const StaticPlan& plan, const Place& place) {
    switch (place.kind) {
      case Place::Kind::arena: return arena.data() + place.at;
      case Place::Kind::slot: return slots[place.at].raw();
      case Place::Kind::input: return inputs[place.at].raw();
      case Place::Kind::constant: return plan.constants_[place.at].raw();
      case Place::Kind::nothing: return nullptr;
    }
    return nullptr;
  }
  const Tensor& tensor(const StaticPlan& plan, const Place& place) {
    static const Tensor absent;
    switch (place.kind) {
      case Place::Kind::slot: return slots[place.at];
      case Place::Kind::input: return inputs[place.at];
      case Place::Kind::constant: return plan.constants_[place.at];
      default: return absent;
    }
  }

  Arena arena;
  Buffer<Tensor, 4> inputs;
  Buffer<Tensor, 4> slots;
};

Value StaticPlan::run(std::span<const Value> inputs, const StopToken& stop, const Callees*) const {
  const kernels::SingleThreadScope one_thread;
  Frame frame(*this, inputs);
  Buffer<const void*, 16> operands(widest_);
  for (const Step& step : steps_) {
    stop.check();
    if (!step.kernel) {
      run_reference_step(step, frame);
    } else {
      const Place* place = places_.data() + step.first_place;
      for (std::uint32_t i = 0; i < step.input_count; ++i) operands[i] = frame.read(*this, place[i]);
      const Place& out = place[step.input_count];
      void* to = nullptr;
      if (out.kind == Place::Kind::slot) {
        frame.slots[out.at] = Tensor::empty(slots_[out.at].dtype, slots_[out.at].shape);
        to = frame.slots[out.at].mutable_raw();
      } else {
        to = frame.arena.data() + out.at;
      }
      try {
        step.kernel->run(operands.data(), to, frame.arena.data() + step.scratch);
      } catch (...) { rethrow(step); }
    }
    for (const std::uint32_t slot : step.dying_slots) frame.slots[slot] = Tensor();
  }
  std::size_t leaf = 0;
  const auto next = [&](NodeId) -> Value {
    const Leaf& l = leaves_[leaf++];
    if (l.input >= 0) return inputs[static_cast<std::size_t>(l.input)];
    const Tensor& t = frame.tensor(*this, l.place);
    return l.shape < 0 ? t : t.reshape(reshapes_[static_cast<std::size_t>(l.shape)]);
  };
  if (interface_->result.is_node()) return next(NodeId{});
  return build_result(interface_->result, next);
}

void StaticPlan::run_reference_step(const Step& step, Frame& frame) const {
  const Place* place = places_.data() + step.first_place;
  const View* view = step.reference->operands.data();
  const auto& [op, attributes] = step.reference->work;
  std::vector<Tensor> inputs(step.input_count);
  for (std::uint32_t i = 0; i < step.input_count; ++i) {
    const Tensor& t = frame.tensor(*this, place[i]);
    if (t.defined()) inputs[i] = t.shape() == view[i].shape ? t : t.reshape(view[i].shape);
  }
  std::vector<Tensor> results;
  try {
    results = run_reference(*op, inputs, attributes, step.output_count);
  } catch (...) { rethrow(step); }
  for (std::uint32_t i = 0; i < step.output_count; ++i) {
    const View& want = view[step.input_count + i];
    Tensor& result = results[i];
    if (!result.defined() || result.dtype() != want.dtype || !(result.shape() == want.shape)) {
      throw Error(ErrorKind::user_code, "while running %" + interface_->node_name(step.node) + ": " + op->name +
                                            " did not return what its type rule promised for output " + std::to_string(i));
    }
    frame.slots[place[step.input_count + i].at] = result.contiguous();
  }
}

void StaticPlan::rethrow(const Step& step) const {
  const std::string where = "while running %" + interface_->node_name(step.node) + ": ";
  try {
    throw;
  } catch (const Error& e) { throw Error(e.kind(), where + what_of(e)); } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::resource, where + "out of memory");
  } catch (const std::exception& e) { throw Error(ErrorKind::user_code, where + what_of(e)); } catch (...) {
    throw Error(ErrorKind::user_code, where + "something that is no std::exception was thrown");
  }
}

}  // namespace lazyfx::compile
