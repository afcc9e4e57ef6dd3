#include "graph/argument_text.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "graph/names.hpp"
#include "tensor/text.hpp"
#include "tensor/utf8.hpp"

namespace lazyfx::detail {
namespace {

/// Larger tensors are named by their digest.
constexpr std::int64_t most_elements = 256;

void append_hex(std::string& text, std::uint64_t value, unsigned digits) {
  for (unsigned shift = digits * 4; shift != 0;) text += "0123456789abcdef"[value >> (shift -= 4) & 15];
}

/// The shortest text that reads back as the same number and cannot be taken for an integer; the bits of a NaN that is not the usual one.
template <class Number, class Bits>
void append_floating(std::string& text, Number value, Bits bits, Bits usual_nan) {
  if (std::isnan(value)) {
    text += "nan";
    if (bits == usual_nan) return;
    text += "(0x";
    append_hex(text, bits, sizeof(Bits) * 2);
    text += ')';
    return;
  }
  const std::size_t start = text.size();
  append_number(text, value);
  if (std::isfinite(value) && text.find_first_of(".e", start) == std::string::npos) text += ".0";
}

void append_double(std::string& text, double value) {
  append_floating(text, value, std::bit_cast<std::uint64_t>(value), std::uint64_t{0x7ff8000000000000});
}

void append_element(std::string& text, bool v) { text += v ? "True" : "False"; }
void append_element(std::string& text, const std::string& v) { append_string(text, v); }
void append_element(std::string& text, double v) { append_double(text, v); }
void append_element(std::string& text, float v) { append_floating(text, v, std::bit_cast<std::uint32_t>(v), std::uint32_t{0x7fc00000}); }
void append_element(std::string& text, Float16 v) { append_floating(text, static_cast<float>(v), v.bits, std::uint16_t{0x7e00}); }
void append_element(std::string& text, BFloat16 v) { append_floating(text, static_cast<float>(v), v.bits, std::uint16_t{0x7fc0}); }
template <class Integer> void append_element(std::string& text, Integer v) { append_number(text, v); }

void append_tensor(std::string& text, const Tensor& tensor) {
  text += "tensor(";
  if (tensor.defined()) {
    append_type(text, TensorType(tensor.dtype(), tensor.shape()));
    if (tensor.size() > most_elements) {
      text += ", digest = 0x";
      append_hex(text, tensor.digest(), 16);
    } else {
      text += ", [";
      const Tensor dense = tensor.contiguous();
      visit_dtype(dense.dtype(), [&](auto type) {
        using T = typename decltype(type)::type;
        const char* separator = "";
        for (const T& element : dense.values<T>()) {
          text += separator;
          append_element(text, element);
          separator = ", ";
        }
      });
      text += ']';
    }
  }
  text += ')';
}

template <class Items, class AppendItem>
void append_items(std::string& text, const Items& items, const AppendItem& append_item) {
  const char* separator = "";
  for (const auto& item : items) {
    text += separator;
    append_item(item);
    separator = ", ";
  }
}

// What arguments and values have in common. `append_item` appends one of what they hold.
template <class Kind, class AppendItem>
void append_common(std::string& text, const Kind& a, const AppendItem& append_item) {
  if (a.is_none()) {
    text += "None";
  } else if (a.is_bool()) {
    text += a.as_bool() ? "True" : "False";
  } else if (a.is_int()) {
    append_number(text, a.as_int());
  } else if (a.is_double()) {
    append_double(text, a.as_double());
  } else if (a.is_string()) {
    append_string(text, a.as_string());
  } else if (a.is_tensor()) {
    append_tensor(text, a.as_tensor());
  } else if (a.is_list()) {
    text += '[';
    append_items(text, a.items(), append_item);
    text += ']';
  } else if (a.is_tuple()) {
    text += '(';
    append_items(text, a.items(), append_item);
    text += a.items().size() == 1 ? ",)" : ")";
  } else {
    text += '{';
    append_items(text, a.entries(), [&](const auto& entry) {
      append_string(text, entry.first);
      text += ": ";
      append_item(entry.second);
    });
    text += '}';
  }
}

}  // namespace

void append_string(std::string& text, std::string_view value) {
  text += '"';
  while (!value.empty()) {
    const std::size_t length = utf8_length(value);
    const auto c = static_cast<unsigned char>(value[0]);
    const std::string_view sequence = value.substr(0, std::max<std::size_t>(length, 1));
    if (c == '"' || c == '\\') {
      text += '\\';
      text += value[0];
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c == '\r') {
      text += "\\r";
    } else if (length == 0 || is_control(sequence)) {
      for (const char byte : sequence) {
        text += "\\x";
        append_hex(text, static_cast<unsigned char>(byte), 2);
      }
    } else {
      text += sequence;
    }
    value.remove_prefix(sequence.size());
  }
  text += '"';
}

void append_word(std::string& text, std::string_view value) {
  const auto plain = [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != ',' && c != '(' && c != ')' && c != '[' && c != ']';
  };
  if (!value.empty() && std::all_of(value.begin(), value.end(), plain))
    text += value;
  else
    append_string(text, value);
}

void append_type(std::string& text, const TensorType& type) {
  text += to_string(type.dtype);
  if (!type.dims) return;
  text += '[';
  for (std::size_t i = 0; i < type.dims->size(); ++i) {
    const Dim& dim = (*type.dims)[i];
    if (i != 0) text += ", ";
    if (dim.known())
      text += std::to_string(dim.size);
    else if (dim.name.empty())
      text += '?';
    else if (is_identifier(dim.name))
      text += dim.name;
    else
      append_string(text, dim.name);
  }
  text += ']';
}

void append_argument(std::string& text, const Argument& a, const AppendName& append_name) {
  if (a.is_dtype()) {
    text += "dtype.";
    text += to_string(a.as_dtype());
  } else if (a.is_node()) {
    append_name(text, a.as_node());
  } else if (a.is_slice()) {
    const auto& s = a.as_slice();
    text += "slice(";
    append_argument(text, s.start, append_name);
    text += ", ";
    append_argument(text, s.stop, append_name);
    text += ", ";
    append_argument(text, s.step, append_name);
    text += ')';
  } else {
    append_common(text, a, [&](const Argument& item) { append_argument(text, item, append_name); });
  }
}

void append_value(std::string& text, const Value& value) {
  append_common(text, value, [&](const Value& item) { append_value(text, item); });
}

void append_metadata(std::string& text, const Metadata& metadata) {
  text += '{';
  append_items(text, metadata, [&](const auto& entry) {
    append_string(text, entry.first);
    text += ": ";
    append_value(text, entry.second);
  });
  text += '}';
}

void append_arguments(std::string& text, const Arguments& args, const AppendName& append_name) {
  append_items(text, args, [&](const Argument& item) { append_argument(text, item, append_name); });
}

void append_keywords(std::string& text, const Keywords& kwargs, const AppendName& append_name, std::string_view separator) {
  for (const auto& [key, value] : kwargs) {
    text += separator;
    if (is_identifier(key) && !is_keyword(key))
      text += key;
    else
      append_string(text, key);
    text += " = ";
    append_argument(text, value, append_name);
    separator = ", ";
  }
}

}  // namespace lazyfx::detail
