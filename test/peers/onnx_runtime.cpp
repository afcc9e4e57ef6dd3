#include "onnx_runtime.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>

namespace peers {
namespace {

using lazyfx::DType;
using Handle = void*;

/// Positions in OrtApi, as its header declares them one after another.
/// Source: https://github.com/microsoft/onnxruntime/blob/main/include/onnxruntime/core/session/onnxruntime_c_api.h
enum class Entry : std::size_t {
  GetErrorMessage = 2,
  CreateEnv = 3,
  CreateSession = 7,
  Run = 9,
  CreateSessionOptions = 10,
  SetSessionGraphOptimizationLevel = 23,
  SetIntraOpNumThreads = 24,
  SetInterOpNumThreads = 25,
  SessionGetInputCount = 30,
  SessionGetOutputCount = 31,
  SessionGetInputTypeInfo = 33,
  SessionGetInputName = 36,
  SessionGetOutputName = 37,
  CreateTensorWithDataAsOrtValue = 49,
  GetTensorMutableData = 51,
  CastTypeInfoToTensorInfo = 55,
  GetTensorElementType = 60,
  GetDimensionsCount = 61,
  GetDimensions = 62,
  GetTensorTypeAndShape = 65,
  CreateCpuMemoryInfo = 69,
  AllocatorFree = 76,
  GetAllocatorWithDefaultOptions = 78,
  ReleaseEnv = 92,
  ReleaseStatus = 93,
  ReleaseMemoryInfo = 94,
  ReleaseSession = 95,
  ReleaseValue = 96,
  ReleaseTypeInfo = 98,
  ReleaseTensorTypeAndShapeInfo = 99,
  ReleaseSessionOptions = 100,
};
constexpr std::uint32_t api_version = 22;
constexpr int all_optimizations = 99, warnings = 2, arena_allocator = 1, default_memory = 0;

const std::map<int, DType> element_types = {{1, DType::f32},  {2, DType::u8},   {3, DType::i8},  {4, DType::u16},
                                            {5, DType::i16},  {6, DType::i32},  {7, DType::i64}, {9, DType::boolean},
                                            {11, DType::f64}, {12, DType::u32}, {13, DType::u64}};

DType dtype_of_element(int type) {
  const auto found = element_types.find(type);
  if (found == element_types.end()) throw std::runtime_error("element type " + std::to_string(type) + " is not compared");
  return found->second;
}

int element_of_dtype(DType dtype) {
  for (const auto& [element, known] : element_types) {
    if (known == dtype) return element;
  }
  throw std::runtime_error(std::string("tensors of ") + lazyfx::to_string(dtype) + " are not compared");
}

}  // namespace

struct OnnxRuntime::State {
  void* const* table = nullptr;
  Handle environment = nullptr, memory = nullptr, allocator = nullptr;

  template <class... Args>
  void call(Entry entry, Args... args) const {
    const Handle status = at<Handle(Args...)>(entry)(args...);
    if (status == nullptr) return;
    const std::string message = at<const char*(Handle)>(Entry::GetErrorMessage)(status);
    release(Entry::ReleaseStatus, status);
    throw std::runtime_error(message);
  }
  void release(Entry entry, Handle handle) const {
    if (handle != nullptr) at<void(Handle)>(entry)(handle);
  }
  ~State() {
    release(Entry::ReleaseMemoryInfo, memory);
    release(Entry::ReleaseEnv, environment);
  }

 private:
  template <class F>
  F* at(Entry entry) const {
    return reinterpret_cast<F*>(table[static_cast<std::size_t>(entry)]);
  }
};

// The library stays loaded: its threads and static objects do not survive being unloaded.
OnnxRuntime::OnnxRuntime(const std::string& library) : state_(std::make_shared<State>()) {
  // It would send telemetry, and its telemetry leaks: https://github.com/microsoft/cpp_client_telemetry/issues/1134
  ::setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  void* const handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(::dlerror());
  const auto get_base = reinterpret_cast<void* const* (*)()>(::dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) throw std::runtime_error(library + " is not ONNX Runtime");
  const auto get_api = reinterpret_cast<void* const* (*)(std::uint32_t)>(get_base()[0]);
  state_->table = get_api(api_version);
  if (state_->table == nullptr) throw std::runtime_error(library + " is older than API version " + std::to_string(api_version));
  state_->call(Entry::CreateEnv, warnings, static_cast<const char*>("peers"), &state_->environment);
  state_->call(Entry::CreateCpuMemoryInfo, arena_allocator, default_memory, &state_->memory);
  state_->call(Entry::GetAllocatorWithDefaultOptions, &state_->allocator);
}

OnnxRuntime::~OnnxRuntime() = default;

struct Session::Impl {
  std::shared_ptr<OnnxRuntime::State> api;
  Handle session = nullptr;
  std::vector<std::string> inputs, outputs;

  explicit Impl(std::shared_ptr<OnnxRuntime::State> state) : api(std::move(state)) {}
  ~Impl() { api->release(Entry::ReleaseSession, session); }

  std::vector<std::string> names(Entry count_entry, Entry name_entry) const {
    std::size_t count = 0;
    api->call(count_entry, session, &count);
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) {
      char* name = nullptr;
      api->call(name_entry, session, i, api->allocator, &name);
      all.emplace_back(name);
      api->call(Entry::AllocatorFree, api->allocator, static_cast<void*>(name));
    }
    return all;
  }

  // `info` is an OrtTensorTypeAndShapeInfo; open dimensions come as -1.
  std::pair<DType, std::vector<std::int64_t>> type_of(const void* info) const {
    int element = 0;
    std::size_t rank = 0;
    api->call(Entry::GetTensorElementType, info, &element);
    api->call(Entry::GetDimensionsCount, info, &rank);
    std::vector<std::int64_t> dims(rank);
    api->call(Entry::GetDimensions, info, dims.data(), rank);
    return {dtype_of_element(element), dims};
  }
};

Session::Session(const OnnxRuntime& runtime, const std::string& model, int threads) : impl_(std::make_unique<Impl>(runtime.state())) {
  const auto& api = *impl_->api;
  Handle options = nullptr;
  api.call(Entry::CreateSessionOptions, &options);
  const std::shared_ptr<void> owner(options, [&](Handle h) { api.release(Entry::ReleaseSessionOptions, h); });
  api.call(Entry::SetIntraOpNumThreads, options, threads);
  api.call(Entry::SetInterOpNumThreads, options, 1);
  api.call(Entry::SetSessionGraphOptimizationLevel, options, all_optimizations);
  api.call(Entry::CreateSession, api.environment, model.c_str(), options, &impl_->session);
  impl_->inputs = impl_->names(Entry::SessionGetInputCount, Entry::SessionGetInputName);
  impl_->outputs = impl_->names(Entry::SessionGetOutputCount, Entry::SessionGetOutputName);
}

Session::~Session() = default;

std::vector<Session::Port> Session::inputs() const {
  const auto& api = *impl_->api;
  std::vector<Port> ports;
  for (std::size_t i = 0; i < impl_->inputs.size(); ++i) {
    Handle info = nullptr;
    const void* tensor = nullptr;
    api.call(Entry::SessionGetInputTypeInfo, impl_->session, i, &info);
    const std::shared_ptr<void> owner(info, [&](Handle h) { api.release(Entry::ReleaseTypeInfo, h); });
    api.call(Entry::CastTypeInfoToTensorInfo, static_cast<const void*>(info), &tensor);
    const auto [dtype, sizes] = impl_->type_of(tensor);
    std::vector<lazyfx::Dim> dims;
    for (const auto size : sizes) dims.push_back(size < 0 ? lazyfx::Dim() : lazyfx::Dim(size));
    ports.push_back({impl_->inputs[i], lazyfx::TensorType(dtype, std::move(dims))});
  }
  return ports;
}

std::vector<lazyfx::Tensor> Session::run(const std::vector<lazyfx::Tensor>& inputs) const {
  const auto& api = *impl_->api;
  const auto free_value = [&](Handle h) { api.release(Entry::ReleaseValue, h); };
  std::vector<std::shared_ptr<void>> owners;
  std::vector<Handle> values, results(impl_->outputs.size());
  std::vector<lazyfx::Tensor> dense;
  for (const auto& input : inputs) {
    dense.push_back(input.contiguous());
    const auto dims = dense.back().shape().dims();
    Handle value = nullptr;
    api.call(Entry::CreateTensorWithDataAsOrtValue, api.memory, const_cast<void*>(dense.back().raw()), dense.back().byte_size(),
             dims.data(), dims.size(), element_of_dtype(dense.back().dtype()), &value);
    owners.emplace_back(value, free_value);
    values.push_back(value);
  }
  std::vector<const char*> in, out;
  for (const auto& name : impl_->inputs) in.push_back(name.c_str());
  for (const auto& name : impl_->outputs) out.push_back(name.c_str());
  if (values.size() != in.size()) throw std::runtime_error("the model takes " + std::to_string(in.size()) + " inputs");
  api.call(Entry::Run, impl_->session, static_cast<const void*>(nullptr), in.data(), values.data(), in.size(), out.data(), out.size(),
           results.data());
  for (const Handle result : results) owners.emplace_back(result, free_value);
  std::vector<lazyfx::Tensor> outputs;
  for (const Handle result : results) {
    Handle info = nullptr;
    void* data = nullptr;
    api.call(Entry::GetTensorTypeAndShape, result, &info);
    const std::shared_ptr<void> owner(info, [&](Handle h) { api.release(Entry::ReleaseTensorTypeAndShapeInfo, h); });
    const auto [dtype, dims] = impl_->type_of(info);
    api.call(Entry::GetTensorMutableData, result, &data);
    lazyfx::Tensor copy = lazyfx::Tensor::empty(dtype, lazyfx::Shape(dims));
    if (copy.byte_size() > 0) std::memcpy(copy.mutable_raw(), data, copy.byte_size());
    outputs.push_back(std::move(copy));
  }
  return outputs;
}

}  // namespace peers
