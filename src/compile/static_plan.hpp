#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "compile/plan.hpp"
#include "compile/typed_graph.hpp"
#include "kernels/kernel.hpp"

namespace lazyfx::compile {

/// A plan in which every shape is known: kernels in order, each operand at a place fixed beforehand.
class StaticPlan final : public Plan {
 public:
  StaticPlan(std::shared_ptr<const Interface> interface, const Signature& signature) : Plan(signature), interface_(std::move(interface)) {}

  Value run(std::span<const Value> inputs, const StopToken& stop, const Callees* callees) const override;
  std::size_t step_count() const noexcept override { return steps_.size(); }
  std::size_t arena_bytes() const noexcept override { return arena_bytes_; }

 private:
  /// Where an operand lies during a run. `slot`: a tensor that the run makes, since it leaves the run or meets a user's code.
  struct Place {
    enum class Kind : std::uint8_t { nothing, arena, slot, input, constant };
    Kind kind = Kind::nothing;
    std::size_t at = 0;  ///< offset, or index
  };
  /// Of an operand: shape and dtype.
  struct View {
    DType dtype;
    Shape shape;
  };
  /// What a reference kernel is called with.
  struct Reference {
    TypedGraph::Reference work;
    std::vector<View> operands;  ///< inputs, then outputs
  };
  struct Step {
    std::shared_ptr<const kernels::Kernel> kernel;  ///< null: a reference kernel
    std::unique_ptr<const Reference> reference;
    std::uint32_t node = 0;
    std::uint32_t first_place = 0, input_count = 0, output_count = 0;  ///< in places_: inputs, then outputs
    std::size_t scratch = 0;                                           ///< offset
    std::vector<std::uint32_t> dying_slots;
  };
  struct Frame;

  void run_reference_step(const Step& step, Frame& frame) const;
  [[noreturn]] void rethrow(const Step& step) const;

  std::shared_ptr<const Interface> interface_;
  std::vector<Step> steps_;
  std::vector<Place> places_;
  std::vector<Tensor> constants_;
  std::vector<View> slots_;            ///< shape of each slot's tensor
  struct Leaf {
    Place place;
    std::int32_t input = -1;  ///< the caller's own value, whatever it is, where a placeholder is returned as it came
    std::int32_t shape = -1;  ///< in reshapes_, where it is not that of the tensor at the place
  };
  std::vector<Leaf> leaves_;           ///< of the result
  std::vector<Shape> reshapes_;
  std::size_t arena_bytes_ = 0;
  std::size_t widest_ = 0;
  friend class StaticPlanBuilder;
};

}  // namespace lazyfx::compile
