#include "cli/watching.hpp"

#include <chrono>
#include <utility>

namespace lazyfx::cli {

CompileLine::CompileLine(const Runtime& runtime, Progress& progress, std::string file)
    : runtime_(runtime), progress_(progress), file_(std::move(file)) {
  if (progress_.terminal()) thread_ = std::thread([this] { work(); });
}

CompileLine::~CompileLine() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    ended_.notify_one();
  }
  thread_.join();
}

void CompileLine::work() {
  constexpr auto pause = std::chrono::milliseconds(100);
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, pause, [this] { return over_; })) {
    const auto compiles = runtime_.compiles();
    if (compiles.empty()) continue;
    const CompileProgress& compile = compiles.front();
    progress_.show("compiling " + file_ + ": " + compile.step + ", " + std::to_string(compile.steps_done) + " of " +
                   std::to_string(compile.steps_in_all) + " steps");
  }
}

void add_trace(boost::program_options::options_description& options) {
  options.add_options()("trace", boost::program_options::value<std::string>()->value_name("FILE"),
                        "write what was compiled when there, for ui.perfetto.dev or chrome://tracing");
}

RuntimeOptions traced(const Parsed& parsed, RuntimeOptions options) {
  constexpr std::size_t slices = 1 << 16;
  if (parsed.options.contains("trace")) options.trace(slices);
  return options;
}

void write_trace(const Parsed& parsed, const Runtime& runtime) {
  if (parsed.options.contains("trace")) runtime.write_trace(std::filesystem::path(parsed.options["trace"].as<std::string>()));
}

}  // namespace lazyfx::cli
