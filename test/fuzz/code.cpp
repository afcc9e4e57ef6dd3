#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lazyfx/graph/code.hpp"
#include "lazyfx/store/parse_code.hpp"
#include "within_a_second.hpp"

/// Any text as code; what is read prints to text that reads to the same text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lazyfx;
  const WithinASecond limit;
  try {
    const auto first = parse_code({reinterpret_cast<const char*>(data), size});
    const std::string text = render_code(first.graph->freeze(), first.class_name).text;
    const auto second = parse_code(text);
    if (render_code(second.graph->freeze(), second.class_name).text != text) std::abort();
  } catch (const Error&) {}
  return 0;
}
