#include "problems.hpp"

#include <utility>

namespace lazyfx::onnx {

void Problems::add(ErrorKind kind, std::string sentence) {
  if (count_ == 0 || kind == ErrorKind::invalid_model) kind_ = kind;
  if (sentences_.size() < most_shown) sentences_.push_back(std::move(sentence));
  ++count_;
}

void Problems::raise(const std::string& file) const {
  std::string message = file + ": ";
  for (std::size_t i = 0; i < sentences_.size(); ++i) message += (i == 0 ? "" : "; ") + sentences_[i];
  if (count_ > sentences_.size()) message += "; and " + std::to_string(count_ - sentences_.size()) + " more";
  throw Error(kind_, message);
}

}  // namespace lazyfx::onnx
