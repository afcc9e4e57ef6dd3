#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ops/apply.hpp"

namespace ops_test {

/// What random applications of operators are put together with.
class CaseTools {
 public:
  explicit CaseTools(unsigned seed) : random_(seed) {}

 protected:
  using List = std::vector<std::int64_t>;

  std::int64_t between(std::int64_t low, std::int64_t high) { return std::uniform_int_distribution<std::int64_t>(low, high)(random_); }
  bool coin() { return between(0, 1) == 1; }

  Tensor reals(const Shape& shape, float low = -2, float high = 2) {
    Tensor t = Tensor::empty(DType::f32, shape);
    std::uniform_real_distribution<float> values(low, high);
    for (float& v : t.mutable_values<float>()) v = values(random_);
    return t;
  }
  template <class T>
  Tensor integers(const Shape& shape, std::int64_t low, std::int64_t high) {
    Tensor t = Tensor::empty(lazyfx::dtype_of<T>, shape);
    for (T& v : t.mutable_values<T>()) v = static_cast<T>(between(low, high));
    return t;
  }
  static Tensor vector(const List& values) { return Tensor::from<std::int64_t>(values, Shape{static_cast<std::int64_t>(values.size())}); }
  static lazyfx::Argument list(const List& values) { return lazyfx::Argument::ints(values); }

  List dims(std::size_t least, std::size_t most) {
    List d(static_cast<std::size_t>(between(static_cast<std::int64_t>(least), static_cast<std::int64_t>(most))));
    for (auto& v : d) v = between(1, 5);
    return d;
  }
  Shape shape(std::size_t least = 0, std::size_t most = 4) { return Shape(dims(least, most)); }
  /// A shape that broadcasts to `s`.
  Shape part_of(const Shape& s) {
    List d(s.begin() + between(0, static_cast<std::int64_t>(s.rank())), s.end());
    for (auto& v : d) v = coin() ? v : 1;
    return Shape(d);
  }
  std::int64_t axis_of(const Shape& s) { return between(-static_cast<std::int64_t>(s.rank()), static_cast<std::int64_t>(s.rank()) - 1); }

  void add(std::string op, std::vector<Tensor> inputs, Keywords attributes = {}, std::size_t outputs = 1) {
    cases_.push_back({std::move(op), std::move(inputs), std::move(attributes), outputs});
  }

  std::mt19937 random_;
  std::vector<Case> cases_;
};

}  // namespace ops_test
