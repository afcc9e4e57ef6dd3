#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lazyfx/graph/code.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "lazyfx/store/parse_code.hpp"
#include "within_a_second.hpp"

/// Any text as code; what is read prints to text that reads to the same text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lazyfx;
  const auto print = [](const ParsedCode& code) {
    const Snapshot graph = code.graph->freeze();
    return render_code(graph, code.class_name, subgraphs_of(graph, *code.root)).text;
  };
  const WithinASecond limit;
  ParsedCode code;
  try {
    code = parse_code({reinterpret_cast<const char*>(data), size});
  } catch (const Error&) { return 0; }
  const std::string text = print(code);
  if (print(parse_code(text)) != text) std::abort();
  return 0;
}
