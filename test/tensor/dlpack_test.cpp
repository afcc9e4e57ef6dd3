#define BOOST_TEST_MODULE tensor_dlpack
#include <boost/test/unit_test.hpp>

// Declarations first, structs after: the order of a program that includes its own dlpack.h last. The library has the other.
#include "lazyfx/tensor/dlpack.hpp"

#include "lazyfx/tensor/dlpack_abi.hpp"

#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "expect.hpp"

using namespace lazyfx;

namespace {

using Axes = std::vector<std::size_t>;

// What another library would hand over, counting how often it is given back.
struct Foreign {
  std::vector<float> memory{1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<std::int64_t> shape{2, 3};
  std::vector<std::int64_t> strides;
  DLManagedTensor managed{};
  std::atomic<int> deleted{0};

  Foreign() {
    managed.dl_tensor.data = memory.data();
    managed.dl_tensor.device = {kDLCPU, 0};
    managed.dl_tensor.ndim = 2;
    managed.dl_tensor.dtype = {kDLFloat, 32, 1};
    managed.dl_tensor.shape = shape.data();
    managed.manager_ctx = this;
    managed.deleter = [](DLManagedTensor* self) { static_cast<Foreign*>(self->manager_ctx)->deleted += 1; };
  }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;

  void set_strides(std::vector<std::int64_t> s) {
    strides = std::move(s);
    managed.dl_tensor.strides = strides.data();
  }
};

// A refused tensor is given back once, before the error arrives.
template <class Damage>
bool refused(ErrorKind kind, std::string_view words, Damage&& damage) {
  Foreign foreign;
  damage(foreign);
  return fails(kind, words, [&] { from_dlpack(&foreign.managed); }) && foreign.deleted == 1;
}

}  // namespace

BOOST_AUTO_TEST_CASE(import_uses_the_foreign_memory_in_place) {
  Foreign foreign;
  const Tensor t = from_dlpack(&foreign.managed);
  BOOST_TEST(t.raw() == foreign.memory.data());
  BOOST_TEST((t.shape() == Shape{2, 3}));
  BOOST_TEST((elements<float>(t) == std::vector<float>{1, 2, 3, 4, 5, 6}));
  BOOST_TEST(refuses("foreign", [&] { Tensor(t).mutable_raw(); }));
}

BOOST_AUTO_TEST_CASE(the_deleter_runs_once_when_the_last_view_dies) {
  Foreign foreign;
  Tensor view;
  {
    const Tensor t = from_dlpack(&foreign.managed);
    view = t.transpose(Axes{1, 0});
  }
  BOOST_TEST(foreign.deleted == 0);
  BOOST_TEST((elements<float>(view) == std::vector<float>{1, 4, 2, 5, 3, 6}));
  view = Tensor();
  BOOST_TEST(foreign.deleted == 1);
}

BOOST_AUTO_TEST_CASE(the_deleter_runs_once_however_many_threads_drop_the_tensor) {
  for (int round = 0; round < 50; ++round) {
    Foreign foreign;
    {
      const Tensor t = from_dlpack(&foreign.managed);
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([mine = t]() mutable {
          for (int k = 0; k < 20; ++k) mine = mine.slice(0, 0, 2);
          mine = Tensor();
        });
      }
      for (std::thread& thread : threads) thread.join();
    }
    BOOST_TEST(foreign.deleted == 1);
  }
}

BOOST_AUTO_TEST_CASE(import_respects_strides_and_byte_offset) {
  Foreign foreign;
  foreign.set_strides({-3, 1});
  foreign.managed.dl_tensor.byte_offset = 4 * sizeof(float);
  const Tensor t = from_dlpack(&foreign.managed);
  BOOST_TEST((elements<float>(t) == std::vector<float>{5, 6, 7, 2, 3, 4}));
}

BOOST_AUTO_TEST_CASE(import_takes_scalars_and_empty_tensors_without_data) {
  Foreign scalar;
  scalar.managed.dl_tensor.ndim = 0;
  scalar.managed.dl_tensor.shape = nullptr;
  BOOST_TEST(from_dlpack(&scalar.managed).item<float>() == 1.0f);
  BOOST_TEST(scalar.deleted == 1);
  Foreign empty;
  empty.shape = {0, 3};
  empty.managed.dl_tensor.shape = empty.shape.data();
  empty.managed.dl_tensor.data = nullptr;
  BOOST_TEST(from_dlpack(&empty.managed).size() == 0);
}

BOOST_AUTO_TEST_CASE(a_tensor_without_a_deleter_is_borrowed) {
  Foreign foreign;
  foreign.managed.deleter = nullptr;
  BOOST_TEST(from_dlpack(&foreign.managed).size() == 6);
}

BOOST_AUTO_TEST_CASE(import_refuses_other_devices_and_element_types_without_leaking) {
  const auto kind = ErrorKind::unsupported;
  BOOST_TEST(refused(kind, "device of type 2", [](Foreign& f) { f.managed.dl_tensor.device.device_type = kDLCUDA; }));
  BOOST_TEST(refused(kind, "4 lanes", [](Foreign& f) { f.managed.dl_tensor.dtype.lanes = 4; }));
  BOOST_TEST(refused(kind, "0 lanes", [](Foreign& f) { f.managed.dl_tensor.dtype.lanes = 0; }));
  BOOST_TEST(refused(kind, "code 5", [](Foreign& f) { f.managed.dl_tensor.dtype = {kDLComplex, 64, 1}; }));
  BOOST_TEST(refused(kind, "code 3", [](Foreign& f) { f.managed.dl_tensor.dtype = {kDLOpaqueHandle, 64, 1}; }));
  BOOST_TEST(refused(kind, "4 bits", [](Foreign& f) { f.managed.dl_tensor.dtype = {kDLInt, 4, 1}; }));
  BOOST_TEST(refused(kind, "128 bits", [](Foreign& f) { f.managed.dl_tensor.dtype = {kDLFloat, 128, 1}; }));
  BOOST_TEST(refused(kind, "1 bits", [](Foreign& f) { f.managed.dl_tensor.dtype = {kDLBool, 1, 1}; }));
}

BOOST_AUTO_TEST_CASE(import_refuses_damaged_tensors_without_leaking) {
  const auto kind = ErrorKind::invalid_argument;
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  BOOST_TEST(refuses("null", [] { from_dlpack(nullptr); }));
  BOOST_TEST(refused(kind, "data pointer is null", [](Foreign& f) { f.managed.dl_tensor.data = nullptr; }));
  BOOST_TEST(refused(kind, "not aligned to 4", [](Foreign& f) { f.managed.dl_tensor.byte_offset = 2; }));
  BOOST_TEST(
      refused(kind, "address space", [](Foreign& f) { f.managed.dl_tensor.byte_offset = std::numeric_limits<std::uint64_t>::max(); }));
  BOOST_TEST(refused(kind, "rank is -1", [](Foreign& f) { f.managed.dl_tensor.ndim = -1; }));
  BOOST_TEST(refused(kind, "rank is 2147483647", [](Foreign& f) { f.managed.dl_tensor.ndim = 2147483647; }));
  BOOST_TEST(refused(kind, "no shape", [](Foreign& f) { f.managed.dl_tensor.shape = nullptr; }));
  BOOST_TEST(refused(kind, "negative", [](Foreign& f) { f.shape[0] = -2; }));
  BOOST_TEST(refused(kind, "63 bits", [](Foreign& f) { f.shape = {huge, huge}, f.managed.dl_tensor.shape = f.shape.data(); }));
  BOOST_TEST(refused(kind, "address space", [](Foreign& f) { f.set_strides({huge, 1}); }));
  BOOST_TEST(refused(kind, "address space", [](Foreign& f) { f.set_strides({std::numeric_limits<std::int64_t>::min(), 1}); }));
}

BOOST_AUTO_TEST_CASE(export_describes_the_tensor_and_shares_its_elements) {
  const Tensor t = counting({2, 3}).transpose(Axes{1, 0});
  DLManagedTensor* managed = to_dlpack(t);
  const DLTensor& out = managed->dl_tensor;
  BOOST_TEST(out.data == t.raw());
  BOOST_TEST(out.byte_offset == 0u);
  BOOST_TEST(out.device.device_type == kDLCPU);
  BOOST_TEST(out.ndim == 2);
  BOOST_TEST(out.shape[0] == 3);
  BOOST_TEST(out.shape[1] == 2);
  BOOST_TEST(out.strides[0] == 1);
  BOOST_TEST(out.strides[1] == 3);
  BOOST_TEST(static_cast<int>(out.dtype.code) == kDLInt);
  BOOST_TEST(static_cast<int>(out.dtype.bits) == 32);
  BOOST_TEST(out.dtype.lanes == 1);
  managed->deleter(managed);
}

BOOST_AUTO_TEST_CASE(an_export_keeps_the_elements_alive_and_shared_until_it_is_given_back) {
  Tensor t = counting({4});
  DLManagedTensor* managed = to_dlpack(t);
  BOOST_TEST(!t.unique());
  BOOST_TEST(refuses("shared", [&] { t.mutable_raw(); }));
  managed->deleter(managed);
  BOOST_TEST(t.unique());
  managed = to_dlpack(t);
  t = Tensor();
  BOOST_TEST(static_cast<const std::int32_t*>(managed->dl_tensor.data)[3] == 3);
  managed->deleter(managed);
}

BOOST_AUTO_TEST_CASE(every_dtype_but_string_survives_a_round_trip_in_place) {
  for (std::size_t i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (dtype == DType::string) continue;
    for (const Tensor& t : {Tensor::zeros(dtype, {2, 5}), Tensor::zeros(dtype, {2, 5}).slice(1, 4, 3, -2), Tensor::zeros(dtype, {})}) {
      const Tensor back = from_dlpack(to_dlpack(t));
      BOOST_TEST(back.is_same(t));
      BOOST_TEST(equal(back, t));
    }
    BOOST_TEST(equal(from_dlpack(to_dlpack(Tensor::zeros(dtype, {3, 0}))), Tensor::zeros(dtype, {3, 0})));
  }
}

BOOST_AUTO_TEST_CASE(booleans_travel_as_booleans) {
  DLManagedTensor* managed = to_dlpack(Tensor::from<bool>({true, false}, {2}));
  BOOST_TEST(static_cast<int>(managed->dl_tensor.dtype.code) == kDLBool);
  BOOST_TEST(static_cast<int>(managed->dl_tensor.dtype.bits) == 8);
  BOOST_TEST((elements<bool>(from_dlpack(managed)) == std::vector<bool>{true, false}));
}

BOOST_AUTO_TEST_CASE(strings_and_undefined_tensors_are_not_exported) {
  BOOST_TEST(fails(ErrorKind::unsupported, "strings", [] { static_cast<void>(to_dlpack(Tensor::zeros(DType::string, {1}))); }));
  BOOST_TEST(refuses("undefined", [] { static_cast<void>(to_dlpack(Tensor())); }));
}
