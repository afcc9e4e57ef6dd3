#include "kernels/block_functions.hpp"
#include "kernels/scalar_math.hpp"

namespace lazyfx::kernels {
namespace {

template <class From, class To>
void cast(const void* a_, const void*, const void*, void* out_, std::size_t n) {
  const auto* a = static_cast<const From*>(a_);
  auto* out = static_cast<To*>(out_);
  for (std::size_t i = 0; i < n; ++i) out[i] = convert<To>(a[i]);
}

template <class T>
void copy(const void* a_, const void*, const void*, void* out_, std::size_t n) {
  const auto* a = static_cast<const T*>(a_);
  auto* out = static_cast<T*>(out_);
  for (std::size_t i = 0; i < n; ++i) out[i] = a[i];
}

}  // namespace

BlockFunction cast_function(DType from, DType to) {
  if (from == DType::string || to == DType::string) return nullptr;
  return visit_dtype(from, [&](auto f) -> BlockFunction {
    using From = typename decltype(f)::type;
    if constexpr (std::is_same_v<From, std::string>) {
      return nullptr;
    } else {
      return visit_dtype(to, [](auto t) -> BlockFunction {
        using To = typename decltype(t)::type;
        if constexpr (std::is_same_v<To, std::string>)
          return nullptr;
        else if constexpr (std::is_same_v<From, To>)
          return &copy<To>;
        else
          return &cast<From, To>;
      });
    }
  });
}

}  // namespace lazyfx::kernels
