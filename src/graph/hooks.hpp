#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace lazyfx::detail {

/// Functions called in order of registration. A hook may register and unregister hooks while it runs: a call goes over the hooks
/// that there were when it began.
template <class... Args>
class HookList {
 public:
  using Hook = std::function<void(Args...)>;

  std::uint64_t add(Hook hook) {
    auto next = entries_ ? std::make_shared<Entries>(*entries_) : std::make_shared<Entries>();
    next->push_back({++last_, std::move(hook)});
    entries_ = std::move(next);
    return last_;
  }
  void remove(std::uint64_t id) {
    auto next = std::make_shared<Entries>(*entries_);
    std::erase_if(*next, [id](const Entry& e) { return e.id == id; });
    entries_ = std::move(next);
  }
  bool empty() const noexcept { return !entries_ || entries_->empty(); }
  void operator()(const Args&... args) const {
    const std::shared_ptr<const Entries> entries = entries_;
    if (!entries) return;
    for (const Entry& e : *entries) e.hook(args...);
  }

 private:
  struct Entry {
    std::uint64_t id;
    Hook hook;
  };
  using Entries = std::vector<Entry>;
  std::shared_ptr<const Entries> entries_;  // null: there was never one
  std::uint64_t last_ = 0;
};

}  // namespace lazyfx::detail
