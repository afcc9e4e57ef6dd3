#pragma once

#include <utility>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

namespace lazyfx::detail {

/// A value that nobody changes any more, shared between the versions of a node, between nodes and graphs: any thread may read and copy
/// it. One pointer, where std::shared_ptr is two, since every node has three of them.
template <class T>
class Shared {
 public:
  Shared() noexcept = default;  ///< none
  explicit Shared(T value) : held_(new Held(std::move(value))) {}
  explicit operator bool() const noexcept { return held_ != nullptr; }
  const T* get() const noexcept { return held_ ? &held_->value : nullptr; }
  const T& operator*() const noexcept { return held_->value; }
  const T* operator->() const noexcept { return &held_->value; }

 private:
  struct Held : boost::intrusive_ref_counter<Held> {
    explicit Held(T v) : value(std::move(v)) {}
    const T value;
  };
  boost::intrusive_ptr<const Held> held_;
};

}  // namespace lazyfx::detail
