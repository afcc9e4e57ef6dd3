#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/ops/operator.hpp"
#include "lazyfx/ops/registry.hpp"

/// Operators of a user's own, with which tests hold, count and break compiles and runs.
namespace support {

using lazyfx::Attributes;
using lazyfx::Operator;
using lazyfx::Tensor;

inline lazyfx::TypeRule same_as_first() {
  return [](const lazyfx::TypeContext& c) { return std::vector<lazyfx::TensorType>(c.output_count, *c.inputs[0]); };
}

/// name(x) of one input, elementwise over f32.
inline Operator unary(std::string name, std::function<float(float)> f) {
  Operator op;
  op.name = std::move(name);
  op.schema.inputs = {{"x"}};
  op.schema.outputs = {{"y"}};
  op.type_rule = same_as_first();
  op.reference = [f = std::move(f)](std::span<const Tensor> in, const Attributes&, std::size_t) {
    Tensor out = Tensor::empty(lazyfx::DType::f32, in[0].shape());
    const Tensor x = in[0].contiguous();
    const auto from = x.values<float>();
    auto to = out.mutable_values<float>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = f(from[i]);
    return std::vector<Tensor>{out};
  };
  return op;
}

/// name(x, y) of two f32 inputs of equal shape; a scalar stretches.
inline Operator binary(std::string name, std::function<float(float, float)> f) {
  Operator op;
  op.name = std::move(name);
  op.schema.inputs = {{"x"}, {"y"}};
  op.schema.outputs = {{"z"}};
  op.type_rule = [](const lazyfx::TypeContext& c) {
    const auto& x = *c.inputs[0];
    const auto& y = *c.inputs[1];
    return std::vector<lazyfx::TensorType>{x.dims && x.dims->empty() ? y : x};
  };
  op.reference = [f = std::move(f)](std::span<const Tensor> in, const Attributes&, std::size_t) {
    const lazyfx::Shape shape = in[0].rank() == 0 ? in[1].shape() : in[0].shape();
    const Tensor x = in[0].expand(shape).contiguous();
    const Tensor y = in[1].expand(shape).contiguous();
    Tensor out = Tensor::empty(lazyfx::DType::f32, shape);
    auto to = out.mutable_values<float>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = f(x.values<float>()[i], y.values<float>()[i]);
    return std::vector<Tensor>{out};
  };
  return op;
}

/// Holds whoever passes until it is opened, and tells who came. Destroy it after those who pass have ended.
class Gate {
 public:
  /// Comes in and waits until open.
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  /// Blocks until `n` have come in since the gate was made.
  void wait_for_arrivals(std::size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, n] { return arrived_ >= n; });
  }
  void open() { set(true); }
  void close() { set(false); }
  std::size_t arrivals() {
    const std::lock_guard lock(mutex_);
    return arrived_;
  }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t arrived_ = 0;
  bool open_ = false;
};

/// Opens the gate when it ends, so that a failing check does not leave a pool thread behind it.
class OpenAtEnd {
 public:
  explicit OpenAtEnd(Gate& gate) : gate_(gate) {}
  ~OpenAtEnd() { gate_.open(); }
  OpenAtEnd(const OpenAtEnd&) = delete;
  OpenAtEnd& operator=(const OpenAtEnd&) = delete;

 private:
  Gate& gate_;
};

/// The identity, whose type rule (user code inside a compile) passes `gate`: while the gate is closed, a compile is running.
inline Operator held_in_compile(std::string name, std::shared_ptr<Gate> gate) {
  Operator op = unary(std::move(name), [](float x) { return x; });
  op.type_rule = [gate = std::move(gate), rule = same_as_first()](const lazyfx::TypeContext& c) {
    gate->pass();
    return rule(c);
  };
  return op;
}

/// The identity, whose kernel (user code inside a run) passes `gate`.
inline Operator held_in_run(std::string name, std::shared_ptr<Gate> gate) {
  return unary(std::move(name), [gate = std::move(gate)](float x) {
    gate->pass();
    return x;
  });
}

/// The identity, whose type rule calls `act` first: what it throws is thrown inside the compile.
inline Operator acts_in_compile(std::string name, std::function<void()> act) {
  Operator op = unary(std::move(name), [](float x) { return x; });
  op.type_rule = [act = std::move(act), rule = same_as_first()](const lazyfx::TypeContext& c) {
    act();
    return rule(c);
  };
  return op;
}

/// The standard operators and these.
template <class... Ops>
lazyfx::OperatorRegistry standard_and(Ops... ops) {
  lazyfx::OperatorRegistry registry = lazyfx::OperatorRegistry::standard();
  (registry.add(std::move(ops)), ...);
  return registry;
}

}  // namespace support
