#include "lazyfx/store/store_error.hpp"

namespace lazyfx {
namespace {

ErrorKind kind_of(StoreFault fault) {
  switch (fault) {
    case StoreFault::truncated:
    case StoreFault::extended:
    case StoreFault::corrupted: return ErrorKind::invalid_model;
    case StoreFault::outdated:
    case StoreFault::too_new:
    case StoreFault::incompatible:
    case StoreFault::unsupported: return ErrorKind::unsupported;
    case StoreFault::too_large:
    case StoreFault::unwritable: return ErrorKind::resource;
    case StoreFault::not_found: return ErrorKind::invalid_argument;
  }
  __builtin_unreachable();
}

}  // namespace

const char* to_string(StoreFault fault) noexcept {
  switch (fault) {
    case StoreFault::truncated: return "truncated";
    case StoreFault::extended: return "extended";
    case StoreFault::corrupted: return "corrupted";
    case StoreFault::outdated: return "outdated";
    case StoreFault::too_new: return "too_new";
    case StoreFault::incompatible: return "incompatible";
    case StoreFault::unsupported: return "unsupported";
    case StoreFault::too_large: return "too_large";
    case StoreFault::not_found: return "not_found";
    case StoreFault::unwritable: return "unwritable";
  }
  return "unknown";
}

StoreError::StoreError(StoreFault fault, const std::string& message) : Error(kind_of(fault), message), fault_(fault) {}

}  // namespace lazyfx
