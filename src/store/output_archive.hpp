#pragma once

#include <boost/mpl/bool.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/version.hpp>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace lazyfx::store {

/// Writes flat value types into portable bytes; models Boost.Serialization's Saving Archive, without pointers and tracking.
/// Integers are little-endian base-128 numbers (signed ones zigzag), strings and vectors have their length in front, a class its version
/// (a vector of a class once for all items). See docs/format.md.
class OutputArchive {
 public:
  using is_saving = boost::mpl::true_;
  using is_loading = boost::mpl::false_;

  const std::string& bytes() const noexcept { return bytes_; }
  std::string take() noexcept { return std::move(bytes_); }

  template <class T>
  OutputArchive& operator<<(const T& value) {
    save(value);
    return *this;
  }
  template <class T>
  OutputArchive& operator&(const T& value) {
    return *this << value;
  }
  void save_binary(const void* data, std::size_t size) { bytes_.append(static_cast<const char*>(data), size); }
  template <class T>
  void register_type(const T* = nullptr) {}
  static unsigned get_library_version() noexcept { return 0; }

 private:
  template <class T>
  void save(const boost::serialization::nvp<T>& pair) {
    save(pair.const_value());
  }
  void save(const std::string& text) {
    number(text.size());
    save_binary(text.data(), text.size());
  }
  template <class T>
  void save(const std::vector<T>& items) {
    number(items.size());
    if constexpr (std::is_class_v<T> && !std::is_same_v<T, std::string>) {
      number(boost::serialization::version<T>::value);
      for (const T& item : items) fields(item);
    } else {
      for (const T& item : items) save(item);
    }
  }
  template <class T>
  void save(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      number(value ? 1 : 0);
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      number(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
    } else if constexpr (std::is_integral_v<T>) {
      number(value);
    } else {
      static_assert(std::is_class_v<T>, "only flat value types have a portable form");
      number(boost::serialization::version<T>::value);
      fields(value);
    }
  }
  template <class T>
  void fields(const T& value) {
    boost::serialization::serialize_adl(*this, const_cast<T&>(value), boost::serialization::version<T>::value);
  }
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      bytes_ += static_cast<char>(value | 0x80);
      value >>= 7;
    }
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace lazyfx::store
