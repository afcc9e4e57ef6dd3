#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/graph/code.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "onnx_mutation.hpp"
#include "onnx_seeds.hpp"
#include "within_a_second.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

std::string_view text_of(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

std::size_t put(std::string_view bytes, std::uint8_t* data) {
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

/// Reads every element of every tensor, so that those which point outside the file are noticed.
std::uint64_t digest_all(const lazyfx::Module& module) {
  std::uint64_t all = 0;
  for (const auto& [name, named] : module.tensors()) all ^= named.tensor.digest();
  for (const auto& [name, child] : module.submodules()) all ^= digest_all(*child);
  return all;
}

}  // namespace

/// Any bytes as an ONNX model: a graph that is sound, or an Error of one line that names the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lazyfx;
  static const OperatorRegistry operators = OperatorRegistry::standard();
  const WithinASecond limit;
  try {
    auto file = std::make_shared<std::vector<std::uint8_t>>(data, data + size);
    const auto model = onnx::import_model(std::as_bytes(std::span(*file)), file, "fuzz.onnx", operators);
    file.reset();
    model.graph->lint();
    static_cast<void>(digest_all(*model.root));
    static_cast<void>(render_code(model.graph->freeze(), "Fuzzed"));
  } catch (const Error& error) {
    const std::string_view message = error.what();
    const bool right_kind = error.kind() == ErrorKind::invalid_model || error.kind() == ErrorKind::unsupported;
    if (!right_kind || !message.starts_with("fuzz.onnx: ") || message.find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}

/// Mostly models changed as models; now and then any bytes.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  auto model = onnx_tree::parse(text_of(data, size));
  if (!model || model->fields.empty()) {
    const auto& models = onnx_seeds::all();
    model = onnx_tree::parse(models[seed % models.size()]);
  } else if (seed % 16 == 0) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  onnx_tree::Mutation mutation(*model, seed);
  for (unsigned i = 0; i <= seed / 16 % 4; ++i) mutation.any();
  const std::string changed = onnx_tree::encode(*model);
  return changed.size() <= max_size ? put(changed, data) : LLVMFuzzerMutate(data, size, max_size);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size, const std::uint8_t* second,
                                                 std::size_t second_size, std::uint8_t* out, std::size_t max_size, unsigned seed) {
  auto model = onnx_tree::parse(text_of(first, first_size));
  auto donor = onnx_tree::parse(text_of(second, second_size));
  if (!model || !donor) return 0;
  onnx_tree::Mutation(*model, seed).splice(*donor);
  const std::string made = onnx_tree::encode(*model);
  return made.size() <= max_size ? put(made, out) : 0;
}
