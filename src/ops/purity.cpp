#include "lazyfx/ops/purity.hpp"

namespace lazyfx {
namespace {

bool is_impure(const OperatorPtr& op) { return op == nullptr || op->effect == Effect::mutating || op->effect == Effect::io; }

}  // namespace

bool is_impure(const OperatorRegistry& registry, Node node) {
  switch (node.op()) {
    case Opcode::get_attr: return false;
    case Opcode::call_function: return is_impure(registry.find(node.target()));
    case Opcode::call_method: return is_impure(registry.find_method(node.target()));
    case Opcode::placeholder:
    case Opcode::call_module:
    case Opcode::output: return true;
  }
  return true;
}

}  // namespace lazyfx
