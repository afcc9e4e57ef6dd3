#include <bit>

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

Argument AtomReader::argument() { return argument(0); }
Value AtomReader::value() { return value(0); }

Argument AtomReader::argument(unsigned depth) {
  if (depth > Argument::max_depth) fail("an argument is nested too deeply");
  const Atom& atom = next();
  switch (static_cast<AtomKind>(atom.kind)) {
    case AtomKind::none: return {};
    case AtomKind::boolean: return boolean(atom.value);
    case AtomKind::integer: return integer(atom.value);
    case AtomKind::real: return real(atom.value);
    case AtomKind::text: return text_of(atom);
    case AtomKind::tensor: return tensor_of(atom);
    case AtomKind::dtype:
      if (atom.value >= dtype_count) fail("element type " + std::to_string(atom.value) + " does not exist");
      return static_cast<DType>(atom.value);
    case AtomKind::node:
      if (atom.value >= static_cast<std::uint32_t>(no_node)) fail("node " + std::to_string(atom.value) + " cannot exist");
      return NodeId{static_cast<std::uint32_t>(atom.value)};
    case AtomKind::list:
    case AtomKind::tuple: {
      Argument::Items items;
      items.reserve(count(atom, 1));
      for (std::uint64_t i = 0; i < atom.value; ++i) items.push_back(argument(depth + 1));
      return atom.kind == static_cast<std::uint8_t>(AtomKind::list) ? Argument::list(std::move(items)) : Argument::tuple(std::move(items));
    }
    case AtomKind::dict: {
      Argument::Entries entries;
      entries.reserve(count(atom, 2));
      for (std::uint64_t i = 0; i < atom.value; ++i) {
        std::string key = text();
        entries.emplace_back(std::move(key), argument(depth + 1));
      }
      return Argument::dict(std::move(entries));
    }
    case AtomKind::slice: {
      Argument start = argument(depth + 1);
      Argument stop = argument(depth + 1);
      return Argument::slice(std::move(start), std::move(stop), argument(depth + 1));
    }
  }
  fail("an argument is of unknown kind " + std::to_string(atom.kind));
}

Value AtomReader::value(unsigned depth) {
  if (depth > Value::max_depth) fail("a value is nested too deeply");
  const Atom& atom = next();
  switch (static_cast<AtomKind>(atom.kind)) {
    case AtomKind::none: return {};
    case AtomKind::boolean: return boolean(atom.value);
    case AtomKind::integer: return integer(atom.value);
    case AtomKind::real: return real(atom.value);
    case AtomKind::text: return text_of(atom);
    case AtomKind::tensor: return tensor_of(atom);
    case AtomKind::list:
    case AtomKind::tuple: {
      Value::Items items;
      items.reserve(count(atom, 1));
      for (std::uint64_t i = 0; i < atom.value; ++i) items.push_back(value(depth + 1));
      return atom.kind == static_cast<std::uint8_t>(AtomKind::list) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
    }
    case AtomKind::dict: {
      Value::Entries entries;
      entries.reserve(count(atom, 2));
      for (std::uint64_t i = 0; i < atom.value; ++i) {
        std::string key = text();
        entries.emplace_back(std::move(key), value(depth + 1));
      }
      return Value::dict(std::move(entries));
    }
    case AtomKind::dtype:
    case AtomKind::node:
    case AtomKind::slice: break;
  }
  fail("a value is of kind " + std::to_string(atom.kind) + ", which values cannot be");
}

}  // namespace lazyfx::store
