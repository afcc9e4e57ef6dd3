#pragma once

#include <exception>

namespace lazyfx {

/// What an exception says; a user's own may say nothing, not even an empty text.
inline const char* what_of(const std::exception& e) noexcept {
  const char* what = e.what();
  return what != nullptr ? what : "an exception without a message was thrown";
}

}  // namespace lazyfx
