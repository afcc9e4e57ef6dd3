#pragma once

#include <string>

#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/interop/onnx.hpp"

namespace lazyfx::cli {

/// A model by the ending of its file: .lfx is a package, and so is a folder with a manifest.json, from which its one module (or that called "model") is taken; .fx a text graph;
/// anything else is read as ONNX. Throws Error that names the file.
onnx::ImportedModel load_model(const std::string& file, Runtime& runtime);

/// What packages made here hold beside the module: who produced the model, and what it calls its outputs.
inline constexpr const char* facts_package = "lazyfx";
inline constexpr const char* facts_resource = "model.json";

bool is_package(const std::string& file);

}  // namespace lazyfx::cli
