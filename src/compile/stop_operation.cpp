#include "compile/operation.hpp"
#include "compile/runtime_core.hpp"

namespace lazyfx {
namespace {

class StopOperation final : public compile::Operation<void(std::exception_ptr)> {
 public:
  using Operation::Operation;

  /// The runtime stops all the same; who awaited it hears at once.
  void cancel() override { complete(compile::Failure::cancelled()); }
  void complete(const compile::Failure& failure) noexcept {
    if (!claim()) return;
    outcome_ = failure;
    post();
  }
  void start(detail::RuntimeCore& core) {
    watch_cancellation();
    core.stop([op = std::static_pointer_cast<StopOperation>(shared_from_this())] { op->complete({}); });
  }

 private:
  void finish() override { invoke(outcome_.exception()); }

  compile::Failure outcome_;
};

}  // namespace

void Runtime::start_stop(const std::shared_ptr<detail::RuntimeCore>& core, detail::StopCompletion completion) {
  std::make_shared<StopOperation>(std::move(completion))->start(*core);
}

}  // namespace lazyfx
