#include "problems.hpp"

#include <algorithm>
#include <utility>

#include "graph/utf8.hpp"

namespace lazyfx::onnx {

std::string in_quotes(std::string_view name) {
  constexpr std::size_t longest = 80;
  std::string text = "'";
  for (std::string_view rest = name.substr(0, longest); !rest.empty();) {
    const std::size_t length = utf8_length(rest);
    const auto c = static_cast<unsigned char>(rest[0]);
    if (length == 0 || c < 0x20 || c == 0x7f)
      text += '?';
    else
      text += rest.substr(0, length);
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  if (name.size() > longest) text += "...";
  return text + "'";
}

void Problems::add(ErrorKind kind, std::string sentence) {
  if (count_ == 0 || kind == ErrorKind::invalid_model) kind_ = kind;
  if (sentences_.size() < shown) sentences_.push_back(std::move(sentence));
  ++count_;
}

void Problems::raise(const std::string& file) const {
  std::string message = file + ": ";
  for (std::size_t i = 0; i < sentences_.size(); ++i) message += (i == 0 ? "" : "; ") + sentences_[i];
  if (count_ > sentences_.size()) message += "; and " + std::to_string(count_ - sentences_.size()) + " more";
  throw Error(kind_, message);
}

}  // namespace lazyfx::onnx
