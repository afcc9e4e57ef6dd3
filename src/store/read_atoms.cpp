#include <bit>
#include <type_traits>

#include "lazyfx/error.hpp"
#include "store/atoms.hpp"

namespace lazyfx::store {
namespace {

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::invalid_model, what); }

std::int64_t integer(std::uint64_t zigzag) { return static_cast<std::int64_t>(zigzag >> 1 ^ (~(zigzag & 1) + 1)); }
double real(std::uint64_t bits) { return std::bit_cast<double>(__builtin_bswap64(bits)); }

bool boolean(std::uint64_t value) {
  if (value > 1) fail("a boolean is neither true nor false");
  return value == 1;
}

}  // namespace

const Atom& AtomReader::next() {
  if (done()) fail("an argument or value is cut off");
  return atoms_[at_++];
}

std::size_t AtomReader::count(const Atom& atom, std::size_t atoms_each) const {
  if (atom.value > left() / atoms_each) fail("an aggregate of " + std::to_string(atom.value) + " items is cut off");
  return static_cast<std::size_t>(atom.value);
}

const std::string& AtomReader::text_of(const Atom& atom) const {
  if (atom.value >= strings_.size()) fail("string " + std::to_string(atom.value) + " does not exist");
  return strings_[static_cast<std::size_t>(atom.value)];
}

Tensor AtomReader::tensor_of(const Atom& atom) const {
  if (atom.value == 0) return {};
  if (atom.value > tensors_.size()) fail("tensor " + std::to_string(atom.value) + " does not exist");
  return tensors_[static_cast<std::size_t>(atom.value - 1)];
}

std::string AtomReader::text() {
  const Atom& atom = next();
  if (atom.kind != static_cast<std::uint8_t>(AtomKind::text)) fail("a key is not a string");
  return text_of(atom);
}

Argument AtomReader::argument() { return read<Argument>(0); }
Value AtomReader::value() { return read<Value>(0); }

template <class Kind>
Kind AtomReader::read(unsigned depth) {
  constexpr bool is_argument = std::is_same_v<Kind, Argument>;
  constexpr const char* what = is_argument ? "an argument" : "a value";
  if (depth > Kind::max_depth) fail(what + std::string(" is nested too deeply"));
  const Atom& atom = next();
  switch (static_cast<AtomKind>(atom.kind)) {
    case AtomKind::none: return {};
    case AtomKind::boolean: return boolean(atom.value);
    case AtomKind::integer: return integer(atom.value);
    case AtomKind::real: return real(atom.value);
    case AtomKind::text: return text_of(atom);
    case AtomKind::tensor: return tensor_of(atom);
    case AtomKind::list: return Kind::list(items<Kind>(atom, depth));
    case AtomKind::tuple: return Kind::tuple(items<Kind>(atom, depth));
    case AtomKind::dict: {
      typename Kind::Entries entries;
      entries.reserve(count(atom, 2));
      for (std::uint64_t i = 0; i < atom.value; ++i) {
        std::string key = text();
        entries.emplace_back(std::move(key), read<Kind>(depth + 1));
      }
      return Kind::dict(std::move(entries));
    }
    case AtomKind::dtype:
    case AtomKind::node:
    case AtomKind::slice:
      if constexpr (is_argument) return in_graph(atom, depth);
  }
  fail(what + std::string(" is of kind ") + std::to_string(atom.kind) + ", which it cannot be");
}

template <class Kind>
typename Kind::Items AtomReader::items(const Atom& atom, unsigned depth) {
  typename Kind::Items items;
  items.reserve(count(atom, 1));
  for (std::uint64_t i = 0; i < atom.value; ++i) items.push_back(read<Kind>(depth + 1));
  return items;
}

Argument AtomReader::in_graph(const Atom& atom, unsigned depth) {
  if (atom.kind == static_cast<std::uint8_t>(AtomKind::dtype)) {
    if (atom.value >= dtype_count) fail("element type " + std::to_string(atom.value) + " does not exist");
    return static_cast<DType>(atom.value);
  }
  if (atom.kind == static_cast<std::uint8_t>(AtomKind::node)) {
    if (atom.value >= static_cast<std::uint32_t>(no_node)) fail("node " + std::to_string(atom.value) + " cannot exist");
    return NodeId{static_cast<std::uint32_t>(atom.value)};
  }
  Argument start = read<Argument>(depth + 1);
  Argument stop = read<Argument>(depth + 1);
  return Argument::slice(std::move(start), std::move(stop), read<Argument>(depth + 1));
}

}  // namespace lazyfx::store
