#pragma once

#include <memory>

#include "module/module_core.hpp"

namespace lazyfx::detail {

/// An asynchronous call that need not wait. False: it has to be started.
bool answers_now(ModuleCore& core, const Inputs& inputs, const ForwardOptions& options, std::exception_ptr& error, Value& value) noexcept;
/// Starts an asynchronous call, which waits, specialises and runs.
void start_forward(const std::shared_ptr<ModuleCore>& core, Inputs inputs, const ForwardOptions& options, ForwardCompletion completion);
/// Starts an asynchronous wait until the generation current now is published at `tier` or above.
void start_ready(const std::shared_ptr<ModuleCore>& core, Tier tier, const WaitOptions& options, ReadyCompletion completion);

/// Asks for the plan as prefetch() does, if it is not known, nor why there will be none. True: so it is.
bool lacks_plan(compile::Executable& executable, const compile::Signature& signature);

}  // namespace lazyfx::detail
