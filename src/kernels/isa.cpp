#include "kernels/isa.hpp"

#include <cstdlib>
#include <string>
#include <string_view>

#include "kernels/vector_targets.hpp"  // before Highway's own

#include <hwy/highway.h>
#include <oneapi/dnnl/dnnl.h>

#include "kernels/kernel.hpp"
#include "lazyfx/error.hpp"

// The OpenMP runtime that oneDNN links; its header is the compiler's own and missing from clang's search path.
extern "C" int omp_get_max_threads(void);
extern "C" void omp_set_num_threads(int);

namespace lazyfx::kernels {
namespace {

Isa widest_allowed() {
  const char* const text = std::getenv("LAZYFX_MAX_ISA");
  const std::string_view wish(text != nullptr ? text : "");
  if (wish == "sse4") return Isa::sse4;
  if (wish == "avx2") return Isa::avx2;
  if (wish.empty() || wish == "avx512") return Isa::avx512;
  throw Error(ErrorKind::invalid_argument, "LAZYFX_MAX_ISA is '" + std::string(wish) + "': it may be sse4, avx2 or avx512");
}

Isa configure() {
  const Isa allowed = widest_allowed();
  constexpr std::int64_t avx512 = HWY_AVX3 | HWY_AVX3_DL;
  // Both refuse after their first use, and then the process keeps what it has: an embedding program that used them before us decides.
  if (allowed == Isa::avx2) {
    hwy::DisableTargets(avx512);
    dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
  } else if (allowed == Isa::sse4) {
    hwy::DisableTargets(avx512 | HWY_AVX2);
    dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
  }
  // Compiled kernels are kept, shared and evicted by content one level up; a second cache would hide memory from that one.
  dnnl_set_primitive_cache_capacity(0);
  const std::int64_t supported = hwy::SupportedTargets();
  // Asking leaves Highway 1.0.3 set up for everything the processor has, disabled or not.
  hwy::GetChosenTarget().Update(supported);
  if ((supported & avx512) != 0) return Isa::avx512;
  return (supported & HWY_AVX2) != 0 ? Isa::avx2 : Isa::sse4;
}

}  // namespace

Isa isa() {
  static const Isa value = configure();
  return value;
}

const char* isa_name() {
  switch (isa()) {
    case Isa::sse4: return "sse4";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx3";
  }
  return "unknown";
}

SingleThreadScope::SingleThreadScope() : previous_(omp_get_max_threads()) {
  if (previous_ != 1) omp_set_num_threads(1);
}

SingleThreadScope::~SingleThreadScope() {
  if (previous_ != 1) omp_set_num_threads(previous_);
}

}  // namespace lazyfx::kernels
