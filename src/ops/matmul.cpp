#include <algorithm>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

constexpr DTypeSet matmul_dtypes = floats | DTypeSet{DType::i32, DType::u32, DType::i64, DType::u64};

/// Dims of A, or of B, as matrices: a vector is a row on the left and a column on the right.
Dims as_matrices(Dims dims, bool left, const char* name) {
  if (dims.empty()) fail(std::string(name) + " is a scalar");
  if (dims.size() == 1) dims.insert(left ? dims.begin() : dims.end(), Dim(1));
  return dims;
}

std::vector<TensorType> matmul_type(const TypeContext& c) {
  const TensorType& a = input(c, 0, matmul_dtypes, "A");
  require_same_dtype(c, 0, 1);
  const TensorType& b = *c.inputs[1];
  if (!a.dims || !b.dims) return {TensorType(a.dtype)};
  const Dims left = as_matrices(*a.dims, true, "input 0 (A)");
  const Dims right = as_matrices(*b.dims, false, "input 1 (B)");
  merge(left.back(), right[right.size() - 2], "the columns of A and the rows of B");
  Dims out = *broadcast_dims(Dims(left.begin(), left.end() - 2), Dims(right.begin(), right.end() - 2));
  if (a.dims->size() > 1) out.push_back(left[left.size() - 2]);
  if (b.dims->size() > 1) out.push_back(right.back());
  return {TensorType(a.dtype, out)};
}

/// How one matmul splits into a stack of matrix products.
struct Stack {
  Shape batch, product;  ///< the dims in front of the matrices of the result; its whole shape
  std::int64_t m, k, n;
};

Shape joined(const Shape& batch, std::int64_t rows, std::int64_t columns) {
  std::vector<std::int64_t> dims(batch.begin(), batch.end());
  dims.push_back(rows);
  dims.push_back(columns);
  return Shape(dims);
}

Shape without_last_two(const Shape& shape) { return Shape(shape.dims().first(shape.rank() - 2)); }

/// The matrices that operand `shape` is a stack of.
Shape matrices(const Shape& shape, bool left) {
  if (shape.rank() != 1) return shape;
  return left ? Shape{1, shape[0]} : Shape{shape[0], 1};
}

Stack stack_of(const Shape& a, const Shape& b) {
  const std::int64_t m = a[a.rank() - 2];
  const std::int64_t k = a[a.rank() - 1];
  const std::int64_t n = b[b.rank() - 1];
  if (k != b[b.rank() - 2]) fail("the columns of A and the rows of B are " + std::to_string(k) + " and " + std::to_string(b[b.rank() - 2]));
  const auto batch = broadcast(without_last_two(a), without_last_two(b));
  if (!batch) fail("shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
  return {*batch, joined(*batch, m, n), m, k, n};
}

/// Which matrix of an operand stands at each place of the stack.
std::vector<std::int64_t> places(const Shape& operand, const Shape& batch) {
  const Shape own = without_last_two(operand);
  const auto strides = own.row_major_strides();
  const std::size_t added = batch.rank() - own.rank();
  std::vector<std::int64_t> result;
  for_each_index(batch, [&](std::span<const std::int64_t> index) {
    std::int64_t place = 0;
    for (std::size_t i = 0; i < own.rank(); ++i) place += own[i] == 1 ? 0 : index[added + i] * strides[i];
    result.push_back(place);
  });
  return result;
}

template <class C>
std::vector<C> product_of(const Tensor& a, const Tensor& b, const Stack& s) {
  std::vector<C> out(static_cast<std::size_t>(s.product.size()));
  if (out.empty()) return out;
  const std::vector<C> left = read<C>(a);
  const std::vector<C> right = read<C>(b);
  const std::vector<std::int64_t> left_places = places(a.shape(), s.batch);
  const std::vector<std::int64_t> right_places = places(b.shape(), s.batch);
  for (std::size_t i = 0; i < left_places.size(); ++i) {
    multiply_add(left.data() + left_places[i] * s.m * s.k, right.data() + right_places[i] * s.k * s.n,
                 out.data() + static_cast<std::int64_t>(i) * s.m * s.n, s.m, s.k, s.n);
  }
  return out;
}

std::vector<Tensor> matmul_kernel(std::span<const Tensor> in, const Attributes&, std::size_t) {
  if (in[0].rank() == 0 || in[1].rank() == 0) fail("an operand is a scalar");
  const Tensor a = in[0].reshape(matrices(in[0].shape(), true));
  const Tensor b = in[1].reshape(matrices(in[1].shape(), false));
  const Stack s = stack_of(a.shape(), b.shape());
  std::vector<std::int64_t> dims(s.product.begin(), s.product.end());
  if (in[1].rank() == 1) dims.pop_back();
  if (in[0].rank() == 1) dims.erase(dims.end() - (in[1].rank() == 1 ? 1 : 2));
  return visit_compute(
      a.dtype(), [&](auto type) { return std::vector{write(a.dtype(), Shape(dims), product_of<typename decltype(type)::type>(a, b, s))}; });
}

constexpr DTypeSet kernel_dtypes{DType::f32, DType::f64, DType::i32, DType::u32, DType::i64, DType::u64};

bool lower_matmul(LoweringContext& c) {
  if (!inputs_are(c, kernel_dtypes)) return false;
  const ValueRef a = c.reshape(c.input(0), matrices(c.shape(c.input(0)), true));
  const ValueRef b = c.reshape(c.input(1), matrices(c.shape(c.input(1)), false));
  const Shape product = stack_of(c.shape(a), c.shape(b)).product;
  const bool same_rank = product.rank() == c.shape(c.output(0)).rank();
  const ValueRef out = same_rank ? c.output(0) : c.temporary(c.dtype(a), product);
  c.emit(primitive::Matmul{}, {a, b}, out);
  if (!same_rank) c.alias(out, c.output(0));
  return true;
}

struct Transposition {
  bool a, b;
};

Transposition transposition(const Attributes& attributes) {
  return {attributes.get_int("transA", 0) != 0, attributes.get_int("transB", 0) != 0};
}

std::vector<TensorType> gemm_type(const TypeContext& c) {
  const TensorType& a = input(c, 0, matmul_dtypes, "A");
  require_same_dtype(c, 0, 1);
  const TensorType& b = *c.inputs[1];
  for (const std::size_t i : {0U, 1U}) {
    const auto& dims = c.inputs[i]->dims;
    if (dims && dims->size() != 2) {
      fail("input " + std::to_string(i) + (i == 0 ? " (A)" : " (B)") + " has " + std::to_string(dims->size()) +
           " dimensions where 2 are expected");
    }
  }
  const Transposition t = transposition(c.attributes);
  Dims left = a.dims.value_or(unknown_dims(2));
  Dims right = b.dims.value_or(unknown_dims(2));
  if (t.a) std::swap(left[0], left[1]);
  if (t.b) std::swap(right[0], right[1]);
  merge(left[1], right[0], "the columns of A and the rows of B");
  Dims out{left[0], right[1]};
  if (has_input(c, 2)) {
    require_same_dtype(c, 0, 2);
    const auto dims = broadcast_dims(out, c.inputs[2]->dims);
    const bool stretches = dims && (dims->size() != 2 || ((*dims)[0].known() && out[0].known() && (*dims)[0] != out[0]) ||
                                    ((*dims)[1].known() && out[1].known() && (*dims)[1] != out[1]));
    if (stretches)
      fail("input 2 (C) of shape " + describe(*c.inputs[2]->dims) + " does not broadcast to the product of shape " + describe(out));
  }
  return {TensorType(a.dtype, out)};
}

std::vector<Tensor> gemm_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const std::vector<std::size_t> swapped{1, 0};
  const Transposition t = transposition(attributes);
  const Tensor a = t.a ? in[0].transpose(swapped) : in[0];
  const Tensor b = t.b ? in[1].transpose(swapped) : in[1];
  const Stack s = stack_of(a.shape(), b.shape());
  const double alpha = attributes.get_float("alpha", 1);
  const double beta = attributes.get_float("beta", 1);
  return visit_compute(a.dtype(), [&](auto type) {
    using C = typename decltype(type)::type;
    std::vector<C> out = product_of<C>(a, b, s);
    for (C& v : out) v = alpha == 1 ? v : static_cast<C>(alpha * static_cast<double>(v));
    if (argument(in, 2).defined()) {
      const std::vector<C> added = read<C>(in[2], s.product);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += beta == 1 ? added[i] : static_cast<C>(beta * static_cast<double>(added[i]));
    }
    return std::vector{write(a.dtype(), s.product, out)};
  });
}

bool lower_gemm(LoweringContext& c) {
  const Attributes& attributes = c.attributes();
  const double alpha = attributes.get_float("alpha", 1);
  const double beta = attributes.get_float("beta", 1);
  const bool scales = alpha != 1 || beta != 1;
  if (!inputs_are(c, scales ? DTypeSet{DType::f32, DType::f64} : kernel_dtypes)) return false;
  const Transposition t = transposition(attributes);
  std::vector<ValueRef> inputs{c.input(0), c.input(1)};
  if (c.has_input(2) && beta != 0) inputs.push_back(c.input(2));
  c.emit(primitive::Matmul{.transpose_a = t.a, .transpose_b = t.b, .alpha = alpha, .beta = beta}, inputs, c.output(0));
  return true;
}

}  // namespace

void add_matmul(OperatorRegistry& registry) {
  registry.add(onnx("MatMul", {1}, schema({"A", "B"}, {"Y"}), matmul_type, matmul_kernel, lower_matmul));
  registry.add(onnx("Gemm", {7},
                    schema({"A", "B", "C?"}, {"Y"}, {real("alpha", 1), real("beta", 1), integer("transA", 0), integer("transB", 0)}),
                    gemm_type, gemm_kernel, lower_gemm));
}

}  // namespace lazyfx::ops
