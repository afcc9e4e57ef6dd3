#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "compile/callees.hpp"

namespace lazyfx::detail {

/// An immutable table of shared objects: copying it is O(1), a copy with one entry changed O(log n) and shares the rest.
template <class T>
class Links {
 public:
  Links() = default;
  /// All null.
  explicit Links(std::size_t size) {
    std::size_t capacity = fanout;
    for (; capacity < size; capacity *= fanout) shift_ += bits;
    if (size > 0) root_ = std::make_shared<Node>();
  }
  Links(const Links&) = default;
  Links(Links&&) noexcept = default;
  Links& operator=(const Links&) = default;
  Links& operator=(Links&&) noexcept = default;
  ~Links() { compile::unravel(std::move(root_)); }

  const T* operator[](std::size_t i) const noexcept {
    const Node* node = root_.get();
    for (unsigned shift = shift_; shift > 0 && node != nullptr; shift -= bits)
      node = static_cast<const Node*>(node->at[slot(i, shift)].get());
    return node == nullptr ? nullptr : static_cast<const T*>(node->at[slot(i, 0)].get());
  }
  bool is_same(const Links& other) const noexcept { return root_ == other.root_; }
  /// Sets an entry in place. REQUIRES: no copy was made since construction.
  void fill(std::size_t i, std::shared_ptr<const T> entry) {
    Node* node = root_.get();
    for (unsigned shift = shift_; shift > 0; shift -= bits) {
      auto& below = node->at[slot(i, shift)];
      if (!below) below = std::make_shared<Node>();
      node = static_cast<Node*>(const_cast<void*>(below.get()));  // made here
    }
    node->at[slot(i, 0)] = std::move(entry);
  }
  Links with(std::size_t i, std::shared_ptr<const T> entry) const {
    Links changed;
    changed.shift_ = shift_;
    auto node = copy(root_.get());
    changed.root_ = node;
    for (unsigned shift = shift_; shift > 0; shift -= bits) {
      auto below = copy(static_cast<const Node*>(node->at[slot(i, shift)].get()));
      node->at[slot(i, shift)] = below;
      node = std::move(below);
    }
    node->at[slot(i, 0)] = std::move(entry);
    return changed;
  }

 private:
  static constexpr unsigned bits = 4;
  static constexpr std::size_t fanout = std::size_t{1} << bits;
  struct Node {
    std::array<std::shared_ptr<const void>, fanout> at;
  };
  static std::size_t slot(std::size_t i, unsigned shift) noexcept { return (i >> shift) & (fanout - 1); }
  static std::shared_ptr<Node> copy(const Node* node) { return node == nullptr ? std::make_shared<Node>() : std::make_shared<Node>(*node); }

  std::shared_ptr<Node> root_;  ///< never written once it is shared
  unsigned shift_ = 0;  ///< of the topmost digit of an index
};

}  // namespace lazyfx::detail
