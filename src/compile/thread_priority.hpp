#pragma once

namespace lazyfx::compile {

/// Makes the calling thread one that others come before: of the given niceness (0 to 19), in slices no shorter than theirs, and never taking the
/// processor from whoever wakes it. What the system refuses of it is left as it is.
void stand_back(int niceness) noexcept;

}  // namespace lazyfx::compile
