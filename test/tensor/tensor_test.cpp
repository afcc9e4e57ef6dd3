#define BOOST_TEST_MODULE tensor_tensor
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "expect.hpp"
#include "lazyfx/tensor/tensor.hpp"

using namespace lazyfx;

namespace {

constexpr std::int64_t huge = std::int64_t{1} << 62;

std::uintptr_t address(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

std::shared_ptr<const void> no_owner() { return nullptr; }

}  // namespace

BOOST_AUTO_TEST_CASE(a_default_tensor_is_undefined_and_says_so_when_asked_for_elements) {
  const Tensor none;
  BOOST_TEST(!none.defined());
  BOOST_TEST(!none);
  BOOST_TEST(!none.unique());
  BOOST_TEST(to_string(none) == "undefined");
  BOOST_TEST(refuses("undefined", [&] { none.values<float>(); }));
  BOOST_TEST(refuses("undefined", [&] { none.contiguous(); }));
  BOOST_TEST(refuses("undefined", [&] { none.reshape({1}); }));
  BOOST_TEST(refuses("undefined", [&] { none.digest(); }));
  BOOST_TEST(refuses("undefined", [&] { Tensor(none).mutable_raw(); }));
}

BOOST_AUTO_TEST_CASE(a_tensor_keeps_the_values_it_was_made_from) {
  const Tensor t = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  BOOST_TEST((t.dtype() == DType::f32));
  BOOST_TEST((t.shape() == Shape{2, 3}));
  BOOST_TEST(t.byte_size() == 24u);
  BOOST_TEST(t.is_contiguous());
  BOOST_TEST(t.strides()[0] == 3);
  BOOST_TEST(t.strides()[1] == 1);
  BOOST_TEST((elements<float>(t) == std::vector<float>{1, 2, 3, 4, 5, 6}));
}

BOOST_AUTO_TEST_CASE(every_dtype_can_be_made_zeroed_and_read) {
  for (std::size_t i = 0; i < dtype_count; ++i) {
    visit_dtype(static_cast<DType>(i), [&]<class T>(std::type_identity<T>) {
      const Tensor t = Tensor::zeros(dtype_of<T>, {3, 5});
      for (const T& element : t.values<T>()) BOOST_TEST((element == T{}));
      BOOST_TEST((Tensor::scalar(T{}).template item<T>() == T{}));
    });
  }
}

BOOST_AUTO_TEST_CASE(fresh_elements_start_at_a_multiple_of_64_bytes) {
  for (std::int64_t n = 0; n < 200; ++n) {
    BOOST_TEST(address(Tensor::empty(DType::u8, {n}).raw()) % 64 == 0u);
    BOOST_TEST(address(Tensor::zeros(DType::f32, {n, 1000}).raw()) % 64 == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_vector_of_64_bytes_may_be_read_at_the_last_element) {
  // AddressSanitizer is what makes this test bite.
  for (const std::int64_t n : {1, 7, 64, 65, 4096}) {
    const Tensor t = Tensor::zeros(DType::u8, {n});
    const auto* last = static_cast<const std::byte*>(t.raw()) + n - 1;
    for (int i = 0; i < 64; ++i) {
      const volatile std::byte read = last[i];
      static_cast<void>(read);
    }
    BOOST_TEST((*last == std::byte{0}));
  }
}

BOOST_AUTO_TEST_CASE(values_do_not_fit_a_shape_of_another_size) {
  BOOST_TEST(refuses("3 elements do not fit shape 2x2 of 4", [] { Tensor::from<float>({1, 2, 3}, {2, 2}); }));
  BOOST_TEST(refuses("1 element does not fit", [] { Tensor::from<float>({1}, {huge}); }));
}

BOOST_AUTO_TEST_CASE(sizes_beyond_the_memory_are_an_error_not_a_crash) {
  for (const DType dtype : {DType::u8, DType::f32, DType::f64, DType::string}) {
    for (const std::int64_t n : {huge, huge - 1, std::int64_t{1} << 60, std::int64_t{1} << 46, std::numeric_limits<std::int64_t>::max()}) {
      BOOST_TEST(fails(ErrorKind::resource, to_string(dtype), [&] { Tensor::empty(dtype, {n}); }));
      BOOST_TEST(fails(ErrorKind::resource, std::to_string(n), [&] { Tensor::zeros(dtype, {n}); }));
    }
  }
}

BOOST_AUTO_TEST_CASE(values_of_another_type_are_refused) {
  const Tensor t = Tensor::from<float>({1}, {1});
  BOOST_TEST(refuses("f32[1] were asked for as i32", [&] { t.values<std::int32_t>(); }));
  BOOST_TEST(refuses("f32[1] were asked for as f64", [&] { t.item<double>(); }));
  BOOST_TEST(refuses("as string", [&] { t.values<std::string>(); }));
}

BOOST_AUTO_TEST_CASE(item_wants_exactly_one_element) {
  BOOST_TEST(Tensor::from<float>({7}, {1, 1}).item<float>() == 7.0f);
  BOOST_TEST(refuses("1 element does not fit shape 2", [] { Tensor::from<float>({1, 2}, {2}).item<float>(); }));
  BOOST_TEST(refuses("1 element", [] { Tensor::zeros(DType::f32, {0}).item<float>(); }));
}

BOOST_AUTO_TEST_CASE(a_sole_handle_may_write_and_a_shared_one_may_not) {
  Tensor t = counting({4});
  BOOST_TEST(t.unique());
  t.mutable_values<std::int32_t>()[0] = 9;
  {
    const Tensor other = t;
    BOOST_TEST(!t.unique());
    BOOST_TEST(refuses("shared", [&] { t.mutable_raw(); }));
    BOOST_TEST(refuses("shared", [&] { t.mutable_values<std::int32_t>(); }));
  }
  BOOST_TEST(t.unique());
  t.mutable_values<std::int32_t>()[1] = 8;
  BOOST_TEST((elements<std::int32_t>(t) == std::vector<std::int32_t>{9, 8, 2, 3}));
}

BOOST_AUTO_TEST_CASE(a_moved_handle_stays_the_only_one) {
  Tensor t = counting({4});
  Tensor moved = std::move(t);
  BOOST_TEST(moved.unique());
  t = std::move(moved);
  BOOST_TEST(t.unique());
  t = t.contiguous();
  BOOST_TEST(t.unique());
}

BOOST_AUTO_TEST_CASE(assigning_a_tensor_to_itself_changes_nothing) {
  Tensor t = counting({3});
  const Tensor& alias = t;
  t = alias;
  BOOST_TEST(t.unique());
  BOOST_TEST(t.values<std::int32_t>()[2] == 2);
}

BOOST_AUTO_TEST_CASE(wrapped_memory_is_used_in_place_and_its_owner_lives_as_long_as_any_view) {
  auto memory = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4});
  const std::weak_ptr<std::vector<float>> alive = memory;
  Tensor view;
  {
    const Tensor t = Tensor::wrap(DType::f32, {2, 2}, memory->data(), memory);
    BOOST_TEST(t.raw() == memory->data());
    memory.reset();
    view = t.slice(0, 1, 1);
  }
  BOOST_TEST(!alive.expired());
  BOOST_TEST((elements<float>(view) == std::vector<float>{3, 4}));
  view = Tensor();
  BOOST_TEST(alive.expired());
}

BOOST_AUTO_TEST_CASE(wrapped_memory_is_never_written) {
  float memory[2] = {1, 2};
  Tensor t = Tensor::wrap(DType::f32, {2}, memory, no_owner());
  BOOST_TEST(!t.unique());
  BOOST_TEST(refuses("wraps foreign memory", [&] { t.mutable_raw(); }));
  Tensor view = t.reshape({2, 1});
  t = Tensor();
  BOOST_TEST(refuses("wraps foreign memory", [&] { view.mutable_raw(); }));
  Tensor copy = view.clone();
  copy.mutable_values<float>()[0] = 5;
  BOOST_TEST(memory[0] == 1.0f);
}

BOOST_AUTO_TEST_CASE(wrap_takes_zero_and_negative_strides) {
  const std::int32_t memory[3] = {1, 2, 3};
  const std::array<std::int64_t, 2> strides{0, -1};
  const Tensor t = Tensor::wrap(DType::i32, {2, 3}, strides, memory + 2, no_owner());
  BOOST_TEST(!t.is_contiguous());
  BOOST_TEST((elements<std::int32_t>(t) == std::vector<std::int32_t>{3, 2, 1, 3, 2, 1}));
}

BOOST_AUTO_TEST_CASE(wrap_takes_rows_that_overlap) {
  const std::int32_t memory[4] = {1, 2, 3, 4};
  const std::array<std::int64_t, 2> strides{1, 1};
  const Tensor windows = Tensor::wrap(DType::i32, {2, 3}, strides, memory, no_owner());
  BOOST_TEST((elements<std::int32_t>(windows) == std::vector<std::int32_t>{1, 2, 3, 2, 3, 4}));
  BOOST_TEST(windows.digest() == windows.clone().digest());
}

BOOST_AUTO_TEST_CASE(wrap_refuses_what_cannot_be_read) {
  alignas(8) const std::byte memory[16] = {};
  const std::array<std::int64_t, 1> one{1};
  BOOST_TEST(refuses("null pointer", [&] { Tensor::wrap(DType::f32, {2}, nullptr, no_owner()); }));
  BOOST_TEST(refuses("not aligned to 4 bytes", [&] { Tensor::wrap(DType::f32, {2}, memory + 2, no_owner()); }));
  BOOST_TEST(refuses("strings", [&] { Tensor::wrap(DType::string, {0}, memory, no_owner()); }));
  BOOST_TEST(refuses("1 strides do not fit shape 2x2", [&] { Tensor::wrap(DType::u8, {2, 2}, one, memory, no_owner()); }));
  BOOST_TEST(Tensor::wrap(DType::f32, {0}, nullptr, no_owner()).size() == 0);
}

BOOST_AUTO_TEST_CASE(wrap_refuses_strides_that_leave_the_address_space) {
  const std::byte memory[16] = {};
  for (const std::int64_t stride : {huge, -huge, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    const std::array<std::int64_t, 1> strides{stride};
    BOOST_TEST(refuses("address space", [&] { Tensor::wrap(DType::u8, {3}, strides, memory, no_owner()); }));
  }
  BOOST_TEST(refuses("address space", [&] { Tensor::wrap(DType::f64, {huge}, memory, no_owner()); }));
}

BOOST_AUTO_TEST_CASE(strides_that_reach_no_second_element_may_be_any_number) {
  const std::byte memory[16] = {};
  const std::array<std::int64_t, 2> strides{std::numeric_limits<std::int64_t>::max(), 1};
  const Tensor one = Tensor::wrap(DType::u8, {1, 4}, strides, memory, no_owner());
  BOOST_TEST(one.is_contiguous());
  BOOST_TEST(one.slice(0, 0, 1, std::numeric_limits<std::int64_t>::max()).size() == 4);
  const Tensor none = Tensor::wrap(DType::u8, {3, 0}, strides, memory, no_owner());
  BOOST_TEST(none.slice(0, 1, 2, 1).size() == 0);
}

BOOST_AUTO_TEST_CASE(strings_are_constructed_copied_and_destroyed) {
  const std::string longer(100, 'x');  // on the heap, so that a sanitizer sees a leak or a double free
  Tensor t = Tensor::from<std::string>({"a", longer, ""}, {3});
  const Tensor copy = t.clone();
  t.mutable_values<std::string>()[1] = "short";
  BOOST_TEST((elements<std::string>(t) == std::vector<std::string>{"a", "short", ""}));
  BOOST_TEST((elements<std::string>(copy) == std::vector<std::string>{"a", longer, ""}));
  BOOST_TEST(Tensor::empty(DType::string, {2, 2}).values<std::string>()[3].empty());
}

BOOST_AUTO_TEST_CASE(text_shows_dtype_shape_and_the_first_elements) {
  BOOST_TEST(to_string(Tensor::from<float>({1, 2.5f, -0.0f}, {3})) == "f32[3] {1, 2.5, -0}");
  BOOST_TEST(to_string(counting({20}), 3) == "i32[20] {0, 1, 2, ...}");
  BOOST_TEST(to_string(counting({3}), 3) == "i32[3] {0, 1, 2}");
  BOOST_TEST(to_string(counting({3}), 0) == "i32[3] {...}");
  BOOST_TEST(to_string(Tensor::scalar(true)) == "bool[] {true}");
  BOOST_TEST(to_string(Tensor::from<std::int8_t>({-1, 65}, {2})) == "i8[2] {-1, 65}");
  BOOST_TEST(to_string(Tensor::from<Float16>({Float16(0.5f)}, {1})) == "f16[1] {0.5}");
  BOOST_TEST(to_string(Tensor::from<std::string>({"say \"hi\"\n"}, {1})) == "string[1] {\"say \\\"hi\\\"\\n\"}");
  BOOST_TEST(to_string(Tensor::zeros(DType::f64, {2, 0})) == "f64[2x0] {}");
}
