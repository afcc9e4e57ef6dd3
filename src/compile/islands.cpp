#include "compile/islands.hpp"

#include <algorithm>
#include <utility>

#include "compile/typed_graph.hpp"

namespace lazyfx::compile {
namespace {

// An island that turns out to hold steps for the host is divided in its turn, inside of a run: not without end.
constexpr std::size_t deepest = 8;

using Group = std::uint32_t;
constexpr Group by_itself = 0xffffffffU, first_island = 0;

class Divider {
 public:
  Divider(const Program& program, std::vector<StepTyping> typing)
      : program_(program), typing_(std::move(typing)), step_of_(program.value_limit, none), groups_(program.steps.size(), by_itself) {
    for (std::size_t i = 0; i < program.steps.size(); ++i) step_of_[program.steps[i].value] = static_cast<std::uint32_t>(i);
  }

  /// Empty: nothing is gained.
  std::vector<Unit> divide() {
    keep_whole_tuples_on_the_host();
    group();
    return worthwhile() ? units() : std::vector<Unit>{};
  }

 private:
  static constexpr std::uint32_t none = 0xffffffffU;

  template <class Visit>
  static void for_each_input(const Program::Step& step, Visit visit) {
    for (const Argument& a : step.application.inputs) for_each_node(a, visit);
    for (const Argument& a : step.args) for_each_node(a, visit);
  }
  std::uint32_t maker_of(NodeId id) const { return step_of_[static_cast<std::uint32_t>(id)]; }

  /// What comes out of an island are tensors, one a value: several outputs leave it by the items that pick them, or stay out of it.
  void keep_whole_tuples_on_the_host() {
    const auto whole = [&](NodeId id) {
      const std::uint32_t maker = maker_of(id);
      if (maker != none && program_.steps[maker].output_count > 1) typing_[maker] = StepTyping::host;
    };
    for (const auto& step : program_.steps) {
      if (step.kind != Program::Kind::item || step.host) for_each_input(step, whole);
    }
    for_each_node(program_.interface->result, whole);
    // What needs a step that moved to the host comes after it.
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      for_each_input(program_.steps[i], [&](NodeId id) {
        const std::uint32_t maker = maker_of(id);
        if (maker == none || typing_[i] == StepTyping::host) return;
        if (typing_[maker] == StepTyping::host || typing_[maker] == StepTyping::later) typing_[i] = StepTyping::later;
      });
    }
  }

  void group() {
    Group open = first_island;
    bool closed = true;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      const auto& step = program_.steps[i];
      switch (typing_[i]) {
        case StepTyping::fixed: groups_[i] = step.kind == Program::Kind::constant ? by_itself : first_island; break;
        case StepTyping::known: groups_[i] = first_island; break;
        case StepTyping::host: closed = true; break;
        case StepTyping::later:
          if (step.kind == Program::Kind::item) {  // stands where its maker does, however far behind it
            groups_[i] = groups_[maker_of(step.args[0].as_node())];
            closed = closed || groups_[i] == by_itself;
            break;
          }
          if (closed) ++open, closed = false;
          groups_[i] = open;
      }
      limit_ = std::max(limit_, open + 1);
    }
  }

  bool worthwhile() const {
    const auto belongs = [this](std::size_t i) { return groups_[i] != by_itself && program_.steps[i].kind == Program::Kind::apply; };
    std::size_t inside = 0;
    for (std::size_t i = 0; i < groups_.size(); ++i) inside += belongs(i) && typing_[i] != StepTyping::fixed;
    // All of it in one island that is not known yet would be this program again.
    const bool divided =
        std::any_of(typing_.begin(), typing_.end(), [](StepTyping t) { return t == StepTyping::known || t == StepTyping::host; });
    return inside > 0 && divided;
  }

  std::vector<Unit> units() {
    find_outputs();
    std::vector<std::vector<std::uint32_t>> own(limit_);
    for (std::uint32_t i = 0; i < groups_.size(); ++i) {
      // A fixed step that nobody outside needs comes along with those that do.
      if (groups_[i] != by_itself && (typing_[i] != StepTyping::fixed || leaves_[i])) own[groups_[i]].push_back(i);
    }
    member_of_.assign(program_.steps.size(), by_itself);
    numbered_in_.assign(program_.value_limit, by_itself);
    numbers_.resize(program_.value_limit);
    std::vector<Unit> units;
    const auto add_island = [&](Group group) {
      if (own[group].empty()) return;
      if (auto island = make_island(group, std::exchange(own[group], {}))) units.push_back({0, std::move(island)});
    };
    add_island(first_island);
    for (std::uint32_t i = 0; i < program_.steps.size(); ++i) {
      if (groups_[i] == by_itself)
        units.push_back({i, nullptr});
      else
        add_island(groups_[i]);
    }
    return units;
  }

  /// Which values are needed outside of the island that makes them.
  void find_outputs() {
    leaves_.assign(program_.steps.size(), false);
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      for_each_input(program_.steps[i], [&](NodeId id) {
        const std::uint32_t maker = maker_of(id);
        // What is fixed is made again in each island that needs it: there it can be folded and packed.
        const bool remade = maker != none && typing_[maker] == StepTyping::fixed && groups_[i] != by_itself;
        if (maker != none && groups_[maker] != groups_[i] && !remade) leaves_[maker] = true;
      });
    }
    for_each_node(program_.interface->result, [&](NodeId id) {
      if (maker_of(id) != none) leaves_[maker_of(id)] = true;
    });
  }

  /// `steps` and the fixed steps that they are made of, in the order of the program.
  std::vector<std::uint32_t> with_fixed(Group group, std::vector<std::uint32_t> steps) {
    for (const std::uint32_t step : steps) member_of_[step] = group;
    for (std::size_t k = 0; k < steps.size(); ++k) {
      for_each_input(program_.steps[steps[k]], [&](NodeId id) {
        const std::uint32_t maker = maker_of(id);
        if (maker == none || typing_[maker] != StepTyping::fixed || member_of_[maker] == group) return;
        member_of_[maker] = group;
        steps.push_back(maker);
      });
    }
    std::sort(steps.begin(), steps.end());
    return steps;
  }

  /// Values of an island have numbers of their own, so that it costs what it holds and not what stands around it.
  std::uint32_t number(Group group, std::uint32_t value, Interface& part) {
    if (std::exchange(numbered_in_[value], group) != group) {
      numbers_[value] = static_cast<std::uint32_t>(part.nodes.size());
      part.nodes.push_back(program_.interface->node_of(value));
    }
    return numbers_[value];
  }

  std::shared_ptr<const Island> make_island(Group group, std::vector<std::uint32_t> steps) {
    auto part = std::make_shared<Program>();
    auto interface = std::make_shared<Interface>();
    part->interface = interface;
    interface->source = program_.interface->source;
    part->kernels = program_.kernels;
    part->islands_around = program_.islands_around + 1;
    auto island = std::make_shared<Island>();
    const auto renumbered = [&](NodeId id) -> Argument {
      const auto value = static_cast<std::uint32_t>(id);
      const std::uint32_t maker = step_of_[value];
      const bool inside = maker != none && member_of_[maker] == group;
      const bool first = !inside && numbered_in_[value] != group;
      const std::uint32_t own = number(group, value, *interface);
      if (first) {
        island->inputs.push_back(value);
        interface->inputs.push_back(own);
      }
      return NodeId{own};
    };
    Argument::Items results;
    for (const std::uint32_t i : with_fixed(group, std::move(steps))) {
      Program::Step step = program_.steps[i];
      for (Argument& a : step.application.inputs) a = map_nodes(a, renumbered);
      for (Argument& a : step.args) a = map_nodes(a, renumbered);
      const std::uint32_t value = step.value;
      step.value = number(group, value, *interface);
      if (leaves_[i] && groups_[i] == group) {
        island->outputs.push_back(value);
        results.emplace_back(NodeId{step.value});
      }
      part->steps.push_back(std::move(step));
    }
    if (island->outputs.empty()) return nullptr;
    part->value_limit = interface->nodes.size();
    interface->result = Argument::tuple(std::move(results));
    island->graph = std::make_shared<const Nested>(std::move(part));
    return island;
  }

  const Program& program_;
  std::vector<StepTyping> typing_;
  std::vector<std::uint32_t> step_of_;  ///< by value
  std::vector<Group> groups_;           ///< by step
  std::vector<bool> leaves_;            ///< by step: somebody outside of its island needs it
  std::vector<Group> member_of_;        ///< by step: the island that it was last put into; a fixed one may be in several
  std::vector<Group> numbered_in_;      ///< by value: the island in which it has this number
  std::vector<std::uint32_t> numbers_;
  Group limit_ = 1;
};

/// Compiles an island that stands on the inputs of the call alone.
std::shared_ptr<const Plan> prepare(const Island& island, const Program& program, const Signature& signature, const StopToken& stop) {
  const auto& placeholders = program.interface->inputs;
  std::vector<Signature::Input> inputs;
  for (const std::uint32_t value : island.inputs) {
    const auto at = std::find(placeholders.begin(), placeholders.end(), value);
    if (at == placeholders.end()) return nullptr;
    inputs.push_back(signature.inputs()[static_cast<std::size_t>(at - placeholders.begin())]);
    if (inputs.back().opaque()) return nullptr;
  }
  return island.graph->prepare(Signature(inputs), stop);
}

}  // namespace

Division one_by_one(const Program& program) {
  Division division;
  division.units.resize(program.steps.size());
  for (std::uint32_t i = 0; i < division.units.size(); ++i) division.units[i].step = i;
  return division;
}

Division find_islands(const std::shared_ptr<const Program>& program, const Signature& signature, const StopToken& stop) {
  const auto& steps = program->steps;
  // Who changes its operands must find them, and leave them, as the order of the steps says.
  const bool mutates = std::any_of(steps.begin(), steps.end(), [](const auto& s) { return s.op && s.op->effect == Effect::mutating; });
  if (program->islands_around >= deepest || mutates) return one_by_one(*program);
  Division division{Divider(*program, type_steps(*program, signature, stop)).divide(), nullptr};
  if (division.units.empty()) return one_by_one(*program);
  if (const auto& first = division.units.front().island) division.first = prepare(*first, *program, signature, stop);
  return division;
}

}  // namespace lazyfx::compile
