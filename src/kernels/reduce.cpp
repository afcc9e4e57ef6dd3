#include <cmath>
#include <limits>
#include <string>

#include "kernels/families.hpp"
#include "kernels/isa.hpp"
#include "kernels/placement.hpp"
#include "kernels/reduce_vector.hpp"
#include "kernels/scalar_math.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

using primitive::ReduceKind;

/// Loops over what is kept (strides of input, output) and, inside, over what is reduced (strides of input).
struct ReduceLoops {
  LoopNest kept, reduced;
  std::int64_t count = 1;  ///< elements that make one result
};

ReduceLoops plan_loops(const primitive::Reduce& reduce, const Operand& input, const Operand& output) {
  const std::size_t rank = input.shape.rank();
  const bool keeps = output.shape.rank() == rank;
  std::array<bool, Shape::max_rank> is_reduced{};
  for (const std::size_t axis : reduce.axes) {
    if (axis >= rank)
      throw Error(ErrorKind::invalid_argument, "reduce names axis " + std::to_string(axis) + " of rank " + std::to_string(rank));
    is_reduced[axis] = true;
  }
  const Strides in = strides_of(input), out = strides_of(output);
  Strides kept_in{}, kept_out{}, reduced_in{};
  std::array<std::int64_t, Shape::max_rank> kept_dims{}, reduced_dims{};
  std::size_t kept = 0, reduced = 0;
  const AxisOrder order = memory_order(input.layout, rank);
  std::array<std::size_t, Shape::max_rank> out_axis{};
  for (std::size_t axis = 0, next = 0; axis < rank; ++axis) {
    out_axis[axis] = keeps ? axis : next;
    if (!is_reduced[axis]) ++next;
    const bool fits = is_reduced[axis] ? !keeps || output.shape[axis] == 1
                                       : out_axis[axis] < output.shape.rank() && output.shape[out_axis[axis]] == input.shape[axis];
    if (!fits || (axis + 1 == rank && !keeps && next != output.shape.rank())) {
      throw Error(ErrorKind::invalid_argument, "reduce of " + to_string(input.shape) + " cannot give " + to_string(output.shape));
    }
  }
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t axis = order[i];
    if (is_reduced[axis]) {
      reduced_in[reduced] = in[axis];
      reduced_dims[reduced++] = input.shape[axis];
    } else {
      kept_in[kept] = in[axis];
      kept_out[kept] = out[out_axis[axis]];
      kept_dims[kept++] = input.shape[axis];
    }
  }
  const AxisOrder plain = memory_order(Layout::row_major, Shape::max_rank);
  const std::array<Strides, 2> kept_strides{kept_in, kept_out};
  const std::array<Strides, 1> reduced_strides{reduced_in};
  ReduceLoops loops;
  loops.kept = collapse(Shape(std::span(kept_dims.data(), kept)), plain, kept_strides);
  loops.reduced = collapse(Shape(std::span(reduced_dims.data(), reduced)), plain, reduced_strides);
  loops.count = loops.reduced.size();
  return loops;
}

/// Integers are summed exactly (modulo their width in 64 bits), floating types in double.
template <class T>
using Accumulator = std::conditional_t<std::is_integral_v<T>, std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>, double>;

template <class T>
Accumulator<T> load(T x) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    return static_cast<double>(static_cast<float>(x));
  else
    return static_cast<Accumulator<T>>(x);
}

template <class A>
A wrapping_add(A a, A b) {
  if constexpr (std::is_integral_v<A>)
    return static_cast<A>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  else
    return a + b;
}

template <class A>
A wrapping_mul(A a, A b) {
  if constexpr (std::is_integral_v<A>)
    return static_cast<A>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  else
    return a * b;
}

template <class T>
class PlainReduce final : public Kernel {
  using A = Accumulator<T>;

 public:
  PlainReduce(ReduceKind kind, ReduceLoops loops) : kind_(kind), loops_(std::move(loops)) {}

  std::string describe() const override { return "reduce plain"; }

  void run(const void* const* inputs, void* output, void*) const override {
    const auto* in = static_cast<const T*>(inputs[0]);
    auto* out = static_cast<T*>(output);
    for_each_outer(loops_.kept, 0, [&](const std::int64_t* offset) { out[offset[1]] = convert<T>(reduce(in + offset[0])); });
  }

 private:
  A reduce(const T* in) const {
    switch (kind_) {
      case ReduceKind::sum: return fold(in, A(0), [](A s, A x) { return wrapping_add(s, x); });
      case ReduceKind::mean: return mean(fold(in, A(0), [](A s, A x) { return wrapping_add(s, x); }));
      case ReduceKind::max: return fold(in, lowest(), [](A s, A x) { return greatest(s, x); });
      case ReduceKind::min: return fold(in, highest(), [](A s, A x) { return least(s, x); });
      case ReduceKind::prod: return fold(in, A(1), [](A s, A x) { return wrapping_mul(s, x); });
      case ReduceKind::sum_square: return fold(in, A(0), [](A s, A x) { return wrapping_add(s, wrapping_mul(x, x)); });
      case ReduceKind::l1: return fold(in, A(0), [](A s, A x) { return wrapping_add(s, x < A(0) ? wrapping_mul(x, A(-1)) : x); });
      case ReduceKind::l2: return real(std::sqrt(fold(in, 0.0, [](double s, A x) { return s + double(x) * double(x); })));
      case ReduceKind::log_sum: return real(std::log(fold(in, 0.0, [](double s, A x) { return s + double(x); })));
      case ReduceKind::log_sum_exp: {
        const double top = fold(in, -std::numeric_limits<double>::infinity(), [](double s, A x) { return greatest(s, double(x)); });
        if (!std::isfinite(top)) return real(top);
        return real(top + std::log(fold(in, 0.0, [top](double s, A x) { return s + std::exp(double(x) - top); })));
      }
    }
    return A(0);
  }

  template <class S, class F>
  S fold(const T* in, S start, F f) const {
    const std::int64_t n = loops_.reduced.extent[loops_.reduced.rank - 1], stride = loops_.reduced.strides[0][loops_.reduced.rank - 1];
    for_each_outer(loops_.reduced, 1, [&](const std::int64_t* offset) {
      const T* p = in + offset[0];
      for (std::int64_t i = 0; i < n; ++i) start = f(start, load(p[i * stride]));
    });
    return start;
  }

  static A real(double x) { return convert<A>(x); }
  A mean(A sum) const {
    if constexpr (std::is_integral_v<A>)
      return loops_.count == 0 ? A(0) : sum / static_cast<A>(loops_.count);
    else
      return sum / static_cast<A>(loops_.count);
  }
  static A lowest() {
    if constexpr (std::is_integral_v<T>)
      return static_cast<A>(std::numeric_limits<T>::lowest());
    else
      return -std::numeric_limits<A>::infinity();
  }
  static A highest() {
    if constexpr (std::is_integral_v<T>)
      return static_cast<A>(std::numeric_limits<T>::max());
    else
      return std::numeric_limits<A>::infinity();
  }

  ReduceKind kind_;
  ReduceLoops loops_;
};

/// f32 by vectors: the innermost loop over memory is either kept (lanes are results) or reduced (lanes are elements of one result).
class VectorReduce final : public Kernel {
 public:
  /// Nothing if there are no elements, or more loops than the vector functions walk.
  static std::unique_ptr<Kernel> make(ReduceKind kind, const ReduceLoops& loops) {
    const LoopNest &kept = loops.kept, &reduced = loops.reduced;
    if (kept.size() == 0 || loops.count == 0) return nullptr;
    const std::size_t inner = kept.rank - 1;
    const auto steps = [](const LoopNest& nest, std::size_t loop) { return ReduceBlock::Rows{nest.extent[loop], nest.strides[0][loop]}; };
    ReduceBlock block;
    block.results = kept.extent[inner];
    block.in_step = kept.strides[0][inner];
    block.out_step = kept.strides[1][inner];
    const bool by_columns = block.results > 1 && block.in_step == 1;
    // A single element has a loop with any stride.
    const bool in_runs = reduced.extent[reduced.rank - 1] == 1 || reduced.strides[0][reduced.rank - 1] == 1;
    if (!by_columns && !in_runs) return nullptr;
    std::size_t loops_left = reduced.rank;
    if (!by_columns) block.length = reduced.extent[--loops_left];
    if (loops_left > block.rows.size()) return nullptr;
    for (std::size_t i = 0; i < loops_left; ++i) block.rows[block.rows.size() - loops_left + i] = steps(reduced, i);
    return std::make_unique<VectorReduce>(vector_reduce(kind, by_columns), block, kept);
  }

  VectorReduce(ReduceFunction function, const ReduceBlock& block, LoopNest kept)
      : function_(function), block_(block), kept_(std::move(kept)) {}

  std::string describe() const override { return std::string("reduce ") + isa_name(); }

  void run(const void* const* inputs, void* output, void*) const override {
    for_each_outer(kept_, 1, [&](const std::int64_t* offset) {
      ReduceBlock block = block_;
      block.in = static_cast<const float*>(inputs[0]) + offset[0];
      block.out = static_cast<float*>(output) + offset[1];
      function_(block);
    });
  }

 private:
  ReduceFunction function_;
  ReduceBlock block_;
  LoopNest kept_;
};

}  // namespace

std::unique_ptr<Kernel> make_reduce(const primitive::Reduce& reduce, const Operand& input, const Operand& output) {
  if (input.dtype != output.dtype) throw Error(ErrorKind::invalid_argument, "reduce does not change the dtype");
  ReduceLoops loops = plan_loops(reduce, input, output);
  if (input.dtype == DType::f32) {
    if (auto kernel = VectorReduce::make(reduce.kind, loops)) return kernel;
  }
  return visit_dtype(input.dtype, [&](auto type) -> std::unique_ptr<Kernel> {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, std::string>)
      refuse_dtype("reduce", input.dtype);
    else
      return std::make_unique<PlainReduce<T>>(reduce.kind, std::move(loops));
  });
}

}  // namespace lazyfx::kernels
