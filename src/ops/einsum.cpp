#include <algorithm>
#include <map>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

/// An equation taken apart. Letters name axes; the axes of an ellipsis are named by the numbers from `ellipsis_base` on, aligned at the last.
struct Equation {
  std::vector<std::string> inputs;
  std::string output;
};

constexpr char ellipsis_base = 1;  // below every letter

/// One side's term with its ellipsis written out as names for `axes` of `most` axes.
std::string expanded(const std::string& term, std::size_t axes, std::size_t most) {
  std::string names;
  for (std::size_t i = 0; i < term.size();) {
    const char c = term[i];
    if (c == '.') {
      if (term.compare(i, 3, "...") != 0) fail("attribute equation has a dot that is no ellipsis");
      for (std::size_t k = most - axes; k < most; ++k) names += static_cast<char>(ellipsis_base + static_cast<char>(k));
      i += 3;
      continue;
    }
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) fail(std::string("attribute equation holds '") + c + "', which names no axis");
    names += c;
    ++i;
  }
  return names;
}

std::size_t letters_of(const std::string& term) {
  const auto dots = static_cast<std::size_t>(std::count(term.begin(), term.end(), '.'));
  if (dots != 0 && dots != 3) fail("attribute equation has a dot that is no ellipsis");
  return term.size() - dots;
}

Equation parse(std::string text, const std::vector<std::size_t>& ranks) {
  std::erase(text, ' ');
  const auto arrow = text.find("->");
  std::string left = text.substr(0, arrow);
  std::vector<std::string> terms;
  for (std::size_t comma = 0; (comma = left.find(',')) != std::string::npos; left.erase(0, comma + 1))
    terms.push_back(left.substr(0, comma));
  terms.push_back(left);
  if (terms.size() != ranks.size())
    fail("attribute equation has " + std::to_string(terms.size()) + " terms for " + std::to_string(ranks.size()) + " inputs");
  std::vector<std::size_t> hidden;  // axes that each ellipsis stands for
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::size_t letters = letters_of(terms[i]);
    const bool fits = terms[i].find('.') == std::string::npos ? letters == ranks[i] : letters <= ranks[i];
    if (!fits) fail("term " + std::to_string(i) + " of the equation does not fit an input of " + std::to_string(ranks[i]) + " dimensions");
    hidden.push_back(ranks[i] - letters);
  }
  const std::size_t most = *std::max_element(hidden.begin(), hidden.end());
  Equation equation;
  for (std::size_t i = 0; i < terms.size(); ++i) equation.inputs.push_back(expanded(terms[i], hidden[i], most));
  if (arrow != std::string::npos) {
    equation.output = expanded(text.substr(arrow + 2), most, most);
    return equation;
  }
  // Without an output: the ellipsis, then every letter that appears once, in alphabetical order.
  std::map<char, int> uses;
  for (const std::string& term : equation.inputs) {
    for (const char c : term) ++uses[c];
  }
  for (const auto& [c, count] : uses) {
    if (c < 'A' || count == 1) equation.output += c;
  }
  return equation;
}

/// The size of every name. Axes of an ellipsis broadcast; others must agree.
std::map<char, Dim> sizes_of(const Equation& equation, const std::vector<Dims>& inputs) {
  std::map<char, Dim> sizes;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (std::size_t k = 0; k < inputs[i].size(); ++k) {
      const char name = equation.inputs[i][k];
      const auto [at, fresh] = sizes.emplace(name, inputs[i][k]);
      if (fresh) continue;
      const bool stretches = at->second == Dim(1) || inputs[i][k] == Dim(1);
      at->second =
          stretches ? (at->second == Dim(1) ? inputs[i][k] : at->second)
                    : merge(at->second, inputs[i][k], name < 'A' ? "sizes under the ellipsis" : std::string("the sizes of axis ") + name);
    }
  }
  std::string seen;
  for (const char c : equation.output) {
    if (!sizes.contains(c)) fail(std::string("the output names axis ") + (c < 'A' ? '?' : c) + ", which no input has");
    if (seen.find(c) != std::string::npos) fail("the output names an axis twice");
    seen += c;
  }
  return sizes;
}

Equation equation_of(const Attributes& attributes, const std::vector<Dims>& dims) {
  std::vector<std::size_t> ranks;
  for (const Dims& d : dims) ranks.push_back(d.size());
  return parse(attributes.get_string("equation", ""), ranks);
}

std::vector<TensorType> einsum_type(const TypeContext& c) {
  const DType dtype = input(c, 0, numbers, "Inputs").dtype;
  std::vector<Dims> dims;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    require_same_dtype(c, 0, i);
    if (!input(c, i).dims) return {TensorType(dtype)};
    dims.push_back(*c.inputs[i]->dims);
  }
  const Equation equation = equation_of(c.attributes, dims);
  const auto sizes = sizes_of(equation, dims);
  Dims out;
  for (const char name : equation.output) out.push_back(sizes.at(name));
  return {TensorType(dtype, out)};
}

/// Strides of an input over all names: an axis named twice is its diagonal, one it lacks or stretches does not move.
std::vector<std::int64_t> strides_over(const std::string& all, const std::string& term, const Shape& shape) {
  const auto own = shape.row_major_strides();
  std::vector<std::int64_t> strides(all.size());
  for (std::size_t k = 0; k < term.size(); ++k) {
    if (shape[k] != 1) strides[all.find(term[k])] += own[k];
  }
  return strides;
}

/// The sum over the names that the output lacks of the products of all inputs.
template <class C>
std::vector<C> summed(std::span<const Tensor> in, const Equation& equation, const std::string& all, const Shape& output,
                      const Shape& inner) {
  std::vector<std::vector<C>> values;
  std::vector<std::vector<std::int64_t>> strides;
  for (std::size_t i = 0; i < in.size(); ++i) {
    values.push_back(read<C>(in[i]));
    strides.push_back(strides_over(all, equation.inputs[i], in[i].shape()));
  }
  std::vector<C> out;
  out.reserve(static_cast<std::size_t>(output.size()));
  for_each_index(output, [&](std::span<const std::int64_t> place) {
    C sum{};
    for_each_index(inner, [&](std::span<const std::int64_t> term) {
      C product = 1;
      for (std::size_t i = 0; i < values.size(); ++i) {
        std::int64_t offset = 0;
        for (std::size_t k = 0; k < place.size(); ++k) offset += place[k] * strides[i][k];
        for (std::size_t k = 0; k < term.size(); ++k) offset += term[k] * strides[i][place.size() + k];
        product *= values[i][static_cast<std::size_t>(offset)];
      }
      sum += product;
    });
    out.push_back(sum);
  });
  return out;
}

std::vector<Tensor> einsum_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  std::vector<Dims> dims;
  for (const Tensor& t : in) dims.emplace_back(t.shape().begin(), t.shape().end());
  const Equation equation = equation_of(attributes, dims);
  std::string all = equation.output;
  std::vector<std::int64_t> outer, inner;
  const auto sizes = sizes_of(equation, dims);
  for (const char name : equation.output) outer.push_back(sizes.at(name).size);
  for (const auto& [name, size] : sizes) {
    if (equation.output.find(name) != std::string::npos) continue;
    all += name;
    inner.push_back(size.size);
  }
  const Shape output(outer);
  static_cast<void>(Tensor::empty(DType::f64, output));  // refuses what cannot be held
  if (is_floating(in[0].dtype())) return {write(in[0].dtype(), output, summed<double>(in, equation, all, output, Shape(inner)))};
  // Integers wrap, so their signs do not matter to sums and products.
  return {write(in[0].dtype(), output, summed<std::uint64_t>(in, equation, all, output, Shape(inner)))};
}

bool all_in(const std::string& names, const std::string& among) {
  return std::all_of(names.begin(), names.end(), [&](char c) { return among.find(c) != std::string::npos; });
}

bool distinct(std::string names) {
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

/// `v`, whose axes are `from`, under the axes `to`, which are the same in another order.
ValueRef permuted(LoweringContext& c, ValueRef v, const std::string& from, const std::string& to) {
  if (from == to) return v;
  const auto strides = c.shape(v).row_major_strides();
  std::vector<std::int64_t> dims, steps;
  for (const char name : to) {
    const std::size_t axis = from.find(name);
    dims.push_back(c.shape(v)[axis]);
    steps.push_back(strides[axis]);
  }
  const ValueRef out = c.temporary(c.dtype(v), Shape(dims));
  emit_view(c, v, 0, steps, out);
  return out;
}

/// Two inputs that share each summed axis are a stack of matrix products.
bool lower_einsum(LoweringContext& c) {
  if (c.input_count() != 2 || !inputs_are(c, {DType::f32, DType::f64})) return false;
  std::vector<Dims> dims;
  for (std::size_t i = 0; i < 2; ++i) dims.emplace_back(c.shape(c.input(i)).begin(), c.shape(c.input(i)).end());
  const Equation equation = equation_of(c.attributes(), dims);
  const std::string &a = equation.inputs[0], &b = equation.inputs[1];
  if (!distinct(a) || !distinct(b) || !all_in(equation.output, a + b)) return false;
  const auto sizes = sizes_of(equation, dims);
  std::string batch, rows, columns, inner;
  for (const auto& [name, size] : sizes) {
    const bool in_a = a.find(name) != std::string::npos, in_b = b.find(name) != std::string::npos;
    const bool in_out = equation.output.find(name) != std::string::npos;
    if ((in_a && dims[0][a.find(name)] != size) || (in_b && dims[1][b.find(name)] != size) || size.size == 0) return false;
    if (in_a && in_b)
      (in_out ? batch : inner) += name;
    else if (!in_out)
      return false;
    else
      (in_a ? rows : columns) += name;
  }
  // In the order of the output, so that it needs no other.
  const auto by_output = [&](std::string& names) {
    std::sort(names.begin(), names.end(), [&](char x, char y) { return equation.output.find(x) < equation.output.find(y); });
  };
  by_output(batch);
  by_output(rows);
  by_output(columns);
  const auto count = [&](const std::string& names) {
    std::int64_t n = 1;
    for (const char name : names) n *= sizes.at(name).size;
    return n;
  };
  const ValueRef left = c.reshape(permuted(c, c.input(0), a, batch + rows + inner), Shape{count(batch), count(rows), count(inner)});
  const ValueRef right = c.reshape(permuted(c, c.input(1), b, batch + inner + columns), Shape{count(batch), count(inner), count(columns)});
  const ValueRef product = c.temporary(c.dtype(left), Shape{count(batch), count(rows), count(columns)});
  c.emit(primitive::Matmul{}, {left, right}, product);
  const std::string made = batch + rows + columns;
  std::vector<std::int64_t> made_dims;
  for (const char name : made) made_dims.push_back(sizes.at(name).size);
  c.alias(permuted(c, c.reshape(product, Shape(made_dims)), made, equation.output), c.output(0));
  return true;
}

}  // namespace

void add_einsum(OperatorRegistry& registry) {
  registry.add(
      onnx("Einsum", {12}, schema({"Inputs..."}, {"Output"}, {required(text("equation"))}), einsum_type, einsum_kernel, lower_einsum));
}

}  // namespace lazyfx::ops
