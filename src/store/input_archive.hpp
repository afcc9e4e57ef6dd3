#pragma once

#include <boost/mpl/bool.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/version.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "lazyfx/store/store_error.hpp"

namespace lazyfx::store {

/// Reads what OutputArchive wrote; models Boost.Serialization's Loading Archive. Safe on any bytes: a length is compared with the bytes that
/// are left and with a budget of memory before anything is allocated, numbers must be written in their one shortest way and fit their
/// type, and a class of a later version is refused. Throws StoreError; `place` begins its message.
class InputArchive {
 public:
  using is_saving = boost::mpl::false_;
  using is_loading = boost::mpl::true_;

  InputArchive(std::span<const std::byte> bytes, std::uint64_t memory, std::string place)
      : bytes_(bytes), memory_(memory), place_(std::move(place)) {}

  template <class T>
  InputArchive& operator>>(T&& value) {
    load(value);
    return *this;
  }
  template <class T>
  InputArchive& operator&(T&& value) {
    load(value);
    return *this;
  }
  void load_binary(void* data, std::size_t size);
  template <class T>
  void register_type(T* = nullptr) {}
  static unsigned get_library_version() noexcept { return 0; }

  /// Throws unless everything was read.
  void finish() const;

 private:
  template <class T>
  void load(const boost::serialization::nvp<T>& pair) {
    load(pair.value());
  }
  void load(std::string& text);
  template <class T>
  void load(std::vector<T>& items) {
    const std::size_t count = length(sizeof(T));
    items.clear();
    if constexpr (std::is_class_v<T> && !std::is_same_v<T, std::string>) {
      const unsigned version = class_version<T>();
      items.resize(count);
      for (T& item : items) boost::serialization::serialize_adl(*this, item, version);
    } else {
      items.resize(count);
      for (T& item : items) load(item);
    }
  }
  template <class T>
  void load(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = number(1) != 0;
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      const std::uint64_t zigzag = number(~std::uint64_t{0});
      value = static_cast<std::int64_t>(zigzag >> 1 ^ (~(zigzag & 1) + 1));
    } else if constexpr (std::is_integral_v<T>) {
      static_assert(std::is_unsigned_v<T>);
      value = static_cast<T>(number(std::numeric_limits<T>::max()));
    } else {
      static_assert(std::is_class_v<T>, "only flat value types have a portable form");
      boost::serialization::serialize_adl(*this, value, class_version<T>());
    }
  }
  template <class T>
  unsigned class_version() {
    constexpr unsigned newest = boost::serialization::version<T>::value;
    const std::uint64_t version = number(std::numeric_limits<unsigned>::max());
    if (version > newest)
      fail(StoreFault::too_new, "a class of version " + std::to_string(version) + " is newer than " + std::to_string(newest));
    return static_cast<unsigned>(version);
  }
  [[noreturn]] void fail(StoreFault fault, const std::string& what) const;
  std::uint64_t number(std::uint64_t most);
  std::size_t length(std::size_t item_size);

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::uint64_t memory_;
  std::string place_;
};

}  // namespace lazyfx::store
