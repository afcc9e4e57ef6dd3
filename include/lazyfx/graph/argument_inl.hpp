#pragma once

#include <vector>

#include "lazyfx/graph/argument.hpp"

namespace lazyfx {

template <class Visit>
void for_each_node(const Argument& argument, Visit&& visit) {
  std::vector<const Argument*> pending;
  const Argument* a = &argument;
  for (;;) {
    if (a->is_node()) {
      visit(a->as_node());
    } else if (a->is_list() || a->is_tuple()) {
      const auto& items = a->items();
      for (std::size_t i = items.size(); i-- > 0;) pending.push_back(&items[i]);
    } else if (a->is_dict()) {
      const auto& entries = a->entries();
      for (std::size_t i = entries.size(); i-- > 0;) pending.push_back(&entries[i].second);
    } else if (a->is_slice()) {
      const auto& s = a->as_slice();
      pending.insert(pending.end(), {&s.step, &s.stop, &s.start});
    }
    if (pending.empty()) return;
    a = pending.back();
    pending.pop_back();
  }
}

}  // namespace lazyfx
