#include "compile/thread_priority.hpp"

#include <linux/sched.h>
#include <linux/sched/types.h>  // excludes <sched.h>, which names the same things
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lazyfx::compile {
namespace {

// Longer than the system's own slices, so that from Linux 6.12 on a thread that wakes need not wait for the end of one.
constexpr unsigned long long slice_ns = 3'000'000;

}  // namespace

void stand_back(int niceness) noexcept {
  ::sched_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.sched_policy = SCHED_BATCH;
  attributes.sched_nice = niceness;
  attributes.sched_runtime = slice_ns;
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) == 0) return;
  // Niceness is per thread on Linux.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), niceness));
}

}  // namespace lazyfx::compile
