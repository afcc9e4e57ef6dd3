#pragma once

#include <string>

#include "lazyfx/error.hpp"
#include "lazyfx/module/module.hpp"

namespace lazyfx::store {

/// Stands for a module that a package only names; calling it says so.
class NamedModule : public Module {
 public:
  explicit NamedModule(std::string name) : name_(std::move(name)) {}
  Value call(std::span<const Value>) override {
    throw Error(ErrorKind::unsupported, "module " + name_ + " was mocked when its package was made and cannot be called");
  }
  std::string class_name() const override { return "Mock"; }
  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

}  // namespace lazyfx::store
