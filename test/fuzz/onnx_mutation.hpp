#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "onnx_tree.hpp"

/// Changes of a model that keep it a model: what is wrong with it afterwards is what it says, not how it is written.
namespace onnx_tree {

class Mutation {
 public:
  Mutation(Field& model, unsigned seed) : model_(model), random_(seed) {}

  void any() {
    collect();
    switch (below(9)) {
      case 0: return drop();
      case 1: return duplicate();
      case 2: return swap();
      case 3: return move_elsewhere();
      case 4:
      case 5: return change_number();
      case 6:
      case 7: return rename();
      default: return change_bytes();
    }
  }

  /// Puts a part of `donor` into a message of the same kind, in place of a field there or beside it.
  void splice(Field& donor) {
    Mutation source(donor, random_());
    source.collect();
    if (source.inner_.empty()) return;
    const auto [parent, index] = source.inner_[below(source.inner_.size())];
    const Field part = parent->fields[index];
    collect();
    std::vector<Field*> hosts;
    for (Field* message : messages_) {
      if (message->kind == parent->kind) hosts.push_back(message);
    }
    if (hosts.empty()) return;
    Field& host = *hosts[below(hosts.size())];
    if (!host.fields.empty() && below(2) == 0) {
      host.fields[below(host.fields.size())] = part;
    } else {
      host.fields.insert(host.fields.begin() + static_cast<std::ptrdiff_t>(below(host.fields.size() + 1)), part);
    }
  }

 private:
  struct Place {
    Field* parent;
    std::size_t index;
  };

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  void collect() {
    messages_.assign(1, &model_);
    inner_.clear();
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      Field* const message = messages_[i];
      for (std::size_t j = 0; j < message->fields.size(); ++j) {
        inner_.push_back({message, j});
        if (is_message(message->fields[j].kind)) messages_.push_back(&message->fields[j]);
      }
    }
  }

  void drop() {
    if (inner_.empty()) return;
    const auto [parent, index] = pick();
    parent->fields.erase(parent->fields.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void duplicate() {
    if (inner_.empty()) return;
    const auto [parent, index] = pick();
    Field copy = parent->fields[index];
    parent->fields.insert(parent->fields.begin() + static_cast<std::ptrdiff_t>(below(parent->fields.size() + 1)), std::move(copy));
  }
  void swap() {
    if (inner_.empty()) return;
    const auto [parent, index] = pick();
    std::swap(parent->fields[index], parent->fields[below(parent->fields.size())]);
  }
  /// A copy of one message into another of any kind, itself and its own parts included: graphs within graphs.
  void move_elsewhere() {
    if (inner_.empty()) return;
    const auto [parent, index] = pick();
    Field copy = parent->fields[index];
    std::vector<Field*> hosts;
    const bool any_kind = below(4) == 0;
    for (Field* message : messages_) {
      if (any_kind || kind_of(message->kind, copy.name) == copy.kind) hosts.push_back(message);
    }
    if (hosts.empty()) return;
    hosts[below(hosts.size())]->fields.push_back(std::move(copy));
  }

  void change_number() {
    std::vector<std::uint64_t*> numbers;
    std::vector<std::vector<std::uint64_t>*> lists;
    for (const auto& [parent, index] : inner_) {
      Field& field = parent->fields[index];
      if (field.kind <= Kind::fixed64) numbers.push_back(&field.number);
      for (std::uint64_t& number : field.numbers) numbers.push_back(&number);
      if (field.kind == Kind::numbers) lists.push_back(&field.numbers);
    }
    if (!lists.empty() && below(4) == 0) {
      auto& list = *lists[below(lists.size())];
      if (!list.empty() && below(2) == 0)
        list.pop_back();
      else
        list.push_back(extreme());
    } else if (!numbers.empty()) {
      std::uint64_t& number = *numbers[below(numbers.size())];
      number = below(3) == 0 ? number + below(5) - 2 : below(4) == 0 ? *numbers[below(numbers.size())] : extreme();
    }
  }
  std::uint64_t extreme() {
    static constexpr auto most = std::numeric_limits<std::int64_t>::max();
    static constexpr std::int64_t values[] = {0,
                                              1,
                                              -1,
                                              2,
                                              -2,
                                              3,
                                              4,
                                              7,
                                              8,
                                              9,
                                              13,
                                              16,
                                              17,
                                              18,
                                              31,
                                              32,
                                              33,
                                              64,
                                              127,
                                              128,
                                              255,
                                              256,
                                              65535,
                                              65536,
                                              std::int64_t{1} << 24,
                                              std::int64_t{1} << 31,
                                              (std::int64_t{1} << 31) - 1,
                                              -(std::int64_t{1} << 31),
                                              std::int64_t{1} << 32,
                                              std::int64_t{1} << 40,
                                              std::int64_t{1} << 47,
                                              std::int64_t{1} << 61,
                                              most,
                                              -most - 1};
    return static_cast<std::uint64_t>(values[below(std::size(values))]);
  }

  /// A text becomes one that occurs elsewhere in the file: values that are made twice or never, cycles, operators with another's attributes.
  void rename() {
    std::vector<std::string*> texts;
    for (const auto& [parent, index] : inner_) {
      if (parent->fields[index].kind == Kind::text) texts.push_back(&parent->fields[index].text);
    }
    if (texts.empty()) return;
    const std::string name = below(16) == 0 ? std::string() : *texts[below(texts.size())];
    *texts[below(texts.size())] = name;
  }
  void change_bytes() {
    std::vector<std::string*> texts;
    for (const auto& [parent, index] : inner_) {
      if (parent->fields[index].kind == Kind::text) texts.push_back(&parent->fields[index].text);
    }
    if (texts.empty()) return;
    std::string& text = *texts[below(texts.size())];
    const std::size_t at = below(text.size() + 1);
    switch (below(4)) {
      case 0: text.resize(at); break;
      case 1: text.insert(at, 1 + below(8), static_cast<char>(below(256))); break;
      case 2: text += text.substr(0, 256); break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
    }
  }

  Place pick() { return inner_[below(inner_.size())]; }

  Field& model_;
  std::minstd_rand random_;
  std::vector<Field*> messages_;
  std::vector<Place> inner_;
};

}  // namespace onnx_tree
