#include <bit>

#include "store/atoms.hpp"

namespace lazyfx::store {
namespace {

Atom atom(AtomKind kind, std::uint64_t value = 0) { return {static_cast<std::uint8_t>(kind), value}; }
Atom integer(std::int64_t v) { return atom(AtomKind::integer, static_cast<std::uint64_t>(v) << 1 ^ static_cast<std::uint64_t>(v >> 63)); }
// Numbers are written without their leading zeros, and short fractions end in them.
Atom real(double v) { return atom(AtomKind::real, __builtin_bswap64(std::bit_cast<std::uint64_t>(v))); }
Atom tensor(const Tensor& t, Interner& interner) { return atom(AtomKind::tensor, t.defined() ? 1 + std::uint64_t{interner.tensor(t)} : 0); }

// What arguments and values have in common.
template <class Kind>
void append(std::vector<Atom>& atoms, const Kind& a, Interner& interner) {
  if (a.is_none()) {
    atoms.push_back(atom(AtomKind::none));
  } else if (a.is_bool()) {
    atoms.push_back(atom(AtomKind::boolean, a.as_bool() ? 1 : 0));
  } else if (a.is_int()) {
    atoms.push_back(integer(a.as_int()));
  } else if (a.is_double()) {
    atoms.push_back(real(a.as_double()));
  } else if (a.is_string()) {
    atoms.push_back(atom(AtomKind::text, interner.text(a.as_string())));
  } else if (a.is_tensor()) {
    atoms.push_back(tensor(a.as_tensor(), interner));
  } else if (a.is_dict()) {
    atoms.push_back(atom(AtomKind::dict, a.entries().size()));
    for (const auto& [key, item] : a.entries()) {
      atoms.push_back(atom(AtomKind::text, interner.text(key)));
      append_atoms(atoms, item, interner);
    }
  } else {
    atoms.push_back(atom(a.is_list() ? AtomKind::list : AtomKind::tuple, a.items().size()));
    for (const auto& item : a.items()) append_atoms(atoms, item, interner);
  }
}

}  // namespace

std::uint32_t Interner::text(std::string_view value) {
  const auto [at, added] = text_numbers_.try_emplace(std::string(value), static_cast<std::uint32_t>(strings_.size()));
  if (added) strings_.emplace_back(value);
  return at->second;
}

std::uint32_t Interner::tensor(const Tensor& value) {
  const std::uint64_t digest = value.digest();
  const auto [first, last] = tensor_numbers_.equal_range(digest);
  for (auto at = first; at != last; ++at) {
    if (equal(tensors_[at->second], value)) return at->second;
  }
  const auto number = static_cast<std::uint32_t>(tensors_.size());
  tensors_.push_back(value);
  tensor_numbers_.emplace(digest, number);
  return number;
}

void append_atoms(std::vector<Atom>& atoms, const Argument& a, Interner& interner) {
  if (a.is_dtype()) {
    atoms.push_back(atom(AtomKind::dtype, static_cast<std::uint64_t>(a.as_dtype())));
  } else if (a.is_node()) {
    atoms.push_back(atom(AtomKind::node, static_cast<std::uint32_t>(a.as_node())));
  } else if (a.is_slice()) {
    atoms.push_back(atom(AtomKind::slice));
    append_atoms(atoms, a.as_slice().start, interner);
    append_atoms(atoms, a.as_slice().stop, interner);
    append_atoms(atoms, a.as_slice().step, interner);
  } else {
    append(atoms, a, interner);
  }
}

void append_atoms(std::vector<Atom>& atoms, const Value& value, Interner& interner) { append(atoms, value, interner); }

}  // namespace lazyfx::store
