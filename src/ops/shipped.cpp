#include "ops/shipped.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <string>

#include "fork.hpp"
#include "ops/families.hpp"

namespace lazyfx::ops {
namespace {

/// What most models are made of comes first.
constexpr std::array families{
    add_getitem,       add_matmul,   add_activation, add_elementwise, add_shape,     add_convolution,  add_pooling,
    add_normalization, add_softmax,  add_reduce,     add_concat,      add_slice,     add_layout,       add_gather,
    add_constant,      add_cast,     add_pad,        add_comparison,  add_selection, add_resize,       add_arg_reduce,
    add_scatter,       add_ordering, add_recurrent,  add_quantize,    add_norms,     add_detection,    add_signal,
    add_einsum,        add_sampling, add_random,     add_strings,     add_sequence,  add_control_flow, add_losses,
};

/// So many of the families, as far as somebody asked. Immutable.
struct Made {
  std::size_t families = 0;
  std::vector<OperatorPtr> sorted;

  std::vector<OperatorPtr>::const_iterator from(std::string_view name) const {
    return std::ranges::lower_bound(sorted, name, {}, [](const OperatorPtr& op) -> std::string_view { return op->name; });
  }
  OperatorPtr find(std::string_view name) const {
    const auto at = from(name);
    return at != sorted.end() && (*at)->name == name ? *at : nullptr;
  }
};

/// Lives as long as the process, as its users on other threads may.
struct Shipped {
  std::atomic<const Made*> made{nullptr};
  detail::ProcessMutex mutex;
  // State below is protected by mutex.
  std::vector<std::unique_ptr<const Made>> all;  ///< also what newer ones replaced: somebody may still be reading it
};

Shipped& shipped() {
  static Shipped* const s = new Shipped;
  return *s;
}
[[maybe_unused]] const Shipped& made_when_loaded = shipped();

bool has_all(const Made* made) { return made != nullptr && made->families == families.size(); }

/// With more of the families: until one brings `name`, or all of them.
const Made& made_until(std::string_view name) {
  Shipped& s = shipped();
  const std::lock_guard lock(s.mutex);
  auto more = std::make_unique<Made>();
  if (const Made* made = s.made.load(std::memory_order_relaxed)) {
    if (has_all(made) || made->find(name)) return *made;  // somebody was faster
    *more = *made;
  }
  while (more->families < families.size() && !more->find(name)) {
    OperatorRegistry family;
    families[more->families++](family);
    const auto added = family.all();
    more->sorted.insert(more->sorted.end(), added.begin(), added.end());
    std::ranges::sort(more->sorted, {}, [](const OperatorPtr& op) -> std::string_view { return op->name; });
  }
  s.all.push_back(std::move(more));
  s.made.store(s.all.back().get(), std::memory_order_release);
  return *s.all.back();
}

bool may_ship(std::string_view name) { return name.starts_with("onnx::") || name == "getitem"; }

}  // namespace

OperatorPtr find_shipped(std::string_view name) {
  if (!may_ship(name)) return nullptr;
  const Made* made = shipped().made.load(std::memory_order_acquire);
  OperatorPtr op = made != nullptr ? made->find(name) : nullptr;
  return op || has_all(made) ? op : made_until(name).find(name);
}

std::vector<OperatorPtr> older_versions(std::string_view name) {
  std::vector<OperatorPtr> older;
  if (!may_ship(name)) return older;
  find_shipped(name);
  const Made& made = *shipped().made.load(std::memory_order_acquire);  // a family has all versions of what it has
  const std::string prefix = std::string(name) + "@";
  for (auto at = made.from(prefix); at != made.sorted.end() && (*at)->name.starts_with(prefix); ++at) older.push_back(*at);
  return older;
}

std::vector<OperatorPtr> all_shipped() {
  const Made* made = shipped().made.load(std::memory_order_acquire);
  return has_all(made) ? made->sorted : made_until({}).sorted;
}

}  // namespace lazyfx::ops
