#include "lazyfx/graph/argument.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>

#include "graph/keys.hpp"
#include "graph/rewrite.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/graph/node.hpp"

namespace lazyfx {
namespace {

unsigned checked_depth(unsigned inner) {
  if (inner >= Argument::max_depth) {
    throw Error(ErrorKind::invalid_argument, "An argument nests more than " + std::to_string(Argument::max_depth) + " aggregates deep");
  }
  return inner + 1;
}

[[noreturn]] void wrong_kind(const Argument& argument, const char* wanted) {
  throw Error(ErrorKind::invalid_argument, std::string("An argument is a ") + argument.kind() + " where a " + wanted + " is expected");
}

}  // namespace

Argument::Argument(const Node& node) : v_(NodeRef{node.id(), node.defined() ? &node.graph() : nullptr}) {
  if (!node.defined()) throw Error(ErrorKind::invalid_argument, "An undefined node cannot be an argument");
}

unsigned Argument::depth() const noexcept {
  if (const auto* l = std::get_if<List>(&v_)) return l->depth;
  if (const auto* t = std::get_if<Tuple>(&v_)) return t->depth;
  if (const auto* d = std::get_if<Dict>(&v_)) return d->depth;
  if (const auto* s = std::get_if<SliceRef>(&v_)) return s->depth;
  return 0;
}

Argument Argument::list(Items items) {
  unsigned inner = 0;
  for (const auto& item : items) inner = std::max(inner, item.depth());
  Argument a;
  a.v_ = List{std::make_shared<const Items>(std::move(items)), checked_depth(inner)};
  return a;
}

Argument Argument::tuple(Items items) {
  unsigned inner = 0;
  for (const auto& item : items) inner = std::max(inner, item.depth());
  Argument a;
  a.v_ = Tuple{std::make_shared<const Items>(std::move(items)), checked_depth(inner)};
  return a;
}

Argument Argument::dict(Entries entries) {
  if (const auto* key = detail::repeated_key(entries)) {
    throw Error(ErrorKind::invalid_argument, "A dict argument has the key '" + *key + "' twice");
  }
  unsigned inner = 0;
  for (const auto& entry : entries) inner = std::max(inner, entry.second.depth());
  Argument a;
  a.v_ = Dict{std::make_shared<const Entries>(std::move(entries)), checked_depth(inner)};
  return a;
}

Argument Argument::slice(Argument start, Argument stop, Argument step) {
  const unsigned inner = std::max({start.depth(), stop.depth(), step.depth()});
  Argument a;
  a.v_ = SliceRef{std::make_shared<const Slice>(Slice{std::move(start), std::move(stop), std::move(step)}), checked_depth(inner)};
  return a;
}

Argument Argument::ints(const std::vector<std::int64_t>& values) { return list(Items(values.begin(), values.end())); }

bool Argument::as_bool() const {
  if (!is_bool()) wrong_kind(*this, "bool");
  return std::get<bool>(v_);
}

std::int64_t Argument::as_int() const {
  if (!is_int()) wrong_kind(*this, "int");
  return std::get<std::int64_t>(v_);
}

double Argument::as_double() const {
  if (is_int()) return static_cast<double>(std::get<std::int64_t>(v_));
  if (!is_double()) wrong_kind(*this, "double");
  return std::get<double>(v_);
}

const std::string& Argument::as_string() const {
  if (!is_string()) wrong_kind(*this, "string");
  return std::get<std::string>(v_);
}

DType Argument::as_dtype() const {
  if (!is_dtype()) wrong_kind(*this, "dtype");
  return std::get<DType>(v_);
}

const Tensor& Argument::as_tensor() const {
  if (!is_tensor()) wrong_kind(*this, "tensor");
  return std::get<Tensor>(v_);
}

NodeId Argument::as_node() const {
  if (!is_node()) wrong_kind(*this, "node");
  return std::get<NodeRef>(v_).id;
}

const Argument::Items& Argument::items() const {
  if (const auto* l = std::get_if<List>(&v_)) return *l->items;
  if (const auto* t = std::get_if<Tuple>(&v_)) return *t->items;
  wrong_kind(*this, "list or tuple");
}

const Argument::Entries& Argument::entries() const {
  if (!is_dict()) wrong_kind(*this, "dict");
  return *std::get<Dict>(v_).entries;
}

const Argument::Slice& Argument::as_slice() const {
  if (!is_slice()) wrong_kind(*this, "slice");
  return *std::get<SliceRef>(v_).slice;
}

const char* Argument::kind() const noexcept {
  constexpr const char* names[] = {"none", "bool", "int", "double", "string", "dtype", "tensor", "node", "list", "tuple", "dict", "slice"};
  static_assert(std::size(names) == std::variant_size_v<decltype(v_)>);
  return names[v_.index()];
}

const void* Argument::origin() const noexcept {
  const auto* node = std::get_if<NodeRef>(&v_);
  return node ? node->graph : nullptr;
}

bool operator==(const Argument& a, const Argument& b) {
  if (a.v_.index() != b.v_.index()) return false;
  if (a.is_double()) return std::bit_cast<std::uint64_t>(a.as_double()) == std::bit_cast<std::uint64_t>(b.as_double());
  if (a.is_tensor()) {
    const Tensor& s = a.as_tensor();
    const Tensor& t = b.as_tensor();
    if (!s.defined() || !t.defined()) return s.defined() == t.defined();
    return s.is_same(t) || equal(s, t);
  }
  if (a.is_node()) return a.as_node() == b.as_node();
  if (a.is_list() || a.is_tuple()) return &a.items() == &b.items() || a.items() == b.items();
  if (a.is_dict()) return &a.entries() == &b.entries() || a.entries() == b.entries();
  if (a.is_slice()) {
    const auto& s = a.as_slice();
    const auto& t = b.as_slice();
    return &s == &t || (s.start == t.start && s.stop == t.stop && s.step == t.step);
  }
  if (a.is_bool()) return a.as_bool() == b.as_bool();
  if (a.is_int()) return a.as_int() == b.as_int();
  if (a.is_string()) return a.as_string() == b.as_string();
  if (a.is_dtype()) return a.as_dtype() == b.as_dtype();
  return true;  // none
}

Argument map_nodes(const Argument& argument, const std::function<Argument(NodeId)>& f) {
  auto replace = [&f](const Argument& node) -> std::optional<Argument> {
    Argument out = f(node.as_node());
    if (out.is_node() && out.as_node() == node.as_node() && out.origin() == node.origin()) return std::nullopt;
    return out;
  };
  if (auto out = detail::rewrite(argument, replace)) return *std::move(out);
  return argument;
}

}  // namespace lazyfx
