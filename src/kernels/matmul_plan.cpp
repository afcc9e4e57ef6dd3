#include "kernels/matmul_plan.hpp"

#include <algorithm>
#include <string>

#include "kernels/families.hpp"
#include "kernels/scalar_math.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

template <class T>
class PlainMatmul final : public Kernel {
  static constexpr bool integral = std::is_integral_v<T>;
  using A = std::conditional_t<integral, std::uint64_t, double>;

 public:
  explicit PlainMatmul(const MatmulPlan& plan) : plan_(plan) {}

  std::string describe() const override { return "matmul plain"; }

  void run(const void* const* inputs, void* output, void*) const override {
    const auto* a = static_cast<const T*>(inputs[0]);
    const auto* b = static_cast<const T*>(inputs[1]);
    const auto* c = plan_.has_addend ? static_cast<const T*>(inputs[2]) : nullptr;
    auto* out = static_cast<T*>(output);
    for_each_outer(plan_.batch, 0, [&](const std::int64_t* o) { one(a + o[0], b + o[1], c == nullptr ? nullptr : c + o[2], out + o[3]); });
  }

 private:
  static A load(T x) {
    if constexpr (integral)
      return static_cast<A>(x);
    else
      return convert<double>(x);
  }

  void one(const T* a, const T* b, const T* c, T* out) const {
    const MatmulPlan& p = plan_;
    for (std::int64_t i = 0; i < p.m; ++i) {
      for (std::int64_t j = 0; j < p.n; ++j) {
        A sum = 0;
        for (std::int64_t k = 0; k < p.k; ++k) sum += load(a[i * p.a_row + k * p.a_column]) * load(b[k * p.b_row + j * p.b_column]);
        if constexpr (integral) {
          if (p.alpha != 1) sum = static_cast<A>(convert<std::int64_t>(p.alpha * static_cast<double>(static_cast<std::int64_t>(sum))));
          if (c != nullptr) {
            const A addend = load(c[i * p.c_row + j * p.c_column]);
            sum += p.beta == 1 ? addend
                               : static_cast<A>(convert<std::int64_t>(p.beta * static_cast<double>(static_cast<std::int64_t>(addend))));
          }
          out[i * p.n + j] = static_cast<T>(sum);
        } else {
          sum *= p.alpha;
          if (c != nullptr) sum += p.beta * load(c[i * p.c_row + j * p.c_column]);
          out[i * p.n + j] = convert<T>(sum);
        }
      }
    }
  }

  MatmulPlan plan_;
};

// The operand without its last two axes; rank 0 if it has no others.
Operand batch_of(const Operand& operand) {
  return {operand.dtype, Shape(operand.shape.dims().first(operand.shape.rank() - 2)), Layout::row_major};
}

}  // namespace

bool MatmulPlan::b_is_shared() const {
  return std::all_of(batch.strides[1].begin(), batch.strides[1].begin() + static_cast<std::ptrdiff_t>(batch.rank),
                     [](auto s) { return s == 0; });
}

MatmulPlan plan_matmul(const primitive::Matmul& matmul, std::span<const Operand> inputs, const Operand& output,
                       std::span<const Strides> more) {
  const Operand &a = inputs[0], &b = inputs[1];
  const auto refuse = [&] {
    throw Error(ErrorKind::invalid_argument,
                "matmul of " + to_string(a.shape) + " by " + to_string(b.shape) + " cannot give " + to_string(output.shape));
  };
  for (const Operand& operand : inputs) {
    if (operand.layout != Layout::row_major) throw Error(ErrorKind::unsupported, "matmul works on row_major values only");
    if (operand.dtype != output.dtype) throw Error(ErrorKind::invalid_argument, "matmul mixes dtypes");
  }
  if (output.layout != Layout::row_major) throw Error(ErrorKind::unsupported, "matmul works on row_major values only");
  const std::size_t ar = a.shape.rank(), br = b.shape.rank(), rank = output.shape.rank();
  if (ar < 2 || br < 2 || rank < 2) refuse();
  MatmulPlan p;
  p.alpha = matmul.alpha;
  p.beta = matmul.beta;
  p.m = a.shape[ar - (matmul.transpose_a ? 1 : 2)];
  p.k = a.shape[ar - (matmul.transpose_a ? 2 : 1)];
  p.n = b.shape[br - (matmul.transpose_b ? 2 : 1)];
  if (b.shape[br - (matmul.transpose_b ? 1 : 2)] != p.k || output.shape[rank - 2] != p.m || output.shape[rank - 1] != p.n) refuse();
  p.a_row = matmul.transpose_a ? 1 : p.k;
  p.a_column = matmul.transpose_a ? p.m : 1;
  p.b_row = matmul.transpose_b ? 1 : p.n;
  p.b_column = matmul.transpose_b ? p.k : 1;

  const Operand batch = batch_of(output);
  const auto batch_strides = [&](const Operand& operand, std::int64_t matrix) {
    Strides strides = broadcast_strides(batch_of(operand), batch.shape);
    for (auto& s : strides) s *= matrix;
    return strides;
  };
  std::vector<Strides> strides{batch_strides(a, p.m * p.k), batch_strides(b, p.k * p.n), Strides{}, batch_strides(output, p.m * p.n)};
  strides.insert(strides.end(), more.begin(), more.end());
  p.has_addend = inputs.size() > 2;
  if (p.has_addend) {
    const Strides c = broadcast_strides(inputs[2], output.shape);
    std::copy_n(c.begin(), rank - 2, strides[2].begin());
    p.c_row = c[rank - 2];
    p.c_column = c[rank - 1];
  }
  p.batch = collapse(batch.shape, memory_order(Layout::row_major, batch.shape.rank()), strides);
  return p;
}

std::unique_ptr<Kernel> make_plain_matmul(const MatmulPlan& plan, DType dtype) {
  return visit_dtype(dtype, [&](auto type) -> std::unique_ptr<Kernel> {
    using T = typename decltype(type)::type;
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, bool>)
      refuse_dtype("matmul", dtype);
    else
      return std::make_unique<PlainMatmul<T>>(plan);
  });
}

}  // namespace lazyfx::kernels
