#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace lazyfx::compile {

/// Bytes that a runtime's executables and plans hold. Shared with what is charged, which may outlive the runtime.
struct Gauges {
  std::atomic<std::size_t> executables{0}, plans{0}, table_bytes{0}, weight_bytes{0}, graph_bytes{0};
};

/// Counts its owner in a gauge, if one is named, and its bytes while it lives.
class Charge {
 public:
  Charge() = default;
  Charge(std::shared_ptr<Gauges> gauges, std::atomic<std::size_t> Gauges::* count, std::size_t tables, std::size_t weights,
         std::size_t graphs = 0)
      : gauges_(std::move(gauges)), count_(count), tables_(tables), weights_(weights), graphs_(graphs) {
    if (gauges_) apply([](std::atomic<std::size_t>& gauge, std::size_t n) { gauge.fetch_add(n, std::memory_order_relaxed); });
  }
  ~Charge() {
    if (gauges_) apply([](std::atomic<std::size_t>& gauge, std::size_t n) { gauge.fetch_sub(n, std::memory_order_relaxed); });
  }
  Charge(Charge&& other) noexcept { *this = std::move(other); }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  Charge& operator=(Charge&& other) noexcept {
    std::swap(gauges_, other.gauges_);
    std::swap(count_, other.count_);
    std::swap(tables_, other.tables_);
    std::swap(weights_, other.weights_);
    std::swap(graphs_, other.graphs_);
    return *this;
  }

  std::size_t bytes() const noexcept { return tables_ + weights_ + graphs_; }

 private:
  template <class Change>
  void apply(Change change) const noexcept {
    if (count_ != nullptr) change((*gauges_).*count_, 1);
    change(gauges_->table_bytes, tables_);
    change(gauges_->weight_bytes, weights_);
    change(gauges_->graph_bytes, graphs_);
  }

  std::shared_ptr<Gauges> gauges_;
  std::atomic<std::size_t> Gauges::* count_ = nullptr;
  std::size_t tables_ = 0, weights_ = 0, graphs_ = 0;
};

}  // namespace lazyfx::compile
