#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <string>

#include "kernels/block_functions.hpp"
#include "kernels/families.hpp"
#include "kernels/placement.hpp"
#include "kernels/scalar_math.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels {
namespace {

using Slot = std::uint32_t;

/// A block function with the slots it reads and writes. Slots hold one block of elements each.
struct Step {
  BlockFunction run = nullptr;
  Slot a = 0, b = 0, c = 0, out = 0;
};

/// The program with its registers placed in slots: operands first, then constants, then the output, then temporaries.
struct Plan {
  std::vector<Step> steps;
  std::vector<ScalarProgram::Constant> constants;
  Slot output = 0;
  Slot slots = 0;
  std::size_t widest = 1;  ///< bytes of the largest element

  Slot first_temporary() const { return output + 1; }
};

class Planner {
 public:
  explicit Planner(const ScalarProgram& program) : program_(program) {
    registers_.reserve(program.inputs.size() + program.constants.size() + program.code.size());
    for (const DType d : program.inputs) define(d, next_++);
    for (const auto& c : program.constants) define(c.dtype, next_++);
    plan_.constants = program.constants;
    plan_.output = next_++;
  }

  Plan make() && {
    if (program_.code.empty()) throw Error(ErrorKind::invalid_argument, "an elementwise program has no instruction");
    plan_.steps.reserve(program_.code.size());
    for (std::size_t i = 0; i < program_.code.size(); ++i) translate(program_.code[i], i + 1 == program_.code.size());
    share_temporaries();
    return std::move(plan_);
  }

 private:
  struct Register {
    DType dtype;
    Slot slot;
    Slot as_float;  ///< slot of its value in f32, for f16 and bf16; 0 is none (slot 0 is an operand or the output, never a conversion)
  };

  void define(DType dtype, Slot slot) {
    if (dtype == DType::string) refuse_dtype("elementwise", dtype);
    plan_.widest = std::max(plan_.widest, size_of(dtype));
    registers_.push_back({dtype, slot, 0});
  }

  static bool is_half(DType d) { return d == DType::f16 || d == DType::bf16; }

  Slot float_of(std::uint16_t r) {
    Register& reg = registers_[r];
    if (!is_half(reg.dtype)) return reg.slot;
    if (reg.as_float == 0) {
      reg.as_float = next_++;
      plan_.widest = std::max(plan_.widest, sizeof(float));
      plan_.steps.push_back({cast_function(reg.dtype, DType::f32), reg.slot, reg.slot, reg.slot, reg.as_float});
    }
    return reg.as_float;
  }

  void translate(const ScalarProgram::Instruction& in, bool last) {
    const std::size_t operands = operand_count(in.op);
    const std::uint16_t a = in.a, b = operands > 1 ? in.b : in.a, c = operands > 2 ? in.c : in.a;
    if (std::max({a, b, c}) >= registers_.size()) {
      throw Error(ErrorKind::invalid_argument, std::string("an elementwise program reads an undefined register in ") + to_string(in.op));
    }
    const bool selects = in.op == ScalarOp::select;
    const DType operand = registers_[selects ? b : a].dtype;
    const DType expected = in.op == ScalarOp::cast ? in.dtype : gives_boolean(in.op) ? DType::boolean : operand;
    const bool same = selects ? registers_[a].dtype == DType::boolean && registers_[c].dtype == operand
                              : registers_[b].dtype == operand && registers_[c].dtype == operand;
    if (!same || in.dtype != expected) {
      throw Error(ErrorKind::invalid_argument,
                  std::string("an elementwise program mixes dtypes in ") + to_string(in.op) + " of " + to_string(operand));
    }
    const Slot out = last ? plan_.output : next_++;
    if (in.op == ScalarOp::cast) {
      push(cast_function(operand, in.dtype), in.op, operand, a, b, c, out);
    } else if (is_half(operand) && (in.op == ScalarOp::copy || selects)) {
      push(plain_function(in.op, DType::u16), in.op, operand, a, b, c, out);
    } else if (is_half(operand)) {
      translate_half(in, operand, a, b, c, out);
    } else {
      BlockFunction f = operand == DType::f32 ? vector_function(in.op) : nullptr;
      if (f == nullptr) f = plain_function(in.op, operand);
      push(f, in.op, operand, a, b, c, out);
    }
    define(in.dtype, out);
  }

  // Computed in f32 and rounded to the dtype after every instruction.
  void translate_half(const ScalarProgram::Instruction& in, DType operand, std::uint16_t a, std::uint16_t b, std::uint16_t c, Slot out) {
    BlockFunction f = vector_function(in.op);
    if (f == nullptr) f = plain_function(in.op, DType::f32);
    if (f == nullptr) refuse_dtype(to_string(in.op), operand);
    const Slot x = float_of(a), y = float_of(b), z = float_of(c);
    if (gives_boolean(in.op)) {
      plan_.steps.push_back({f, x, y, z, out});
      return;
    }
    const Slot wide = next_++;
    plan_.steps.push_back({f, x, y, z, wide});
    plan_.steps.push_back({cast_function(DType::f32, operand), wide, wide, wide, out});
  }

  void push(BlockFunction f, ScalarOp op, DType operand, std::uint16_t a, std::uint16_t b, std::uint16_t c, Slot out) {
    if (f == nullptr) refuse_dtype(to_string(op), operand);
    plan_.steps.push_back({f, registers_[a].slot, registers_[b].slot, registers_[c].slot, out});
  }

  // Gives temporaries whose lives do not overlap the same slot, so that the blocks in use stay in the first-level cache.
  void share_temporaries() {
    const Slot first = plan_.first_temporary();
    const Slot count = next_ - first;
    plan_.slots = next_;
    if (count == 0) return;
    std::vector<std::uint32_t> last_use(count, 0);
    std::vector<Slot> placed(count, 0), free;
    for (std::uint32_t i = 0; i < plan_.steps.size(); ++i) {
      for (const Slot s : {plan_.steps[i].a, plan_.steps[i].b, plan_.steps[i].c, plan_.steps[i].out}) {
        if (s >= first) last_use[s - first] = i;
      }
    }
    Slot used = first;
    for (std::uint32_t i = 0; i < plan_.steps.size(); ++i) {
      Step& step = plan_.steps[i];
      const std::array<Slot, 3> reads{step.a, step.b, step.c};
      const Slot writes = step.out;
      if (writes >= first) {
        if (free.empty()) {
          placed[writes - first] = used++;
        } else {
          placed[writes - first] = free.back();
          free.pop_back();
        }
        step.out = placed[writes - first];
      }
      for (Slot* s : {&step.a, &step.b, &step.c}) {
        if (*s >= first) *s = placed[*s - first];
      }
      // Freed only after the result was placed: a result never shares with what it is computed from, whose elements may be wider.
      for (std::size_t k = 0; k < reads.size(); ++k) {
        const bool repeated = std::find(reads.begin(), reads.begin() + static_cast<std::ptrdiff_t>(k), reads[k]) !=
                              reads.begin() + static_cast<std::ptrdiff_t>(k);
        if (reads[k] >= first && !repeated && last_use[reads[k] - first] == i) free.push_back(placed[reads[k] - first]);
      }
      if (writes >= first && last_use[writes - first] == i) free.push_back(step.out);
    }
    plan_.slots = used;
  }

  const ScalarProgram& program_;
  Plan plan_;
  std::vector<Register> registers_;
  Slot next_ = 0;
};

template <class T>
void fill(void* out, const void* value, std::int64_t n) {
  T v;
  std::memcpy(&v, value, sizeof v);
  std::fill_n(static_cast<T*>(out), n, v);
}

void fill(void* out, const void* value, std::int64_t n, std::size_t width) {
  switch (width) {
    case 1: return fill<std::uint8_t>(out, value, n);
    case 2: return fill<std::uint16_t>(out, value, n);
    case 4: return fill<std::uint32_t>(out, value, n);
    default: return fill<std::uint64_t>(out, value, n);
  }
}

template <class T>
void take(void* out_, const void* in_, std::int64_t stride, std::int64_t n) {
  auto* out = static_cast<T*>(out_);
  const auto* in = static_cast<const T*>(in_);
  for (std::int64_t i = 0; i < n; ++i) out[i] = in[i * stride];
}

void take(void* out, const void* in, std::int64_t stride, std::int64_t n, std::size_t width) {
  switch (width) {
    case 1: return take<std::uint8_t>(out, in, stride, n);
    case 2: return take<std::uint16_t>(out, in, stride, n);
    case 4: return take<std::uint32_t>(out, in, stride, n);
    default: return take<std::uint64_t>(out, in, stride, n);
  }
}

// Repeats the first `bytes` of `out` until `total` bytes are full.
void repeat(std::byte* out, std::size_t bytes, std::size_t total) {
  for (std::size_t done = bytes; done < total;) {
    const std::size_t n = std::min(done, total - done);
    std::memcpy(out + done, out, n);
    done += n;
  }
}

class ElementwiseKernel final : public Kernel {
 public:
  ElementwiseKernel(const ScalarProgram& body, std::span<const Operand> inputs, const Operand& output)
      : plan_(Planner(body).make()), out_width_(size_of(output.dtype)) {
    std::array<Strides, 16> few{};
    std::vector<Strides> many;
    std::span<Strides> strides(few.data(), std::min(inputs.size(), few.size()));
    if (inputs.size() > few.size()) {
      many.resize(inputs.size());
      strides = many;
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) strides[i] = broadcast_strides(inputs[i], output.shape);
    nest_ = collapse(output.shape, memory_order(output.layout, output.shape.rank()), strides);
    choose_block();
    place(inputs);
  }

  std::size_t scratch_bytes() const override { return table_bytes() + (plan_.slots - buffers_start_) * slot_bytes(); }

  bool in_place(std::size_t i) const override {
    return i < operands_.size() && operands_[i].way == Way::dense && operands_[i].whole && operands_[i].width == out_width_;
  }

  std::string describe() const override {
    return std::string("elementwise ") + isa_name() + " " + std::to_string(plan_.steps.size()) + " steps";
  }

  void run(const void* const* inputs, void* output, void* scratch) const override {
    if (nest_.size() == 0) return;
    auto** const address = static_cast<std::byte**>(scratch);
    auto* const buffers = static_cast<std::byte*>(scratch) + table_bytes();
    for (Slot s = buffers_start_; s < plan_.slots; ++s) address[s] = buffers + (s - buffers_start_) * slot_bytes();
    const std::int64_t capacity = rows_ * row_;
    for (std::size_t i = 0; i < operands_.size(); ++i) {
      const auto* in = static_cast<const std::byte*>(inputs[i]);
      if (operands_[i].way == Way::fixed) expand(address[i], in, operands_[i], i, split_, rows_);
    }
    for (std::size_t i = 0; i < plan_.constants.size(); ++i) fill_constant(address[operands_.size() + i], plan_.constants[i], capacity);

    std::array<std::int64_t, Shape::max_rank> index{};
    auto* out = static_cast<std::byte*>(output);
    for (;;) {
      for (std::int64_t start = 0; start < nest_.extent[split_]; start += rows_) {
        const std::int64_t rows = std::min(rows_, nest_.extent[split_] - start);
        for (const std::uint32_t i : moving_) {
          const Input& operand = operands_[i];
          std::int64_t offset = start * nest_.strides[i][split_];
          for (std::size_t axis = 0; axis < split_; ++axis) offset += index[axis] * nest_.strides[i][axis];
          const auto* in = static_cast<const std::byte*>(inputs[i]) + offset * static_cast<std::int64_t>(operand.width);
          if (operand.way == Way::dense) {
            address[i] = const_cast<std::byte*>(in);  // steps only read operands
          } else {
            expand(address[i], in, operand, i, split_, rows);
          }
        }
        const auto n = static_cast<std::size_t>(rows * row_);
        address[plan_.output] = out;
        for (const Step& s : plan_.steps) s.run(address[s.a], address[s.b], address[s.c], address[s.out], n);
        out += n * out_width_;
      }
      std::size_t axis = split_;
      for (;;) {
        if (axis == 0) return;
        --axis;
        if (++index[axis] < nest_.extent[axis]) break;
        index[axis] = 0;
      }
    }
  }

 private:
  enum class Way : std::uint8_t {
    unused,
    dense,    ///< read where it is
    fixed,    ///< the same in every block: expanded once per run
    expanded  ///< expanded for every block
  };
  struct Input {
    Way way = Way::unused;
    bool whole = false;  ///< dense over all loops, as the output is
    std::size_t width = 0;
  };

  // A block is `rows_` steps of loop `split_` times everything inside it (`row_` elements), and about as large as keeps all slots in L1.
  void choose_block() {
    const std::size_t live = std::max<std::size_t>(plan_.slots, 1) * plan_.widest;
    const auto target = static_cast<std::int64_t>(std::clamp<std::size_t>(24576 / live / 64 * 64, 256, 1024));
    split_ = nest_.rank - 1;
    row_ = 1;
    while (split_ > 0 && nest_.extent[split_] != 0 && row_ * nest_.extent[split_] <= target) row_ *= nest_.extent[split_--];
    const std::int64_t extent = std::max<std::int64_t>(nest_.extent[split_], 1);
    const std::int64_t chunks = (extent * row_ + target - 1) / target;
    rows_ = (extent + chunks - 1) / chunks;
    if (row_ == 1 && rows_ < extent) rows_ = std::min(extent, (rows_ + 15) / 16 * 16);  // blocks that begin on whole vectors
  }

  void place(std::span<const Operand> inputs) {
    operands_.resize(inputs.size());
    std::vector<bool> read(plan_.slots, false);
    for (const Step& s : plan_.steps) read[s.a] = read[s.b] = read[s.c] = true;
    bool buffered = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Input& operand = operands_[i];
      operand.width = size_of(inputs[i].dtype);
      if (!read[i]) continue;
      const Strides& stride = nest_.strides[i];
      std::int64_t dense = 1;
      bool dense_inside = true, whole = true, still = true;
      for (std::size_t axis = nest_.rank; axis-- > 0;) {
        if (nest_.extent[axis] > 1 && stride[axis] != dense) {
          whole = false;
          if (axis >= split_) dense_inside = false;
        }
        if (axis <= split_ && stride[axis] != 0 && (axis < split_ || rows_ < nest_.extent[axis])) still = false;
        dense *= nest_.extent[axis];
      }
      operand.whole = whole;
      operand.way = dense_inside ? Way::dense : still ? Way::fixed : Way::expanded;
      buffered = buffered || operand.way == Way::fixed || operand.way == Way::expanded;
      if (operand.way != Way::fixed) moving_.push_back(static_cast<std::uint32_t>(i));
    }
    // Without expanded operands and constants, only temporaries need a buffer.
    buffers_start_ = buffered ? 0 : plan_.constants.empty() ? plan_.first_temporary() : static_cast<Slot>(inputs.size());
  }

  std::size_t table_bytes() const { return (plan_.slots * sizeof(std::byte*) + 63) / 64 * 64; }
  std::size_t slot_bytes() const { return (static_cast<std::size_t>(rows_ * row_) * plan_.widest + 63) / 64 * 64; }

  void expand(std::byte* out, const std::byte* in, const Input& operand, std::size_t i, std::size_t axis, std::int64_t extent) const {
    const std::int64_t stride = nest_.strides[i][axis];
    if (axis + 1 == nest_.rank) {
      if (stride == 0) return fill(out, in, extent, operand.width);
      return take(out, in, stride, extent, operand.width);
    }
    std::size_t bytes = operand.width;
    for (std::size_t k = axis + 1; k < nest_.rank; ++k) bytes *= static_cast<std::size_t>(nest_.extent[k]);
    if (stride == 0) {
      expand(out, in, operand, i, axis + 1, nest_.extent[axis + 1]);
      return repeat(out, bytes, bytes * static_cast<std::size_t>(extent));
    }
    for (std::int64_t k = 0; k < extent; ++k) {
      expand(out + static_cast<std::size_t>(k) * bytes, in + k * stride * static_cast<std::int64_t>(operand.width), operand, i, axis + 1,
             nest_.extent[axis + 1]);
    }
  }

  static void fill_constant(void* out, const ScalarProgram::Constant& constant, std::int64_t n) {
    visit_dtype(constant.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      if constexpr (!std::is_same_v<T, std::string>) {
        T value;
        if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
          value = T(static_cast<float>(constant.real));
        } else if constexpr (std::is_floating_point_v<T>) {
          value = static_cast<T>(constant.real);
        } else {
          value = static_cast<T>(constant.integer);
        }
        std::fill_n(static_cast<T*>(out), n, value);
      }
    });
  }

  Plan plan_;
  std::size_t out_width_;
  LoopNest nest_;
  std::size_t split_ = 0;
  std::int64_t rows_ = 1, row_ = 1;
  std::vector<Input> operands_;
  std::vector<std::uint32_t> moving_;  ///< operands whose address changes from block to block
  Slot buffers_start_ = 0;             ///< slots from here on have a buffer in scratch
};

}  // namespace

std::unique_ptr<Kernel> make_elementwise(const ScalarProgram& body, std::span<const Operand> inputs, const Operand& output) {
  if (inputs.size() != body.inputs.size()) {
    throw Error(ErrorKind::invalid_argument,
                "an elementwise program of " + std::to_string(body.inputs.size()) + " operands was given " + std::to_string(inputs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype != body.inputs[i])
      throw Error(ErrorKind::invalid_argument, "an elementwise operand has another dtype than its program says");
  }
  if (!body.code.empty() && body.code.back().dtype != output.dtype) {
    throw Error(ErrorKind::invalid_argument, "an elementwise program gives another dtype than its output has");
  }
  return std::make_unique<ElementwiseKernel>(body, inputs, output);
}

}  // namespace lazyfx::kernels
