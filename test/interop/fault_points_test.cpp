// Graphs and tensors made elsewhere, with each allocation failing in turn.
#define BOOST_TEST_MODULE interop_fault_points
#include <boost/test/unit_test.hpp>

#include <memory>
#include <span>
#include <string>

#include "interop/onnx_writer.hpp"
#include "lazyfx/interop/onnx.hpp"
#include "lazyfx/interop/text.hpp"
#include "lazyfx/tensor/dlpack.hpp"
#include "support/fault_points.hpp"

using namespace support;

BOOST_AUTO_TEST_CASE(importing_survives_it) {
  const std::string bytes = onnx_writer::model(onnx_writer::dense());
  every_allocation_fails_once(nothing, [&](World&) {
    const auto owner = std::make_shared<std::string>(bytes);
    static_cast<void>(onnx::import_model(std::as_bytes(std::span(*owner)), owner, "a.onnx", operators));
  });
}

BOOST_AUTO_TEST_CASE(importing_a_text_survives_it) {
  every_allocation_fails_once(nothing, [](World&) {
    const char* text = "def forward(x: f32[N, 2]):\n    y = onnx::Mul(x, tensor(f32[2], [2.0, 3.0]))\n    return y\n";
    static_cast<void>(import_text(text, "a text whose name is longer than a short string", operators));
  });
}

BOOST_AUTO_TEST_CASE(lending_a_tensor_and_taking_it_over_survive_it) {
  every_allocation_fails_once(clean, [](World& w) { static_cast<void>(from_dlpack(to_dlpack(w.x))); });
}
