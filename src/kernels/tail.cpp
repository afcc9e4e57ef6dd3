#include "kernels/tail.hpp"

#include <cmath>
#include <limits>

namespace lazyfx::kernels {
namespace {

using Op = Tail::Op;
using Register = std::uint16_t;

bool near(float a, double b) { return std::abs(static_cast<double>(a) - b) <= 1e-5 * std::abs(b); }

/// Reads the program backwards from its result, keeping a list of steps that leads there from register 0.
class Matcher {
 public:
  explicit Matcher(const ScalarProgram& program) : p_(program) {}

  std::optional<Tail> match() {
    for (const DType d : p_.inputs) {
      if (d != DType::f32) return std::nullopt;
    }
    // Programs are short, and every pattern looks at a handful of registers: no need for more than a bounded search.
    if (p_.code.empty() || p_.code.size() > 16 || p_.code.back().dtype != DType::f32) return std::nullopt;
    if (!follow(static_cast<Register>(first_instruction() + p_.code.size() - 1))) return std::nullopt;
    if (tail_.steps.size() > 8) return std::nullopt;
    return std::move(tail_);
  }

 private:
  std::size_t first_instruction() const { return p_.inputs.size() + p_.constants.size(); }
  const ScalarProgram::Instruction* instruction(Register r) const {
    return r < first_instruction() ? nullptr : &p_.code[r - first_instruction()];
  }
  const ScalarProgram::Instruction* is(Register r, ScalarOp op) const {
    const auto* i = instruction(r);
    return i != nullptr && i->op == op ? i : nullptr;
  }
  bool is_operand(Register r) const { return r > 0 && r < p_.inputs.size(); }
  std::optional<float> constant(Register r) const {
    if (r < p_.inputs.size() || r >= first_instruction()) return std::nullopt;
    const auto& c = p_.constants[r - p_.inputs.size()];
    if (c.dtype != DType::f32) return std::nullopt;
    return static_cast<float>(c.real);
  }

  /// A register as a * x + b of another one, x being whatever is not of that form.
  struct Affine {
    Register x;
    double a = 1, b = 0;
  };
  Affine affine(Register r) const {
    const auto* i = instruction(r);
    if (i == nullptr) return {r};
    const auto ca = constant(i->a), cb = constant(i->b), cc = constant(i->c);
    const auto scaled = [this](Register x, double a, double b) {
      Affine f = affine(x);
      return Affine{f.x, f.a * a, f.b * a + b};
    };
    switch (i->op) {
      case ScalarOp::copy: return scaled(i->a, 1, 0);
      case ScalarOp::neg: return scaled(i->a, -1, 0);
      case ScalarOp::add: return cb ? scaled(i->a, 1, *cb) : ca ? scaled(i->b, 1, *ca) : Affine{r};
      case ScalarOp::sub: return cb ? scaled(i->a, 1, -*cb) : ca ? scaled(i->b, -1, *ca) : Affine{r};
      case ScalarOp::mul: return cb ? scaled(i->a, *cb, 0) : ca ? scaled(i->b, *ca, 0) : Affine{r};
      case ScalarOp::div: return cb && *cb != 0 ? scaled(i->a, 1.0 / *cb, 0) : Affine{r};
      case ScalarOp::multiply_add: return cb && cc ? scaled(i->a, *cb, *cc) : ca && cc ? scaled(i->b, *ca, *cc) : Affine{r};
      default: return {r};
    }
  }

  void append(Op op, double alpha = 0, double beta = 0) {
    tail_.steps.push_back({op, static_cast<float>(alpha), static_cast<float>(beta), 0});
  }

  bool linear(double a, double b) {
    if (!tail_.steps.empty() && tail_.steps.back().op == Op::linear) {
      const auto last = tail_.steps.back();
      tail_.steps.pop_back();
      return linear(last.alpha * a, last.beta * a + b);
    }
    if (std::abs(a - 1) > 1e-6 || b != 0) append(Op::linear, a, b);
    return true;
  }

  bool follow(Register r) {
    if (r == 0) return true;
    const auto* i = instruction(r);
    if (i == nullptr || i->dtype != DType::f32) return false;
    if (const Affine f = affine(r); f.x != r) return follow(f.x) && linear(f.a, f.b);
    const auto cb = constant(i->b), cc = constant(i->c);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    switch (i->op) {
      case ScalarOp::abs: return simple(i->a, Op::abs);
      case ScalarOp::sqrt: return simple(i->a, Op::sqrt);
      case ScalarOp::exp: return simple(i->a, Op::exp);
      case ScalarOp::tanh: return simple(i->a, Op::tanh);
      case ScalarOp::sigmoid: return simple(i->a, Op::sigmoid);
      case ScalarOp::max: {
        const bool swapped = constant(i->a).has_value();
        const auto bound = swapped ? constant(i->a) : cb;
        if (!bound || !follow(swapped ? i->b : i->a)) return false;
        *bound == 0 ? append(Op::relu) : append(Op::clip, *bound, infinity);
        return true;
      }
      case ScalarOp::min: {
        const bool swapped = constant(i->a).has_value();
        const auto bound = swapped ? constant(i->a) : cb;
        if (!bound || !follow(swapped ? i->b : i->a)) return false;
        const bool bounded = !tail_.steps.empty() && tail_.steps.back().op == Op::relu && tail_.steps.back().alpha == 0 && *bound > 0;
        if (bounded) tail_.steps.pop_back();
        append(Op::clip, bounded ? 0 : -infinity, *bound);
        return true;
      }
      case ScalarOp::clip:
        if (!cb || !cc || *cb > *cc || !follow(i->a)) return false;
        append(Op::clip, *cb, *cc);
        return true;
      case ScalarOp::prelu:
        if (!cb || !follow(i->a)) return false;
        append(Op::relu, *cb);
        return true;
      case ScalarOp::select: return elu(*i);
      case ScalarOp::mul:
        return product(i->a, i->b) || product(i->b, i->a) || combined(i->a, i->b, Op::mul) || combined(i->b, i->a, Op::mul);
      case ScalarOp::add: return combined(i->a, i->b, Op::add) || combined(i->b, i->a, Op::add);
      case ScalarOp::sub: return combined(i->a, i->b, Op::sub);
      default: return false;
    }
  }

  bool simple(Register x, Op op) {
    if (!follow(x)) return false;
    append(op);
    return true;
  }

  bool combined(Register x, Register operand, Op op) {
    if (!is_operand(operand)) return false;
    const std::size_t before = tail_.steps.size();
    if (!follow(x)) {
      tail_.steps.resize(before);
      return false;
    }
    tail_.steps.push_back({op, 1, 0, static_cast<std::size_t>(operand - 1)});
    return true;
  }

  /// x times something made of x.
  bool product(Register left, Register right) {
    const Affine x = affine(left), y = affine(right);
    if (x.b != 0) return false;
    if (y.b == 0) {
      if (const auto* s = is(y.x, ScalarOp::sigmoid)) {
        const Affine inside = affine(s->a);
        if (inside.x == x.x && inside.b == 0) return found(x.x, Op::swish, inside.a, x.a * y.a);
      }
      if (const auto* c = is(y.x, ScalarOp::clip)) {
        const auto low = constant(c->b), high = constant(c->c);
        const Affine inside = affine(c->a);
        // clip(a x + a/2 * 6 ...): the ramp from -3 to 3, of any height.
        if (low && high && *low == 0 && *high > 0 && inside.x == x.x && near(static_cast<float>(inside.a), *high / 6.0) &&
            near(static_cast<float>(inside.b), *high / 2.0)) {
          return found(x.x, Op::hard_swish, 0, x.a * y.a * *high);
        }
      }
      if (y.x == x.x && x.a == 1 && y.a == 1) return found(x.x, Op::square, 0, 1);
    }
    if (const auto* e = is(y.x, ScalarOp::erf); e != nullptr && near(static_cast<float>(y.b), y.a)) {
      const Affine inside = affine(e->a);
      if (inside.x == x.x && inside.b == 0 && near(static_cast<float>(inside.a), std::sqrt(0.5))) {
        return found(x.x, Op::gelu, 0, 2 * x.a * y.a);
      }
    }
    return false;
  }

  bool found(Register x, Op op, double alpha, double factor) {
    const std::size_t before = tail_.steps.size();
    if (!follow(x)) {
      tail_.steps.resize(before);
      return false;
    }
    append(op, alpha);
    return linear(factor, 0);
  }

  /// select(x < 0, alpha * (exp(x) - 1), x)
  bool elu(const ScalarProgram::Instruction& s) {
    const auto* less = is(s.a, ScalarOp::less);
    if (less == nullptr || less->a != s.c || constant(less->b) != 0.0f) return false;
    const Affine y = affine(s.b);
    const auto* e = is(y.x, ScalarOp::exp);
    if (e == nullptr || e->a != s.c || !near(static_cast<float>(y.b), -y.a) || !follow(s.c)) return false;
    append(Op::elu, y.a);
    return true;
  }

  const ScalarProgram& p_;
  Tail tail_;
};

}  // namespace

std::optional<Tail> match_tail(const ScalarProgram& body) { return Matcher(body).match(); }

std::optional<TailPlace> place_of(const Operand& operand, const Operand& output) {
  const std::size_t rank = output.shape.rank(), own = operand.shape.rank();
  if (operand.dtype != DType::f32 || rank < 2 || own > rank) return std::nullopt;
  if (operand.shape == output.shape && operand.layout == output.layout) return TailPlace::like_output;
  if (operand.shape.size() == 1) return TailPlace::single;
  const bool per_channel = own + 1 >= rank && operand.shape[own + 1 - rank] == output.shape[1] && operand.shape.size() == output.shape[1];
  return per_channel ? std::optional(TailPlace::per_channel) : std::nullopt;
}

bool repeats_with_other_numbers(const Tail& tail) {
  for (std::size_t i = 0; i < tail.steps.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const Tail::Step &a = tail.steps[i], &b = tail.steps[j];
      if (a.op == b.op && !a.binary() && (a.alpha != b.alpha || a.beta != b.beta)) return true;
    }
  }
  return false;
}

}  // namespace lazyfx::kernels
