#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include "expecting.hpp"
#include "impl.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/tensor/tensor.hpp"
#include "strided.hpp"
#include "text.hpp"

namespace lazyfx {
namespace {

// The number's meaning does not matter here: an element is its bytes.
template <class F>
decltype(auto) visit_bytes(DType dtype, F&& f) {
  switch (size_of(dtype)) {
    case 1: return f(std::type_identity<std::uint8_t>{});
    case 2: return f(std::type_identity<std::uint16_t>{});
    case 4: return f(std::type_identity<std::uint32_t>{});
    default: return f(std::type_identity<std::uint64_t>{});
  }
}

std::uint64_t hash_header(const Tensor& tensor) {
  std::array<std::int64_t, Shape::max_rank + 1> header{static_cast<std::int64_t>(tensor.dtype())};
  std::copy(tensor.shape().begin(), tensor.shape().end(), header.begin() + 1);
  return XXH3_64bits(header.data(), (tensor.rank() + 1) * sizeof(std::int64_t));
}

class Hasher {
 public:
  explicit Hasher(std::uint64_t seed) noexcept {
    XXH3_INITSTATE(&state_);
    XXH3_64bits_reset_withSeed(&state_, seed);
  }
  void add(const void* bytes, std::size_t count) noexcept { XXH3_64bits_update(&state_, bytes, count); }
  std::uint64_t finish() const noexcept { return XXH3_64bits_digest(&state_); }

 private:
  XXH3_state_t state_;
};

template <class T>
std::uint64_t hash_strided(const Tensor& tensor, std::uint64_t seed) {
  Hasher hasher(seed);
  const auto* data = static_cast<const T*>(tensor.raw());
  detail::for_each_row<1>(tensor.shape(), {tensor.strides()}, [&](const auto& offsets, std::int64_t count, const auto& strides) {
    const T* in = data + offsets[0];
    if (strides[0] == 1) {
      hasher.add(in, static_cast<std::size_t>(count) * sizeof(T));
      return true;
    }
    std::array<T, 512> gathered;
    while (count > 0) {
      const std::int64_t n = std::min<std::int64_t>(count, gathered.size());
      for (std::int64_t i = 0; i < n; ++i) gathered[static_cast<std::size_t>(i)] = in[i * strides[0]];
      hasher.add(gathered.data(), static_cast<std::size_t>(n) * sizeof(T));
      count -= n;
      if (count > 0) in += n * strides[0];
    }
    return true;
  });
  return hasher.finish();
}

std::uint64_t hash_strings(const Tensor& tensor, std::uint64_t seed) {
  Hasher hasher(seed);
  const auto* data = static_cast<const std::string*>(tensor.raw());
  detail::for_each_row<1>(tensor.shape(), {tensor.strides()}, [&](const auto& offsets, std::int64_t count, const auto& strides) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::string& s = data[offsets[0] + i * strides[0]];
      const std::uint64_t length = s.size();
      hasher.add(&length, sizeof length);
      hasher.add(s.data(), s.size());
    }
    return true;
  });
  return hasher.finish();
}

std::uint64_t compute_digest(const Tensor& tensor) {
  const std::uint64_t seed = hash_header(tensor);
  if (tensor.dtype() == DType::string) return hash_strings(tensor, seed);
  if (tensor.is_contiguous()) return XXH3_64bits_withSeed(tensor.raw(), tensor.byte_size(), seed);
  return visit_bytes(tensor.dtype(), [&]<class T>(std::type_identity<T>) { return hash_strided<T>(tensor, seed); });
}

template <class T>
bool equal_elements(const Tensor& a, const Tensor& b) {
  const auto* left = static_cast<const T*>(a.raw());
  const auto* right = static_cast<const T*>(b.raw());
  return detail::for_each_row<2>(a.shape(), {a.strides(), b.strides()}, [&](const auto& offsets, std::int64_t count, const auto& strides) {
    const T* x = left + offsets[0];
    const T* y = right + offsets[1];
    for (std::int64_t i = 0; i < count; ++i) {
      if (x[i * strides[0]] != y[i * strides[1]]) return false;
    }
    return true;
  });
}

template <class T>
void append_element(std::string& text, const T& element) {
  if constexpr (std::is_same_v<T, std::string>) {
    detail::append_quoted(text, element);
  } else if constexpr (std::is_same_v<T, bool>) {
    text += element ? "true" : "false";
  } else if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    detail::append_number(text, static_cast<float>(element));
  } else {
    detail::append_number(text, element);
  }
}

}  // namespace

std::uint64_t Tensor::digest() const {
  if (!defined()) throw Error(ErrorKind::invalid_argument, "an undefined tensor has no digest");
  // Relaxed is enough: the number depends on nothing but elements that the caller can already see, and two threads that
  // compute it at the same time store the same one.
  std::uint64_t digest = impl_->digest.load(std::memory_order_relaxed);
  if (digest == 0) {
    digest = compute_digest(*this);
    if (digest == 0) digest = 1;
    if (impl_->kind == Impl::Kind::wrapped) {
      const auto& wrapped = static_cast<const WrappedImpl&>(*impl_);
      if (wrapped.expected != 0 && wrapped.expected != digest) {
        throw Error(ErrorKind::invalid_model, wrapped.origin + ": its elements are not those that were saved");
      }
    }
    impl_->digest.store(digest, std::memory_order_relaxed);
  }
  return digest;
}

Tensor detail::wrap_expecting(std::uint64_t digest, std::string origin, DType dtype, const Shape& shape, const void* data,
                              std::shared_ptr<const void> owner) {
  Tensor tensor = Tensor::wrap(dtype, shape, data, std::move(owner));
  auto& wrapped = static_cast<WrappedImpl&>(*tensor.impl_);
  wrapped.expected = digest;
  wrapped.origin = std::move(origin);
  return tensor;
}

bool equal(const Tensor& a, const Tensor& b) {
  if (a.is_same(b)) return true;
  if (!a.defined() || !b.defined() || a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  if (a.dtype() == DType::string) return equal_elements<std::string>(a, b);
  if (a.is_contiguous() && b.is_contiguous()) return a.size() == 0 || std::memcmp(a.raw(), b.raw(), a.byte_size()) == 0;
  return visit_bytes(a.dtype(), [&]<class T>(std::type_identity<T>) { return equal_elements<T>(a, b); });
}

std::string to_string(const Tensor& tensor, std::size_t limit) {
  if (!tensor.defined()) return "undefined";
  std::string text = to_string(tensor.dtype());
  text += '[';
  if (tensor.rank() != 0) text += to_string(tensor.shape());
  text += "] {";
  std::size_t shown = 0;
  const bool all = visit_dtype(tensor.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto* data = static_cast<const T*>(tensor.raw());
    return detail::for_each_row<1>(tensor.shape(), {tensor.strides()}, [&](const auto& offsets, std::int64_t count, const auto& strides) {
      for (std::int64_t i = 0; i < count; ++i) {
        if (shown != 0) text += ", ";
        if (shown == limit) return false;
        append_element(text, data[offsets[0] + i * strides[0]]);
        ++shown;
      }
      return true;
    });
  });
  return text += all ? "}" : "...}";
}

}  // namespace lazyfx
