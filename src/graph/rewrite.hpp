#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "lazyfx/graph/argument.hpp"

namespace lazyfx::detail {

/// `in` with `f(node argument)` in place of every node for which it returns something, depth first, left to right; nothing when
/// that changes nothing, so that the caller can share what it has. Recursion is bounded by Argument::max_depth.
template <class F>
std::optional<Argument> rewrite(const Argument& in, F& f) {
  if (in.is_node()) return f(in);
  if (in.is_list() || in.is_tuple()) {
    std::optional<Argument::Items> out;
    const auto& items = in.items();
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (auto item = rewrite(items[i], f)) {
        if (!out) out = items;
        (*out)[i] = std::move(*item);
      }
    }
    if (!out) return std::nullopt;
    return in.is_list() ? Argument::list(std::move(*out)) : Argument::tuple(std::move(*out));
  }
  if (in.is_dict()) {
    std::optional<Argument::Entries> out;
    const auto& entries = in.entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (auto item = rewrite(entries[i].second, f)) {
        if (!out) out = entries;
        (*out)[i].second = std::move(*item);
      }
    }
    if (!out) return std::nullopt;
    return Argument::dict(std::move(*out));
  }
  if (in.is_slice()) {
    const auto& s = in.as_slice();
    auto start = rewrite(s.start, f);
    auto stop = rewrite(s.stop, f);
    auto step = rewrite(s.step, f);
    if (!start && !stop && !step) return std::nullopt;
    return Argument::slice(start ? std::move(*start) : s.start, stop ? std::move(*stop) : s.stop, step ? std::move(*step) : s.step);
  }
  return std::nullopt;
}

/// As above over a node's arguments, in place.
template <class F>
void rewrite_all(Arguments& args, F& f) {
  for (Argument& arg : args) {
    if (auto out = rewrite(arg, f)) arg = std::move(*out);
  }
}
template <class F>
void rewrite_all(Keywords& kwargs, F& f) {
  for (auto& entry : kwargs) {
    if (auto out = rewrite(entry.second, f)) entry.second = std::move(*out);
  }
}

}  // namespace lazyfx::detail
