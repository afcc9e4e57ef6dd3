#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lazyfx/graph/argument.hpp"
#include "lazyfx/tensor/value.hpp"
#include "store/description.hpp"

namespace lazyfx::store {

/// Gives strings and tensors their numbers, each once: tensors by content, which is also how files share them.
class Interner {
 public:
  explicit Interner(std::vector<std::string>& strings, std::vector<Tensor>& tensors) : strings_(strings), tensors_(tensors) {}
  std::uint32_t text(std::string_view value);
  std::uint32_t tensor(const Tensor& value);

 private:
  std::vector<std::string>& strings_;
  std::vector<Tensor>& tensors_;
  std::unordered_map<std::string, std::uint32_t> text_numbers_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> tensor_numbers_;
};

void append_atoms(std::vector<Atom>& atoms, const Argument& argument, Interner& interner);
void append_atoms(std::vector<Atom>& atoms, const Value& value, Interner& interner);

/// Reads arguments and values back, from the front. Trusts nothing; throws Error(invalid_model) in one clause.
class AtomReader {
 public:
  AtomReader(std::span<const Atom> atoms, const std::vector<std::string>& strings, const std::vector<Tensor>& tensors)
      : atoms_(atoms), strings_(strings), tensors_(tensors) {}
  Argument argument();
  Value value();
  std::string text();  ///< a key
  bool done() const noexcept { return at_ == atoms_.size(); }
  std::size_t left() const noexcept { return atoms_.size() - at_; }

 private:
  const Atom& next();
  std::size_t count(const Atom& atom, std::size_t atoms_each) const;
  const std::string& text_of(const Atom& atom) const;
  Tensor tensor_of(const Atom& atom) const;
  // Arguments and values are read alike: Kind is either.
  template <class Kind> Kind read(unsigned depth);
  template <class Kind> typename Kind::Items items(const Atom& atom, unsigned depth);
  Argument in_graph(const Atom& atom, unsigned depth);  ///< what only arguments can be: a dtype, a node, a slice

  std::span<const Atom> atoms_;
  const std::vector<std::string>& strings_;
  const std::vector<Tensor>& tensors_;
  std::size_t at_ = 0;
};

}  // namespace lazyfx::store
