// Runs a voice activity detector here and in ONNX Runtime over a minute of sound, each carrying on its own state, and compares every element of
// every output of every frame as compare does.
//
// voice LIBONNXRUNTIME MODEL SAMPLES CONTEXT
//
// MODEL is of silero-vad's form: input "input" is a frame, the last CONTEXT samples of those before it and SAMPLES new ones; "sr" the rate; any
// other input a state, whose next is the output at the same place after the first.
//
// Exit status: as that of compare. Fails as well when the sound is not heard both as speech and as none.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "closeness.hpp"
#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "onnx_runtime.hpp"
#include "prerequisite.hpp"
#include "voice.hpp"

namespace {
using namespace lazyfx;

constexpr int rate = 16000;
constexpr double seconds = 60;

/// What one of the two hears: its state, and the inputs of a frame.
class Listener {
 public:
  explicit Listener(const std::vector<peers::Session::Port>& ports) : ports_(ports) {
    for (const auto& port : ports) {
      if (port.name == "input" || port.name == "sr") continue;
      std::vector<std::int64_t> dims;
      for (const auto& dim : *port.type.dims) dims.push_back(dim.known() ? dim.size : 1);
      state_.push_back(Tensor::zeros(port.type.dtype, Shape(dims)));
    }
  }
  std::vector<Tensor> inputs(const Tensor& frame) const {
    std::vector<Tensor> all;
    auto state = state_.begin();
    for (const auto& port : ports_) {
      if (port.name == "input")
        all.push_back(frame);
      else if (port.name == "sr")
        all.push_back(Tensor::scalar<std::int64_t>(rate));
      else
        all.push_back(*state++);
    }
    return all;
  }
  void carry_on(const std::vector<Tensor>& outputs) { state_.assign(outputs.begin() + 1, outputs.end()); }
  std::size_t states() const { return state_.size(); }

 private:
  std::vector<peers::Session::Port> ports_;
  std::vector<Tensor> state_;
};

int listen(const std::string& library, const std::string& file, std::size_t frame_size, std::size_t context) {
  const peers::OnnxRuntime peer(library);
  const peers::Session session(peer, file, 1);
  Runtime runtime;
  const auto model = onnx::import_model(file, runtime.operators());
  LazyGraphModule module(runtime, model.graph, model.root.get());
  Listener there(session.inputs()), here(session.inputs());

  auto samples = peers::voice(seconds, rate);
  samples.insert(samples.begin(), context, 0.0F);
  const std::size_t length = context + frame_size;
  std::size_t frames = 0, speech = 0, silence = 0;
  double worst = 0;
  for (std::size_t at = 0; at + length <= samples.size(); at += frame_size, ++frames) {
    const Tensor frame = Tensor::from<float>(std::span(samples).subspan(at, length), Shape{1, static_cast<std::int64_t>(length)});
    const auto expected = session.run(there.inputs(frame));
    const auto given = here.inputs(frame);
    const auto outputs = peers::tensors_of(module.call(std::vector<Value>(given.begin(), given.end())));
    if (outputs.size() != expected.size() || outputs.size() != here.states() + 1) {
      std::printf("FAILED frame %zu: %zu outputs where ONNX Runtime has %zu\n", frames, outputs.size(), expected.size());
      return 1;
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const double error = peers::error_of(outputs[i], expected[i]);
      worst = std::max(worst, error);
      if (error <= 1) continue;
      std::printf("FAILED frame %zu: output %zu off by %.4f of what is allowed, %s\n  where ONNX Runtime has %s\n", frames, i, error,
                  to_string(outputs[i], 4).c_str(), to_string(expected[i], 4).c_str());
      return 1;
    }
    const float probability = expected[0].values<float>()[0];
    speech += probability > 0.7F;
    silence += probability < 0.2F;
    there.carry_on(expected);
    here.carry_on(outputs);
  }
  const bool heard = speech > frames / 10 && silence > frames / 10;
  std::printf("%s: %zu frames, %zu of them speech and %zu not, outputs and state off by at most %.4f of what is allowed\n",
              heard ? "ok" : "FAILED", frames, speech, silence, worst);
  return heard ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t frame_size = argc == 5 ? std::strtoul(argv[3], nullptr, 10) : 0;
  if (frame_size == 0) {
    std::fprintf(stderr, "usage: voice LIBONNXRUNTIME MODEL SAMPLES CONTEXT\n");
    return 2;
  }
  if (const auto status = peers::missing({argv[1], argv[2]})) return *status;
  try {
    return listen(argv[1], argv[2], frame_size, std::strtoul(argv[4], nullptr, 10));
  } catch (const std::exception& error) {
    std::printf("FAILED: %s\n", error.what());
    return 1;
  }
}
