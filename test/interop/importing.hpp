#pragma once

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/module/interpreter.hpp"
#include "onnx_writer.hpp"

namespace importing {

inline const lazyfx::OperatorRegistry& operators() {
  static const lazyfx::OperatorRegistry registry = lazyfx::OperatorRegistry::standard();
  return registry;
}

inline lazyfx::onnx::ImportedModel import_bytes(std::string_view bytes, lazyfx::onnx::ImportOptions options = {}) {
  const auto owner = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
  return lazyfx::onnx::import_model(std::as_bytes(std::span(*owner)), owner, "test.onnx", operators(), std::move(options));
}

inline lazyfx::Value run(const lazyfx::onnx::ImportedModel& model, const std::vector<lazyfx::Value>& inputs) {
  return lazyfx::Interpreter(model.graph->freeze(), model.root.get(), operators()).run(inputs);
}

/// What importing `bytes` fails with; the test fails when it does not.
inline std::pair<lazyfx::ErrorKind, std::string> failure_of(std::string_view bytes) {
  try {
    import_bytes(bytes);
  } catch (const lazyfx::Error& error) { return {error.kind(), error.what()}; }
  BOOST_FAIL("the model was imported");
  return {};
}

inline bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Importing `bytes` is Error(kind), one line that begins with the file's name and contains each of `parts`.
inline void check_refused(std::string_view bytes, lazyfx::ErrorKind kind, std::initializer_list<std::string_view> parts) {
  const auto [actual, message] = failure_of(bytes);
  BOOST_TEST_INFO(message);
  BOOST_TEST((actual == kind));
  BOOST_TEST_INFO(message);
  BOOST_TEST(message.starts_with("test.onnx: "));
  BOOST_TEST(!contains(message, "\n"));
  for (const auto part : parts) BOOST_TEST(contains(message, part), "\"" << message << "\" does not speak of \"" << part << "\"");
}

}  // namespace importing
