#pragma once

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <memory>
#include <string>
#include <variant>

#include "lazyfx/compile/compile_error.hpp"
#include "lazyfx/error.hpp"
#include "what.hpp"

namespace lazyfx::compile {

/// Why a wait ends without a result. Travels between threads as a value; becomes an exception only on the thread that receives it
/// (a std::exception_ptr that crosses threads is counted by uninstrumented code that ThreadSanitizer cannot follow).
class Failure {
 public:
  Failure() = default;  ///< none
  explicit Failure(std::shared_ptr<const CompileError> error) : what_(std::move(error)) {}
  Failure(ErrorKind kind, const std::string& message) : what_(std::make_shared<const Error>(kind, message)) {}
  static Failure cancelled() {
    Failure f;
    f.what_ = Ended{boost::asio::error::operation_aborted};
    return f;
  }
  static Failure timed_out() {
    Failure f;
    f.what_ = Ended{boost::asio::error::timed_out};
    return f;
  }
  static Failure out_of_memory();
  static Failure overloaded();
  static Failure stopped();
  static Failure forked();
  static Failure no_thread();
  /// The exception being handled. Errors are kept, others become user_code.
  static Failure current();

  explicit operator bool() const noexcept { return what_.index() != 0; }
  /// null if there is none, or the wait was ended by its owner.
  std::shared_ptr<const Error> error() const noexcept {
    if (const auto* compile = std::get_if<1>(&what_)) return *compile;
    const auto* error = std::get_if<2>(&what_);
    return error != nullptr ? *error : nullptr;
  }
  std::exception_ptr exception() const;
  [[noreturn]] void raise() const { std::rethrow_exception(exception()); }

 private:
  struct Ended {
    boost::asio::error::basic_errors how;
  };
  std::variant<std::monostate, std::shared_ptr<const CompileError>, std::shared_ptr<const Error>, Ended> what_;
};

inline Failure Failure::current() {
  try {
    try {
      throw;
    } catch (const CompileError& e) { return Failure(std::make_shared<const CompileError>(e)); } catch (const Error& e) {
      return {e.kind(), what_of(e)};
    } catch (const std::bad_alloc&) { return out_of_memory(); } catch (const std::exception& e) {
      return {ErrorKind::user_code, what_of(e)};
    } catch (...) { return {ErrorKind::user_code, "something that is no std::exception was thrown"}; }
  } catch (const std::bad_alloc&) {
    return out_of_memory();  // for the failure itself
  }
}

// These are told when there may be no memory to tell with: made once, by Runtime's constructor at the latest.
inline Failure Failure::out_of_memory() {
  static const Failure failure(ErrorKind::resource, "out of memory");
  return failure;
}
inline Failure Failure::overloaded() {
  static const Failure failure(ErrorKind::overloaded, "the runtime's queue is full");
  return failure;
}
inline Failure Failure::stopped() {
  static const Failure failure(ErrorKind::stopped, "the runtime has stopped");
  return failure;
}
inline Failure Failure::forked() {
  static const Failure failure(ErrorKind::stopped,
                               "the process was forked: a child needs a Runtime of its own, the parent's threads are not there");
  return failure;
}
inline Failure Failure::no_thread() {
  static const Failure failure(ErrorKind::resource, "no thread could be started to compile on");
  return failure;
}

inline std::exception_ptr Failure::exception() const try {
  if (const auto* compile = std::get_if<1>(&what_)) return std::make_exception_ptr(CompileError(**compile));
  if (const auto* error = std::get_if<2>(&what_)) return std::make_exception_ptr(Error(**error));
  if (const auto* ended = std::get_if<Ended>(&what_)) return std::make_exception_ptr(boost::system::system_error(ended->how));
  return nullptr;
} catch (const std::bad_alloc&) {
  return std::current_exception();  // it cannot be copied for this thread
}

}  // namespace lazyfx::compile
