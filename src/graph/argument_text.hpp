#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "lazyfx/graph/argument.hpp"
#include "lazyfx/graph/node.hpp"
#include "lazyfx/tensor/type.hpp"

namespace lazyfx::detail {

/// Appends a node's name, as the text at hand writes it.
using AppendName = std::function<void(std::string&, NodeId)>;

// What is appended has no line breaks and reads back as what was given; see code.hpp for the forms.
void append_argument(std::string& text, const Argument& argument, const AppendName& append_name);
void append_value(std::string& text, const Value& value);
/// {"key": value}
void append_metadata(std::string& text, const Metadata& metadata);
void append_string(std::string& text, std::string_view value);
void append_type(std::string& text, const TensorType& type);
/// "x, (1, 2)"
void append_arguments(std::string& text, const Arguments& args, const AppendName& append_name);
/// "axis = 1, keepdims = True", after `separator` if there are any.
void append_keywords(std::string& text, const Keywords& kwargs, const AppendName& append_name, std::string_view separator);
/// As it stands if it is one word of printable characters, else quoted.
void append_word(std::string& text, std::string_view value);

}  // namespace lazyfx::detail
