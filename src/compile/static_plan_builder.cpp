#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "compile/kernel_table.hpp"
#include "compile/memory_plan.hpp"
#include "compile/static_plan.hpp"
#include "compile/watch.hpp"
#include "tensor/memory.hpp"

namespace lazyfx::compile {

using Index = TypedGraph::Index;

namespace {
constexpr std::uint32_t never = std::numeric_limits<std::uint32_t>::max();
// A run estimated by bytes alone: what a reference kernel costs beside a tuned one.
constexpr double reference_ns_per_element = 20;
constexpr double user_operator_ns = 1e6;  // unknown: off the event loop, unless the caller says otherwise
}  // namespace

/// Makes kernels for a typed graph and gives every value a place.
class StaticPlanBuilder {
 public:
  StaticPlanBuilder(StaticPlan& plan, const Program& program, TypedGraph& graph) : plan_(plan), program_(program), graph_(graph) {}

  void build(const StopToken& stop) {
    place_of_.resize(graph_.values.size());
    make_kernels(stop);
    const Step planning("memory plan");
    find_last_uses();
    choose_slots();
    for (std::uint32_t i = 0; i < graph_.steps.size(); ++i) {
      if (i % 256 == 0) stop.check();
      add(i);
    }
    finish_result();
    plan_.arena_bytes_ = memory_.size();
    charge();
  }

 private:
  using Place = StaticPlan::Place;

  void find_last_uses() {
    last_use_.assign(graph_.values.size(), never);
    for (std::uint32_t i = 0; i < graph_.steps.size(); ++i) {
      const auto touch = [&](Index v) {
        if (v != TypedGraph::none) last_use_[graph_.root(v)] = i;
      };
      for (const Index v : graph_.steps[i].inputs) touch(v);
      for (const Index v : graph_.steps[i].epilogue_inputs) touch(v);
    }
    is_result_.assign(graph_.values.size(), false);
    for (const Index v : graph_.outputs) is_result_[graph_.root(v)] = true;
  }

  /// What leaves the run, and what a reference kernel may keep, gets memory of its own.
  void choose_slots() {
    needs_slot_ = is_result_;
    for (const auto& step : graph_.steps) {
      if (step.primitive() != nullptr) continue;
      for (const Index v : step.inputs) {
        if (v != TypedGraph::none) needs_slot_[graph_.root(v)] = true;
      }
      for (const Index v : step.outputs) needs_slot_[v] = true;
    }
  }

  Place place(Index v) {
    const Index root = graph_.root(v);
    Place& p = place_of_[root];
    if (p.kind != Place::Kind::nothing) return p;
    const auto& value = graph_.values[root];
    if (value.input >= 0) {
      p = {Place::Kind::input, static_cast<std::size_t>(value.input)};
    } else if (value.constant.defined() || value.stored.defined()) {
      Tensor tensor = (value.stored.defined() ? value.stored : value.constant).contiguous();
      // Vector kernels want their constants on whole cache lines; a mapped file promises none.
      if (reinterpret_cast<std::uintptr_t>(tensor.raw()) % 64 != 0) tensor = tensor.clone();
      p = {Place::Kind::constant, plan_.constants_.size()};
      plan_.constants_.push_back(std::move(tensor));
    }
    return p;
  }

  std::size_t bytes_of(Index v) const { return static_cast<std::size_t>(graph_.values[v].shape.size()) * size_of(graph_.values[v].dtype); }

  void add(std::uint32_t at) {
    auto& from = graph_.steps[at];
    StaticPlan::Step step;
    step.node = from.node;
    step.first_place = static_cast<std::uint32_t>(plan_.places_.size());
    std::vector<Index> inputs = from.inputs;
    inputs.insert(inputs.end(), from.epilogue_inputs.begin(), from.epilogue_inputs.end());
    step.input_count = static_cast<std::uint32_t>(inputs.size());
    step.output_count = static_cast<std::uint32_t>(from.outputs.size());
    plan_.widest_ = std::max<std::size_t>(plan_.widest_, inputs.size());
    if (from.primitive() != nullptr)
      step.kernel = std::move(kernels_[at]);
    else
      step.reference = reference(from, inputs);

    for (std::size_t i = 0; i < inputs.size(); ++i) {
      Place p;
      if (inputs[i] != TypedGraph::none && !(step.kernel && i < from.inputs.size() && step.kernel->packs(i))) p = place(inputs[i]);
      plan_.places_.push_back(p);
    }
    for (const Index out : from.outputs) {
      place_of_[out] = place_output(step, from, inputs, out, at);
      plan_.places_.push_back(place_of_[out]);
    }
    const std::size_t scratch = step.kernel ? step.kernel->scratch_bytes() : 0;
    if (scratch != 0) step.scratch = memory_.allocate(scratch);
    if (scratch != 0) memory_.release(step.scratch, scratch);
    release_dying(step, inputs, from.outputs, at);
    plan_.steps_.push_back(std::move(step));
  }

  std::unique_ptr<const StaticPlan::Reference> reference(const TypedGraph::Step& from, const std::vector<Index>& inputs) const {
    auto reference = std::make_unique<StaticPlan::Reference>();
    reference->work = std::get<TypedGraph::Reference>(from.work);
    reference->operands.reserve(inputs.size() + from.outputs.size());
    for (const Index v : inputs) reference->operands.push_back(v == TypedGraph::none ? StaticPlan::View{} : view(v));
    for (const Index v : from.outputs) reference->operands.push_back(view(v));
    return reference;
  }

  StaticPlan::View view(Index v) const { return {graph_.values[v].dtype, graph_.values[v].shape}; }

  void make_kernels(const StopToken& stop) {
    const Step pass("kernels");
    const auto& steps = graph_.steps;
    expect_steps(
        static_cast<std::size_t>(std::count_if(steps.begin(), steps.end(), [](const auto& s) { return s.primitive() != nullptr; })));
    kernels_.resize(steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      stop.check();
      if (steps[i].primitive() == nullptr) continue;
      Step step("kernel", Step::Kind::kernel);
      kernels_[i] = make_kernel(steps[i]);
      if (step.traced()) step.describe(kernels_[i]->describe(), program_.interface->node_name(steps[i].node));
    }
  }

  std::shared_ptr<const kernels::Kernel> make_kernel(const TypedGraph::Step& from) {
    std::vector<kernels::Operand> operands;
    std::vector<Tensor> constants;
    for (const Index v : from.inputs) {
      const auto& value = graph_.values[v];
      operands.push_back({value.dtype, value.shape, value.layout});
      Tensor constant = value.constant;
      if (!constant.defined() && graph_.values[graph_.root(v)].constant.defined()) {
        constant = graph_.values[graph_.root(v)].constant.reshape(value.shape);
      }
      constants.push_back(std::move(constant));
    }
    const auto& out = graph_.values[from.outputs[0]];
    kernels::Operand output{out.dtype, out.shape, out.layout};
    if (from.changes_layout) operands[0].layout = output.layout = kernels::Layout::row_major;
    kernels::Epilogue epilogue;
    if (from.epilogue) {
      epilogue.body = *from.epilogue;
      for (const Index v : from.epilogue_inputs) {
        const auto& value = graph_.values[v];
        epilogue.operands.push_back({value.dtype, value.shape, value.layout});
      }
    }
    plan_.estimate_ns_ += kernels::estimate_ns(*from.primitive(), operands, output);
    try {
      bytes_for(output.dtype, output.shape);  // before tables are made for it that may be as long
      const kernels::KernelRequest request{*from.primitive(), std::move(operands), output, constants, from.epilogue ? &epilogue : nullptr};
      const auto& table = program_.kernels;
      if (!table || !KernelTable::shares(request.primitive)) {
        auto kernel = kernels::make_kernel(request);
        own_bytes_ += kernel->resident_bytes();
        return kernel;
      }
      auto kernel = table->take(request);
      for (const Tensor& constant : constants) {
        if (constant.defined()) named_by_kernels_.push_back(constant);
      }
      plan_.shared_bytes_ += kernel->resident_bytes();
      return kernel;
    } catch (...) {
      const auto& source = program_.interface->source;
      const NodeId node = program_.interface->node_of(from.node);
      throw current_error_at(source, node, source.graph.node(node).target(), "kernels");
    }
  }

  Place place_output(const StaticPlan::Step& step, const TypedGraph::Step& from, const std::vector<Index>& inputs, Index out,
                     std::uint32_t at) {
    if (!step.kernel) {
      const bool ours = from.work.index() == 1 && std::get<TypedGraph::Reference>(from.work).op->name.starts_with("onnx::");
      plan_.estimate_ns_ += ours ? reference_ns_per_element * static_cast<double>(graph_.values[out].shape.size()) : user_operator_ns;
    }
    if (needs_slot_[out]) {
      plan_.slots_.push_back(view(out));
      return {Place::Kind::slot, plan_.slots_.size() - 1};
    }
    for (std::size_t i = 0; i < inputs.size() && step.kernel; ++i) {
      if (inputs[i] == TypedGraph::none) continue;
      const Index root = graph_.root(inputs[i]);
      if (!step.kernel->in_place(i) || last_use_[root] != at || place_of_[root].kind != Place::Kind::arena) continue;
      if (bytes_of(root) != bytes_of(out) || reads_twice(inputs, root)) continue;
      taken_over_.push_back(root);
      return place_of_[root];
    }
    return {Place::Kind::arena, memory_.allocate(bytes_of(out))};
  }

  bool reads_twice(const std::vector<Index>& inputs, Index root) const {
    return std::count_if(inputs.begin(), inputs.end(), [&](Index v) { return v != TypedGraph::none && graph_.root(v) == root; }) > 1;
  }

  void release_dying(StaticPlan::Step& step, const std::vector<Index>& inputs, const std::vector<Index>& outputs, std::uint32_t at) {
    std::vector<Index> roots;
    for (const Index v : inputs) {
      if (v != TypedGraph::none && last_use_[graph_.root(v)] == at) roots.push_back(graph_.root(v));
    }
    for (const Index v : outputs) {
      if (last_use_[v] == never) roots.push_back(v);
    }
    std::sort(roots.begin(), roots.end());
    roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
    for (const Index root : roots) {
      const Place& p = place_of_[root];
      if (is_result_[root]) continue;
      if (p.kind == Place::Kind::slot) step.dying_slots.push_back(static_cast<std::uint32_t>(p.at));
      if (p.kind != Place::Kind::arena) continue;
      if (std::find(taken_over_.begin(), taken_over_.end(), root) == taken_over_.end()) memory_.release(p.at, bytes_of(root));
    }
    taken_over_.clear();
  }

  void finish_result() {
    for (const Index v : graph_.outputs) {
      StaticPlan::Leaf result{place(v)};
      const bool is_constant = result.place.kind == Place::Kind::constant;
      const Shape& made = is_constant ? plan_.constants_[result.place.at].shape() : graph_.values[graph_.root(v)].shape;
      if (!(graph_.values[v].shape == made)) {
        result.shape = static_cast<std::int32_t>(plan_.reshapes_.size());
        plan_.reshapes_.push_back(graph_.values[v].shape);
      }
      plan_.leaves_.push_back(result);
    }
    const auto& placeholders = program_.interface->inputs;
    std::size_t leaf = 0;
    for_each_node(program_.interface->result, [&](NodeId id) {
      const auto at = std::find(placeholders.begin(), placeholders.end(), static_cast<std::uint32_t>(id));
      if (at != placeholders.end()) plan_.leaves_[leaf].input = static_cast<std::int32_t>(at - placeholders.begin());
      ++leaf;
    });
  }

  /// What the plan holds besides the model's own tensors.
  void charge() {
    std::size_t weights = own_bytes_;
    std::set<const void*> of_model;
    for (const auto& step : program_.steps) {
      if (step.kind == Program::Kind::constant && step.constant.defined()) of_model.insert(step.constant.raw());
    }
    std::map<const void*, std::size_t> computed;
    for (const Tensor& constant : plan_.constants_) computed[constant.raw()] = constant.byte_size();
    for (const Tensor& constant : named_by_kernels_) computed[constant.raw()] = constant.byte_size();
    for (const auto& [at, bytes] : computed) weights += of_model.contains(at) ? 0 : bytes;
    const std::size_t tables = sizeof plan_ + plan_.steps_.capacity() * sizeof(StaticPlan::Step) +
                               plan_.places_.capacity() * sizeof(Place) + plan_.slots_.capacity() * sizeof(StaticPlan::View) +
                               plan_.constants_.capacity() * sizeof(Tensor);
    plan_.charge_ = charge_here(&Gauges::plans, tables, weights);
  }

  StaticPlan& plan_;
  const Program& program_;
  TypedGraph& graph_;
  std::vector<std::shared_ptr<const kernels::Kernel>> kernels_;  ///< per step
  std::vector<Tensor> named_by_kernels_;                         ///< constants that the table keeps to compare with
  std::size_t own_bytes_ = 0;                                    ///< of kernels that no table has
  MemoryPlan memory_;
  std::vector<std::uint32_t> last_use_;
  std::vector<bool> is_result_, needs_slot_;
  std::vector<Place> place_of_;
  std::vector<Index> taken_over_;  ///< inputs of the step at hand whose memory its output uses on
};

std::shared_ptr<const Plan> make_static_plan(std::shared_ptr<const Program> program, const Signature& signature, const StopToken& stop) {
  constexpr std::size_t passes = 7;  // the five here, kernels and the memory plan
  expect_steps(passes);
  const auto pass = [&stop](const char* name, auto&& work) {
    const Step step(name);
    work();
    stop.check();
  };
  TypedGraph graph;
  pass("lower", [&] { graph = lower(*program, signature, stop); });
  pass("eliminate", [&] { eliminate_dead_steps(graph); });
  pass("fold", [&] { fold_into_weights(graph); });
  pass("fuse", [&] { fuse_elementwise(graph); });
  pass("layouts", [&] { assign_layouts(graph); });
  auto plan = std::make_shared<StaticPlan>(program->interface, signature);
  StaticPlanBuilder(*plan, *program, graph).build(stop);
  return plan;
}

}  // namespace lazyfx::compile
