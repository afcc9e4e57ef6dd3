#include "problems.hpp"

#include <algorithm>
#include <utility>

#include "graph/utf8.hpp"

namespace lazyfx::onnx {

std::string in_quotes(std::string_view name) {
  constexpr std::size_t longest = 80;
  std::string text = "'";
  std::string_view rest = name;
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    const std::string_view sequence = rest.substr(0, std::max<std::size_t>(length, 1));
    if (name.size() - rest.size() + sequence.size() > longest) break;
    if (length == 0 || is_control(sequence))
      text += '?';
    else
      text += sequence;
    rest.remove_prefix(sequence.size());
  }
  if (!rest.empty()) text += "...";
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
