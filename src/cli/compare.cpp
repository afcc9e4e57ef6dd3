#include "cli/compare.hpp"

#include <cmath>
#include <sstream>

namespace lazyfx::cli {
namespace {

bool close(double a, double b, double relative, double absolute) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= absolute + relative * std::abs(b);
}

template <class T>
bool same(const T& a, const T& b, double relative, double absolute) {
  if constexpr (std::is_floating_point_v<T>)
    return close(a, b, relative, absolute);
  else if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    return close(float(a), float(b), relative, absolute);
  else
    return a == b;
}

template <class T>
std::string text_of(const T& value) {
  std::ostringstream out;
  out.precision(9);
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    out << float(value);
  else if constexpr (std::is_integral_v<T>)
    out << +value;
  else
    out << value;
  return out.str();
}

}  // namespace

std::string difference(const Tensor& actual, const Tensor& expected, double relative, double absolute) {
  if (actual.dtype() != expected.dtype()) return std::string("it is ") + to_string(actual.dtype()) + ", not " + to_string(expected.dtype());
  if (!(actual.shape() == expected.shape())) return "its shape is " + to_string(actual.shape()) + ", not " + to_string(expected.shape());
  const Tensor left = actual.contiguous(), right = expected.contiguous();
  return visit_dtype(left.dtype(), [&]<class T>(std::type_identity<T>) -> std::string {
    const auto a = left.values<T>(), b = right.values<T>();
    std::size_t wrong = 0, first = 0;
    for (std::size_t i = a.size(); i-- > 0;) {
      if (same<T>(a[i], b[i], relative, absolute)) continue;
      ++wrong;
      first = i;
    }
    if (wrong == 0) return {};
    return std::to_string(wrong) + " of " + std::to_string(a.size()) + " elements differ, first number " + std::to_string(first) + ", " +
           text_of<T>(a[first]) + " where " + text_of<T>(b[first]) + " is expected";
  });
}

}  // namespace lazyfx::cli
