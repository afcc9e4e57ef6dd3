#include "compile/operation.hpp"
#include "compile/runtime_core.hpp"

namespace lazyfx {
namespace {

class StopOperation final : public compile::Operation<detail::StopHandler> {
 public:
  using Operation::Operation;

  /// The runtime stops all the same; who awaited it hears at once.
  void cancel() override { complete(compile::Failure::cancelled()); }
  void complete(const compile::Failure& failure) noexcept {
    if (!claim()) return;
    post([op = std::static_pointer_cast<StopOperation>(shared_from_this()), failure] { op->invoke(failure.exception()); });
  }
  void start(detail::RuntimeCore& core) {
    watch_cancellation();
    core.stop([op = std::static_pointer_cast<StopOperation>(shared_from_this())] { op->complete({}); });
  }
};

}  // namespace

void Runtime::start_stop(const std::shared_ptr<detail::RuntimeCore>& core, const boost::asio::any_io_executor& executor,
                         detail::StopHandler handler) {
  std::make_shared<StopOperation>(executor, std::move(handler))->start(*core);
}

}  // namespace lazyfx
