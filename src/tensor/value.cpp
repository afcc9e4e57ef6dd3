#include "lazyfx/tensor/value.hpp"

#include <algorithm>
#include <bit>
#include <string_view>
#include <unordered_set>

#include "lazyfx/error.hpp"
#include "text.hpp"

namespace lazyfx {

namespace detail {

void append_quoted(std::string& text, std::string_view value) {
  constexpr std::string_view hex = "0123456789abcdef";
  text += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': text += "\\\""; break;
      case '\\': text += "\\\\"; break;
      case '\n': text += "\\n"; break;
      case '\r': text += "\\r"; break;
      case '\t': text += "\\t"; break;
      default:
        if (byte < 0x20 || byte == 0x7f) {
          text += "\\x";
          text += hex[byte >> 4];
          text += hex[byte & 15];
        } else {
          text += c;
        }
    }
  }
  text += '"';
}

}  // namespace detail

namespace {

[[noreturn]] void throw_kind(const char* expected, const Value& value) {
  throw Error(ErrorKind::invalid_argument, std::string("expected a value of kind ") + expected + ", found one of kind " + value.kind());
}

// Recursion over values (equality, text, destruction) stays within any thread's stack.
std::uint32_t nested(std::uint32_t deepest) {
  if (deepest >= Value::max_depth) {
    throw Error(ErrorKind::invalid_argument,
                "a value is nested deeper than " + std::to_string(Value::max_depth) + " lists, tuples or dicts");
  }
  return deepest + 1;
}

void append(std::string& text, const Value& value) {
  const auto append_items = [&](const char* open, const char* close) {
    text += open;
    const Value::Items& items = value.items();
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i != 0) text += ", ";
      append(text, items[i]);
    }
    if (value.is_tuple() && items.size() == 1) text += ',';
    text += close;
  };
  if (value.is_none()) {
    text += "none";
  } else if (value.is_bool()) {
    text += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    detail::append_number(text, value.as_int());
  } else if (value.is_double()) {
    const std::size_t start = text.size();
    detail::append_number(text, value.as_double());
    if (text.find_first_not_of("-0123456789", start) == std::string::npos) text += ".0";  // 1.0 is not the integer 1
  } else if (value.is_string()) {
    detail::append_quoted(text, value.as_string());
  } else if (value.is_tensor()) {
    text += to_string(value.as_tensor());
  } else if (value.is_list()) {
    append_items("[", "]");
  } else if (value.is_tuple()) {
    append_items("(", ")");
  } else {
    text += '{';
    const char* separator = "";
    for (const auto& [key, entry] : value.entries()) {
      text += std::exchange(separator, ", ");
      detail::append_quoted(text, key);
      text += ": ";
      append(text, entry);
    }
    text += '}';
  }
}

}  // namespace

std::uint32_t Value::depth() const noexcept {
  if (const auto* list = std::get_if<List>(&v_)) return list->depth;
  if (const auto* tuple = std::get_if<Tuple>(&v_)) return tuple->depth;
  if (const auto* dict = std::get_if<Dict>(&v_)) return dict->depth;
  return 0;
}

Value Value::list(Items items) {
  std::uint32_t deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  Value value;
  value.v_ = List{std::make_shared<const Items>(std::move(items)), nested(deepest)};
  return value;
}

Value Value::tuple(Items items) {
  std::uint32_t deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  Value value;
  value.v_ = Tuple{std::make_shared<const Items>(std::move(items)), nested(deepest)};
  return value;
}

Value Value::dict(Entries entries) {
  std::uint32_t deepest = 0;
  std::unordered_set<std::string_view> keys;
  for (const auto& [key, entry] : entries) {
    if (!keys.insert(key).second) throw Error(ErrorKind::invalid_argument, "key '" + key + "' appears twice in a dict");
    deepest = std::max(deepest, entry.depth());
  }
  Value value;
  value.v_ = Dict{std::make_shared<const Entries>(std::move(entries)), nested(deepest)};
  return value;
}

bool Value::as_bool() const {
  if (const auto* v = std::get_if<bool>(&v_)) return *v;
  throw_kind("bool", *this);
}

std::int64_t Value::as_int() const {
  if (const auto* v = std::get_if<std::int64_t>(&v_)) return *v;
  throw_kind("int", *this);
}

double Value::as_double() const {
  if (const auto* v = std::get_if<double>(&v_)) return *v;
  throw_kind("double", *this);
}

const std::string& Value::as_string() const {
  if (const auto* v = std::get_if<std::string>(&v_)) return *v;
  throw_kind("string", *this);
}

const Tensor& Value::as_tensor() const {
  if (const auto* v = std::get_if<Tensor>(&v_)) return *v;
  throw_kind("tensor", *this);
}

const Value::Items& Value::items() const {
  if (const auto* list = std::get_if<List>(&v_)) return *list->items;
  if (const auto* tuple = std::get_if<Tuple>(&v_)) return *tuple->items;
  throw_kind("list or tuple", *this);
}

const Value::Entries& Value::entries() const {
  if (const auto* dict = std::get_if<Dict>(&v_)) return *dict->entries;
  throw_kind("dict", *this);
}

const Value& Value::operator[](std::size_t i) const {
  const Items& all = items();
  if (i >= all.size()) {
    throw Error(ErrorKind::invalid_argument,
                "item " + std::to_string(i) + " was asked of a " + kind() + " of " + std::to_string(all.size()));
  }
  return all[i];
}

const Value& Value::operator[](const std::string& key) const {
  for (const auto& [name, entry] : entries()) {
    if (name == key) return entry;
  }
  throw Error(ErrorKind::invalid_argument, "a dict has no key '" + key + "'");
}

const char* Value::kind() const noexcept {
  constexpr const char* names[] = {"none", "bool", "int", "double", "string", "tensor", "list", "tuple", "dict"};
  static_assert(std::size(names) == std::variant_size_v<decltype(v_)>);
  return names[v_.index()];
}

bool operator==(const Value& a, const Value& b) {
  if (a.v_.index() != b.v_.index()) return false;
  if (a.is_none()) return true;
  if (a.is_bool()) return a.as_bool() == b.as_bool();
  if (a.is_int()) return a.as_int() == b.as_int();
  if (a.is_double()) return std::bit_cast<std::uint64_t>(a.as_double()) == std::bit_cast<std::uint64_t>(b.as_double());
  if (a.is_string()) return a.as_string() == b.as_string();
  if (a.is_tensor()) return equal(a.as_tensor(), b.as_tensor());
  if (a.is_dict()) return &a.entries() == &b.entries() || a.entries() == b.entries();
  return &a.items() == &b.items() || a.items() == b.items();
}

std::string to_string(const Value& value) {
  std::string text;
  append(text, value);
  return text;
}

}  // namespace lazyfx
