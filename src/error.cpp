#include "lazyfx/error.hpp"

namespace lazyfx {

const char* to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::invalid_argument: return "invalid_argument";
    case ErrorKind::invalid_graph: return "invalid_graph";
    case ErrorKind::invalid_model: return "invalid_model";
    case ErrorKind::unsupported: return "unsupported";
    case ErrorKind::backend: return "backend";
    case ErrorKind::user_code: return "user_code";
    case ErrorKind::resource: return "resource";
    case ErrorKind::overloaded: return "overloaded";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::would_deadlock: return "would_deadlock";
    case ErrorKind::stopped: return "stopped";
  }
  return "unknown";
}

}  // namespace lazyfx
