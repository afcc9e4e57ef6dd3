#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lazyfx/tensor/tensor.hpp"
#include "lazyfx/tensor/type.hpp"

/// ONNX Runtime, loaded from its shared library while the program runs and called through the few entries of its C function table that a
/// comparison needs: its headers are not to be had from Debian, and the positions in that table never change (the API is append-only).
namespace peers {

/// The library and one environment in it. Everything below throws std::runtime_error with what ONNX Runtime says.
class OnnxRuntime {
 public:
  explicit OnnxRuntime(const std::string& library);
  ~OnnxRuntime();
  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;

  struct State;
  const std::shared_ptr<State>& state() const noexcept { return state_; }

 private:
  std::shared_ptr<State> state_;
};

/// One loaded model, with all of ONNX Runtime's optimizations.
class Session {
 public:
  Session(const OnnxRuntime& runtime, const std::string& model, int threads);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  struct Port {
    std::string name;
    lazyfx::TensorType type;
  };
  /// In the model's order; dimensions that it leaves open are open.
  std::vector<Port> inputs() const;
  /// f32, f64, bool and 8 to 64 bit integers. The results are copies.
  std::vector<lazyfx::Tensor> run(const std::vector<lazyfx::Tensor>& inputs) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace peers
