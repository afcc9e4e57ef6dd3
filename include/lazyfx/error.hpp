// Stability: stable.
#pragma once

#include <stdexcept>
#include <string>

#include "lazyfx/export.hpp"

namespace lazyfx {

/// What a caller can do about an error, not where it was noticed.
enum class ErrorKind {
  invalid_argument,  ///< a call was given something it does not take: a shape, a dtype, a foreign node
  invalid_graph,     ///< a graph breaks a rule of the IR; sticky until the next mark
  invalid_model,     ///< a file or archive is truncated, damaged or absurd
  unsupported,       ///< well formed, but an operator, version or type is not known here
  backend,           ///< a kernel library refused or failed
  user_code,         ///< an operator, hook or module supplied by the user threw
  resource,          ///< a limit or memory was exhausted; a later retry may succeed
  overloaded,        ///< the runtime's queue is full; a later retry may succeed
  cancelled,         ///< this waiter was cancelled
  would_deadlock,    ///< waiting here could never end: the caller is the thread it would wait for
  stopped,           ///< the runtime has stopped
};

/// The enumerator's own spelling, for messages and logs: "invalid_argument". Never null.
LAZYFX_API const char* to_string(ErrorKind kind) noexcept;

/// Base of everything lazyfx throws. The message is one sentence that names the place (file, node, operator, input).
/// Thread safety: a value; copy it freely between threads.
class LAZYFX_API Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  /// The copy has a message of its own: the one that std::runtime_error shares between copies is counted where ThreadSanitizer cannot see it.
  Error(const Error& other) : std::runtime_error(std::string(other.what())), kind_(other.kind_) {}
  Error& operator=(const Error& other) {
    std::runtime_error::operator=(Error(other));
    kind_ = other.kind_;
    return *this;
  }
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace lazyfx
