#include "compile/callees.hpp"

#include <new>
#include <utility>
#include <vector>

namespace lazyfx::compile {
namespace {

using Pending = std::vector<std::shared_ptr<const void>>;
thread_local Pending* pending = nullptr;

}  // namespace

void unravel(std::shared_ptr<const void> object) noexcept {
  if (!object) return;
  if (pending != nullptr) {
    try {
      pending->push_back(std::move(object));
    } catch (const std::bad_alloc&) { object.reset(); }
    return;
  }
  Pending mine;
  pending = &mine;
  object.reset();
  while (!mine.empty()) {
    std::shared_ptr<const void> next = std::move(mine.back());
    mine.pop_back();
    next.reset();
  }
  pending = nullptr;
}

}  // namespace lazyfx::compile
