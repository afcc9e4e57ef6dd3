#include <cstddef>
#include <cstdint>
#include <string>

#include "lazyfx/error.hpp"
#include "lazyfx/store/archive.hpp"
#include "store/modules.hpp"
#include "store/seal.hpp"
#include "within_a_second.hpp"

/// Any bytes as an archive, and as the state behind right digests.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lazyfx;
  static Runtime runtime(RuntimeOptions().threads(1));
  static const LoadOptions options =
      LoadOptions().reconstructors(stored::with_scale()).limits(StoreLimits().memory(std::uint64_t{8} << 20).node_ids(1 << 14));
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string bytes = data[0] % 3 == 0 ? rest : data[0] % 3 == 1 ? seal::archive(rest) : seal::archive_of(rest);
  const WithinASecond limit;
  try {
    const auto module = load_from_bytes(std::as_bytes(std::span(bytes)), runtime, options);
    // What was accepted can be saved, and is accepted again.
    const std::string again = save_to_bytes(*module, options.reconstructors());
    load_from_bytes(std::as_bytes(std::span(again)), runtime, options);
  } catch (const Error&) {}
  return 0;
}
