#include <algorithm>

#include "compile/islands.hpp"
#include "compile/nested.hpp"
#include "compile/plan.hpp"
#include "compile/typed_graph.hpp"
#include "compile/watch.hpp"
#include "ops/item.hpp"
#include "what.hpp"

namespace lazyfx::compile {
namespace {

// A host plan calls what the compiler cannot see into; its runs leave the event loop unless the caller says otherwise.
constexpr double host_estimate_ns = 1e7;

/// Runs a program unit by unit: islands by their plans, other steps by their operators' reference kernels, or by the modules they call.
class HostPlan final : public Plan {
 public:
  HostPlan(std::shared_ptr<const Program> program, const Signature& signature, Division division)
      : Plan(signature), program_(std::move(program)), units_(std::move(division.units)) {
    estimate_ns_ = host_estimate_ns;
    if (division.first) arena_bytes_ = division.first->arena_bytes();
    find_last_uses();
    const std::size_t tables = sizeof *this + units_.capacity() * sizeof(Unit) + dying_.capacity() * sizeof(std::uint32_t) +
                               dying_end_.capacity() * sizeof(std::size_t);
    charge_ = charge_here(&Gauges::plans, tables, 0);
  }

  std::size_t step_count() const noexcept override { return program_->steps.size(); }
  std::size_t bytes() const noexcept override {
    std::size_t bytes = Plan::bytes();
    for (const Unit& unit : units_) bytes += unit.island ? unit.island->graph->plan_bytes() : 0;
    return bytes;
  }
  /// Of what was compiled ahead; what the other islands will need is not known before they run.
  std::size_t arena_bytes() const noexcept override { return arena_bytes_; }

  Value run(std::span<const Value> inputs, const StopToken& stop, const Callees* callees) const override {
    // Who calls whom, on the heap: programs call each other as deeply as modules are nested.
    std::vector<Frame> frames;
    frames.emplace_back(*this, inputs, callees);
    try {
      for (;;) {
        Frame& frame = frames.back();
        const auto& program = *frame.plan->program_;
        if (frame.at == frame.plan->units_.size()) {
          Value result = build_result(program.interface->result, [&](NodeId id) { return frame.env[static_cast<std::uint32_t>(id)]; });
          frames.pop_back();
          if (frames.empty()) return result;
          frames.back().finish_step(std::move(result));
          continue;
        }
        stop.check();
        const Unit& unit = frame.plan->units_[frame.at];
        if (unit.island) {
          frame.finish(*unit.island, stop);
          continue;
        }
        const auto& step = program.steps[unit.step];
        if (step.kind != Program::Kind::call_module || step.module->call) {
          frame.finish_step(evaluate(step, frame.env, stop));
          continue;
        }
        Callee callee = frame.callees->find(step.module->link, arguments(step, frame.env));
        if (const auto* below = dynamic_cast<const HostPlan*>(callee.plan)) {
          frames.emplace_back(*below, callee.inputs, callee.callees).made = std::move(callee.made);
        } else {
          frame.finish_step(callee.plan->run(callee.inputs, stop, callee.callees));
        }
      }
    } catch (const Stopped&) { throw; } catch (const Error& e) {
      stop.check();  // a graph within this one that was stopped ends its operator with an error
      throw Error(e.kind(), where(frames) + what_of(e));
    } catch (const std::bad_alloc&) { throw Error(ErrorKind::resource, where(frames) + "out of memory"); } catch (const std::exception& e) {
      throw Error(ErrorKind::user_code, where(frames) + what_of(e));
    } catch (...) { throw Error(ErrorKind::user_code, where(frames) + "something that is no std::exception was thrown"); }
  }

 private:
  /// A run of one program: of this one, or of one that it calls.
  struct Frame {
    Frame(const HostPlan& running, std::span<const Value> inputs, const Callees* its_callees)
        : plan(&running), callees(its_callees), env(running.program_->value_limit) {
      for (std::size_t i = 0; i < inputs.size(); ++i) env[running.program_->interface->inputs[i]] = inputs[i];
    }
    void finish_step(Value result) {
      env[plan->program_->steps[plan->units_[at].step].value] = std::move(result);
      finish_unit();
    }
    void finish(const Island& island, const StopToken& stop) {
      std::vector<Value> inputs;
      inputs.reserve(island.inputs.size());
      for (const std::uint32_t value : island.inputs) inputs.push_back(env[value]);
      const bool tensors =
          std::all_of(inputs.begin(), inputs.end(), [](const Value& v) { return v.is_tensor() && v.as_tensor().defined(); });
      const Value results = tensors ? island.graph->run(inputs, stop) : island.graph->run_plainly(inputs, stop);
      for (std::size_t i = 0; i < island.outputs.size(); ++i) env[island.outputs[i]] = results.items()[i];
      finish_unit();
    }
    void finish_unit() {
      for (std::size_t k = at == 0 ? 0 : plan->dying_end_[at - 1]; k < plan->dying_end_[at]; ++k) env[plan->dying_[k]] = Value();
      ++at;
    }

    const HostPlan* plan;
    std::shared_ptr<const Plan> made;  ///< holds the plan, where nobody else does
    const Callees* callees;
    std::vector<Value> env;
    std::size_t at = 0;  ///< unit
  };

  static std::string where(const std::vector<Frame>& frames) {
    std::string text;
    for (const Frame& frame : frames) {
      const auto& program = *frame.plan->program_;
      if (frame.at == frame.plan->units_.size() || frame.plan->units_[frame.at].island) continue;  // an island names its own
      text += "while running %" + program.interface->node_name(program.steps[frame.plan->units_[frame.at].step].value) + ": ";
    }
    return text;
  }

  static std::vector<Value> arguments(const Program::Step& step, const std::vector<Value>& env) {
    std::vector<Value> args;
    for (const Argument& a : step.args) args.push_back(build_result(a, [&](NodeId id) { return env[static_cast<std::uint32_t>(id)]; }));
    return args;
  }

  static Value evaluate(const Program::Step& step, const std::vector<Value>& env, const StopToken& stop) {
    const auto value_of = [&](NodeId id) { return env[static_cast<std::uint32_t>(id)]; };
    switch (step.kind) {
      case Program::Kind::constant: return step.constant;
      case Program::Kind::item:
        return ops::item_of(build_result(step.args[0], value_of), build_result(step.args[1], value_of), step.of_operator);
      case Program::Kind::call_module: return step.module->call(arguments(step, env));
      case Program::Kind::apply: return apply(step, env, stop);
    }
    return {};
  }

  static Value apply(const Program::Step& step, const std::vector<Value>& env, const StopToken& stop) {
    std::optional<DType> beside;
    for (const Argument& a : step.application.inputs) {
      if (a.is_tensor()) note_beside(beside, a.as_tensor().dtype());
      if (!a.is_node()) continue;
      const Value& v = env[static_cast<std::uint32_t>(a.as_node())];
      if (v.is_tensor() && v.as_tensor().defined()) note_beside(beside, v.as_tensor().dtype());
    }
    if (step.op->on_values) {
      const std::vector<Value> values = values_of(step, env, beside);
      if (takes_values(*step.op, values)) return apply_to_values(step, values, stop);
    }
    std::vector<Tensor> inputs;
    for (const Argument& a : step.application.inputs) {
      if (a.is_none()) {
        inputs.emplace_back();
      } else if (a.is_node()) {
        append(inputs, env[static_cast<std::uint32_t>(a.as_node())], beside);
      } else {
        inputs.push_back(a.is_tensor() ? a.as_tensor() : literal_tensor(a, beside));
      }
    }
    auto results = run_reference(*step.op, inputs, step.application.attributes, step.output_count);
    if (results.size() == 1) return results[0];
    return Value::tuple(Value::Items(results.begin(), results.end()));
  }

  /// A scalar that flows along an edge is a tensor of rank 0.
  static Value as_operand(const Value& value) {
    if (value.is_bool()) return Tensor::scalar(value.as_bool());
    if (value.is_int()) return Tensor::scalar(value.as_int());
    if (value.is_double()) return Tensor::scalar(static_cast<float>(value.as_double()));
    return value;
  }

  static std::vector<Value> values_of(const Program::Step& step, const std::vector<Value>& env, std::optional<DType> beside) {
    std::vector<Value> values;
    for (const Argument& a : step.application.inputs) {
      if (a.is_none())
        values.emplace_back();
      else if (a.is_node())
        values.push_back(as_operand(env[static_cast<std::uint32_t>(a.as_node())]));
      else
        values.emplace_back(a.is_tensor() ? a.as_tensor() : literal_tensor(a, beside));
    }
    return values;
  }

  static Value apply_to_values(const Program::Step& step, const std::vector<Value>& values, const StopToken& stop) {
    std::vector<GraphCall> graphs;
    for (const auto& nested : step.graphs) {
      graphs.emplace_back([&nested, &stop](std::span<const Value> inputs) { return nested->run(inputs, stop); });
    }
    auto results = run_on_values(*step.op, {values, step.application.attributes, graphs, step.output_count});
    if (results.size() == 1) return std::move(results[0]);
    return Value::tuple(std::move(results));
  }

  static void append(std::vector<Tensor>& inputs, const Value& value, std::optional<DType> beside) {
    if (value.is_none())
      inputs.emplace_back();
    else if (value.is_tensor())
      inputs.push_back(value.as_tensor());
    else if (value.is_bool())
      inputs.push_back(literal_tensor(Argument(value.as_bool()), beside));
    else if (value.is_int())
      inputs.push_back(literal_tensor(Argument(value.as_int()), beside));
    else if (value.is_double())
      inputs.push_back(literal_tensor(Argument(value.as_double()), beside));
    else if (value.is_list() || value.is_tuple()) {
      for (const Value& item : value.items()) append(inputs, item, beside);
    } else {
      throw Error(ErrorKind::invalid_argument, std::string("a ") + value.kind() + " is no input of an operator");
    }
  }

  void find_last_uses() {
    constexpr std::size_t unused = static_cast<std::size_t>(-1);
    std::vector<std::size_t> last(program_->value_limit, unused);
    for (std::size_t i = 0; i < units_.size(); ++i) {
      if (const auto& island = units_[i].island) {
        for (const std::uint32_t value : island->inputs) last[value] = i;
        for (const std::uint32_t value : island->outputs) last[value] = i;
        continue;
      }
      const auto& step = program_->steps[units_[i].step];
      last[step.value] = i;
      const auto touch = [&](NodeId id) { last[static_cast<std::uint32_t>(id)] = i; };
      for (const Argument& a : step.application.inputs) for_each_node(a, touch);
      for (const Argument& a : step.args) for_each_node(a, touch);
    }
    for_each_node(program_->interface->result, [&](NodeId id) { last[static_cast<std::uint32_t>(id)] = unused; });
    std::vector<std::vector<std::uint32_t>> dying(units_.size());
    for (std::uint32_t v = 0; v < last.size(); ++v) {
      if (last[v] != unused) dying[last[v]].push_back(v);
    }
    for (const auto& values : dying) {
      dying_.insert(dying_.end(), values.begin(), values.end());
      dying_end_.push_back(dying_.size());
    }
  }

  std::shared_ptr<const Program> program_;
  std::vector<Unit> units_;
  std::size_t arena_bytes_ = 0;
  std::vector<std::uint32_t> dying_;     ///< values after whose last use unit i has run, all units in a row
  std::vector<std::size_t> dying_end_;
};

}  // namespace

std::shared_ptr<const Plan> make_host_plan(std::shared_ptr<const Program> program, const Signature& signature) {
  auto division = one_by_one(*program);
  return std::make_shared<const HostPlan>(std::move(program), signature, std::move(division));
}

std::shared_ptr<const Plan> make_divided_plan(std::shared_ptr<const Program> program, const Signature& signature, const StopToken& stop) {
  auto division = find_islands(program, signature, stop);
  return std::make_shared<const HostPlan>(std::move(program), signature, std::move(division));
}

}  // namespace lazyfx::compile
