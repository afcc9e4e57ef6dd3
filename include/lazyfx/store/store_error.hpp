// Stability: stable.
#pragma once

#include <cstdint>
#include <string>

#include "lazyfx/error.hpp"
#include "lazyfx/export.hpp"

namespace lazyfx {

/// What is wrong with an archive or package.
enum class StoreFault : std::uint8_t {
  truncated,     ///< it ends before it should
  extended,      ///< it goes on after its end
  corrupted,     ///< its bytes are not those that were written
  outdated,      ///< written in a form so old that it is no longer read
  too_new,       ///< written by a later version, in a form that cannot be skipped
  incompatible,  ///< whole, but it needs what is not here: an operator, an extern module, a reconstructor
  unsupported,   ///< a form that is not read here, such as compressed entries
  too_large,     ///< a count or size is beyond the limits given
  not_found,     ///< there is no entry of this name
  unwritable,    ///< the place it should be saved to refuses
};

/// "truncated", ... Never null.
LAZYFX_API const char* to_string(StoreFault fault) noexcept;

/// What saving and loading throw about an archive or package. The message names the file and the place in it.
class LAZYFX_API StoreError : public Error {
 public:
  StoreError(StoreFault fault, const std::string& message);
  StoreFault fault() const noexcept { return fault_; }

 private:
  StoreFault fault_;
};

}  // namespace lazyfx
