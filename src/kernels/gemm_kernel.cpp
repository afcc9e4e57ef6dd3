#include "kernels/gemm_kernel.hpp"

#include <array>
#include <string>

#include "kernels/gemm.hpp"

namespace lazyfx::kernels {
namespace {

class GemmKernel final : public Kernel {
 public:
  GemmKernel(GemmPlan plan, const Tensor& b, Packing* packing) : p_(std::move(plan)), inputs_(p_.has_addend ? 3 : 2) {
    p_.merge_batches();
    const std::int64_t panel = gemm().panel;
    if (b.defined() && p_.b_is_shared()) {
      const Tensor rows = b.contiguous();
      packed_bytes_ = packed_floats(p_.k, p_.n) * sizeof(float);
      const auto scale = static_cast<float>(p_.alpha);
      packed_ =
          pack_constant(packing, b, order_of("panels", panel, p_.k, p_.n, p_.b_row, p_.b_column, scale), packed_bytes_, [&](std::byte* to) {
            pack_panels(static_cast<const float*>(rows.raw()), p_.b_row, p_.b_column, p_.k, p_.n, scale, reinterpret_cast<float*>(to));
          });
      p_.alpha = 1;
    } else if (p_.b_column == 1 && p_.m <= reads_in_place) {
      b_scratch_ = p_.n % panel == 0 ? 0 : static_cast<std::size_t>(p_.k * panel);
    } else {
      b_scratch_ = packed_floats(p_.k, p_.n);
    }
    a_scratch_ = p_.a_column == 1 ? 0 : static_cast<std::size_t>((p_.m * p_.k + 15) / 16 * 16);
    b_scratch_ = (b_scratch_ + 15) / 16 * 16;
  }

  std::string describe() const override {
    return std::string("gemm ") + isa_name() + " " + std::to_string(p_.m) + "x" + std::to_string(p_.k) + "x" + std::to_string(p_.n);
  }
  bool packs(std::size_t i) const override { return i == 1 && packed_ != nullptr; }
  std::size_t resident_bytes() const override { return packed_bytes_; }
  std::size_t scratch_bytes() const override { return (a_scratch_ + b_scratch_) * sizeof(float); }

  void run(const void* const* inputs, void* output, void* scratch) const override {
    std::array<GemmStep, GemmPlan::most_steps> steps;
    GemmArguments g;
    g.m = p_.m;
    g.n = p_.n;
    g.k = p_.k;
    g.c_row = p_.n;
    g.steps = steps.data();
    auto* const a_copy = static_cast<float*>(scratch);
    auto* const b_copy = a_copy + a_scratch_;
    const float* packed_from = nullptr;
    for_each_outer(p_.batch, 0, [&](const std::int64_t* o) {
      g.step_count = fill_steps(steps, inputs, o);
      g.simplify();
      place_a(g, static_cast<const float*>(inputs[0]) + o[0], a_copy);
      const float* b = packed_ ? nullptr : static_cast<const float*>(inputs[1]) + o[1];
      if (packed_ || b != packed_from) place_b(g, b, b_copy);
      packed_from = b;
      g.c = static_cast<float*>(output) + o[3];
      gemm().run(g);
    });
  }

 private:
  // Up to this many rows, packing b would cost more than it saves.
  static constexpr std::int64_t reads_in_place = 24;

  void place_a(GemmArguments& g, const float* a, float* copy) const {
    g.a = a;
    g.a_row = p_.a_row;
    if (a_scratch_ == 0) return;
    for (std::int64_t i = 0; i < p_.m; ++i) {
      for (std::int64_t k = 0; k < p_.k; ++k) copy[i * p_.k + k] = a[i * p_.a_row + k * p_.a_column];
    }
    g.a = copy;
    g.a_row = p_.k;
  }

  void place_b(GemmArguments& g, const float* b, float* copy) const {
    const std::int64_t panel = gemm().panel;
    g.b_last = nullptr;
    if (packed_ || !(p_.b_column == 1 && p_.m <= reads_in_place)) {
      if (!packed_) pack_panels(b, p_.b_row, p_.b_column, p_.k, p_.n, 1, copy);
      g.b = packed_ ? reinterpret_cast<const float*>(packed_.get()) : copy;
      g.b_row = panel;
      g.b_panel = panel * p_.k;
      return;
    }
    g.b = b;
    g.b_row = p_.b_row;
    g.b_panel = panel;
    const std::int64_t rest = p_.n % panel;
    if (rest != 0) {
      pack_panels(b + p_.n - rest, p_.b_row, 1, p_.k, rest, 1, copy);
      g.b_last = copy;
    }
  }

  std::size_t fill_steps(std::array<GemmStep, GemmPlan::most_steps>& steps, const void* const* inputs, const std::int64_t* offsets) const {
    std::size_t n = 0;
    if (p_.alpha != 1) steps[n++] = {Tail::Op::linear, static_cast<float>(p_.alpha), 0};
    if (p_.has_addend) {
      steps[n++] = {Tail::Op::add, static_cast<float>(p_.beta), 0, static_cast<const float*>(inputs[2]) + offsets[2], p_.c_row,
                    p_.c_column};
    }
    for (const Tail::Step& s : p_.tail.steps) {
      steps[n] = {s.op, s.alpha, s.beta};
      if (s.binary()) {
        steps[n].operand = static_cast<const float*>(inputs[inputs_ + s.operand]) + offsets[4 + s.operand];
        steps[n].row = p_.tail_operands[s.operand].row;
        steps[n].column = p_.tail_operands[s.operand].column;
      }
      ++n;
    }
    return n;
  }

  GemmPlan p_;
  std::size_t inputs_;
  Packed packed_;
  std::size_t packed_bytes_ = 0, a_scratch_ = 0, b_scratch_ = 0;
};

}  // namespace

void GemmPlan::merge_batches() {
  if (batch.rank != 1 || batch.extent[0] <= 1 || batch.strides[1][0] != 0 || a_column != 1 || a_row != k) return;
  const std::int64_t count = batch.extent[0];
  if (batch.strides[0][0] != m * k || batch.strides[3][0] != m * n) return;
  const auto joins = [&](std::int64_t step, std::int64_t row) { return step == row * m; };
  if (has_addend && !joins(batch.strides[2][0], c_row)) return;
  for (std::size_t i = 0; i < tail_operands.size(); ++i) {
    if (!joins(batch.strides[4 + i][0], tail_operands[i].row)) return;
  }
  m *= count;
  batch.extent[0] = 1;
  for (Strides& s : batch.strides) s[0] = 0;
}

std::unique_ptr<Kernel> make_gemm_kernel(GemmPlan plan, const Tensor& b, Packing* packing) {
  return std::make_unique<GemmKernel>(std::move(plan), b, packing);
}

}  // namespace lazyfx::kernels
