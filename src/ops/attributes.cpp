#include "lazyfx/ops/attributes.hpp"

#include <algorithm>

#include "lazyfx/error.hpp"

namespace lazyfx {
namespace {

[[noreturn]] void wrong_kind(std::string_view name, const Argument& value, const char* expected) {
  throw Error(ErrorKind::invalid_graph, "attribute " + std::string(name) + " is " + value.kind() + " where " + expected + " is expected");
}

const Argument& required(const Attributes& attributes, std::string_view name) {
  const Argument* found = attributes.find(name);
  if (found == nullptr) throw Error(ErrorKind::invalid_graph, "attribute " + std::string(name) + " is missing");
  return *found;
}

std::int64_t as_int(std::string_view name, const Argument& value) {
  if (value.is_bool()) return value.as_bool() ? 1 : 0;
  if (!value.is_int()) wrong_kind(name, value, "an integer");
  return value.as_int();
}

double as_real(std::string_view name, const Argument& value) {
  if (!value.is_double() && !value.is_int()) wrong_kind(name, value, "a number");
  return value.as_double();
}

const std::string& as_text(std::string_view name, const Argument& value) {
  if (!value.is_string()) wrong_kind(name, value, "a string");
  return value.as_string();
}

template <class T, class Convert>
std::vector<T> list_of(const Attributes& attributes, std::string_view name, const char* expected, Convert convert) {
  std::vector<T> result;
  const Argument* found = attributes.find(name);
  if (found == nullptr) return result;
  if (!found->is_list() && !found->is_tuple()) wrong_kind(name, *found, expected);
  result.reserve(found->items().size());
  for (const Argument& item : found->items()) result.push_back(convert(name, item));
  return result;
}

}  // namespace

const Argument* Attributes::find(std::string_view name) const noexcept {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.first == name; });
  return found == entries_.end() ? nullptr : &found->second;
}

std::int64_t Attributes::get_int(std::string_view name) const { return as_int(name, required(*this, name)); }
std::int64_t Attributes::get_int(std::string_view name, std::int64_t fallback) const { return has(name) ? get_int(name) : fallback; }
double Attributes::get_float(std::string_view name) const { return as_real(name, required(*this, name)); }
double Attributes::get_float(std::string_view name, double fallback) const { return has(name) ? get_float(name) : fallback; }

std::string Attributes::get_string(std::string_view name, std::string_view fallback) const {
  const Argument* found = find(name);
  return found == nullptr ? std::string(fallback) : as_text(name, *found);
}

std::vector<std::int64_t> Attributes::get_ints(std::string_view name) const {
  return list_of<std::int64_t>(*this, name, "a list of integers", as_int);
}
std::vector<double> Attributes::get_floats(std::string_view name) const {
  return list_of<double>(*this, name, "a list of numbers", as_real);
}
std::vector<std::string> Attributes::get_strings(std::string_view name) const {
  return list_of<std::string>(*this, name, "a list of strings", as_text);
}

Tensor Attributes::get_tensor(std::string_view name) const {
  const Argument* found = find(name);
  if (found == nullptr) return {};
  if (!found->is_tensor()) wrong_kind(name, *found, "a tensor");
  return found->as_tensor();
}

DType Attributes::get_dtype(std::string_view name, DType fallback) const {
  const Argument* found = find(name);
  if (found == nullptr) return fallback;
  if (!found->is_dtype()) wrong_kind(name, *found, "a dtype");
  return found->as_dtype();
}

}  // namespace lazyfx
