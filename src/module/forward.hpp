#pragma once

#include <memory>

#include "module/module_core.hpp"

namespace lazyfx::detail {

/// Starts an asynchronous call: answers at once if it can (the completion is still posted), else waits, specialises and runs.
void start_forward(const std::shared_ptr<ModuleCore>& core, Inputs inputs, const ForwardOptions& options,
                   const boost::asio::any_io_executor& executor, ForwardHandler handler);
/// Starts an asynchronous wait until the generation current now is published at `tier` or above.
void start_ready(const std::shared_ptr<ModuleCore>& core, Tier tier, const boost::asio::any_io_executor& executor, ReadyHandler handler);

}  // namespace lazyfx::detail
