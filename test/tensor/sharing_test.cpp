#define BOOST_TEST_MODULE tensor_sharing
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <barrier>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "expect.hpp"
#include "lazyfx/tensor/value.hpp"

using namespace lazyfx;

namespace {

using Axes = std::vector<std::size_t>;
constexpr int thread_count = 8;

// Runs `body(index)` on all threads, released together.
template <class Body>
void together(Body body) {
  std::barrier start(thread_count);
  std::vector<std::thread> threads;
  for (int i = 0; i < thread_count; ++i) {
    threads.emplace_back([&start, &body, i] {
      start.arrive_and_wait();
      body(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

BOOST_AUTO_TEST_CASE(handles_of_one_tensor_may_be_copied_and_dropped_by_many_threads) {
  Tensor t = counting({64});
  std::atomic<long> sum{0};
  together([&](int) {
    for (int i = 0; i < 2000; ++i) {
      const Tensor copy = t;
      const Tensor view = copy.reshape({8, 8}).transpose(Axes{1, 0});
      sum += view.slice(0, 7, 1).contiguous().values<std::int32_t>()[7];
    }
  });
  BOOST_TEST(sum == 63L * 2000 * thread_count);
  BOOST_TEST(t.unique());
}

BOOST_AUTO_TEST_CASE(the_owner_of_wrapped_memory_is_released_once_by_whoever_is_last) {
  for (int round = 0; round < 50; ++round) {
    std::vector<float> memory(16, 1.0f);
    std::atomic<int> released{0};
    {
      std::vector<Tensor> handles(thread_count);
      {
        const Tensor t = Tensor::wrap(DType::f32, {16}, memory.data(), std::shared_ptr<void>(memory.data(), [&](void*) { ++released; }));
        for (Tensor& handle : handles) handle = t.slice(0, 0, 8);
      }
      together([&](int i) { handles[static_cast<std::size_t>(i)] = Tensor(); });
      BOOST_TEST(released == 1);
    }
    BOOST_TEST(released == 1);
  }
}

BOOST_AUTO_TEST_CASE(what_readers_read_is_done_before_the_last_handle_writes) {
  // The reads of a dropped handle and the writes of the remaining one touch the same bytes: ThreadSanitizer checks the order.
  for (int round = 0; round < 100; ++round) {
    Tensor t = counting({16});
    std::atomic<long> sum{0};
    std::thread reader([mine = t, &sum]() mutable {
      sum = mine.values<std::int32_t>()[15];
      mine = Tensor();
    });
    while (!t.unique()) std::this_thread::yield();
    t.mutable_values<std::int32_t>()[15] = -1;
    reader.join();
    BOOST_TEST(sum == 15);
  }
}

BOOST_AUTO_TEST_CASE(many_threads_may_ask_for_one_digest_at_once) {
  for (int round = 0; round < 50; ++round) {
    const Tensor t = counting({40, 50}).transpose(Axes{1, 0});
    const std::uint64_t expected = t.clone().digest();
    std::atomic<int> right{0};
    together([&](int) { right += t.digest() == expected; });
    BOOST_TEST(right == thread_count);
  }
}

BOOST_AUTO_TEST_CASE(values_pass_between_threads_freely) {
  const Value value = Value::dict({{"a", Value::list({counting({4}), "text", 1})}, {"b", Value::tuple({true, 2.5})}});
  std::atomic<int> right{0};
  together([&](int) {
    for (int i = 0; i < 500; ++i) {
      const Value copy = value;
      const Value rebuilt = Value::dict({{"a", copy["a"]}, {"b", copy["b"]}});
      right += rebuilt == value;
    }
  });
  BOOST_TEST(right == 500 * thread_count);
}
