#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "lazyfx/compile/runtime.hpp"

namespace lazyfx::cli {

/// While it lives, `progress` shows how far the runtime's compiles are, ten times a second: what ends sooner is not disturbed. Nobody else
/// uses `progress` meanwhile. Does nothing, and costs no thread, when that is no terminal.
class CompileLine {
 public:
  CompileLine(const Runtime& runtime, Progress& progress, std::string file);
  ~CompileLine();
  CompileLine(const CompileLine&) = delete;
  CompileLine& operator=(const CompileLine&) = delete;

 private:
  void work();

  const Runtime& runtime_;
  Progress& progress_;
  const std::string file_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;  // protected by mutex_
  std::thread thread_;
};

/// --trace FILE: its description, what it asks of the runtime, and the writing of it (nothing, when it is not given).
void add_trace(boost::program_options::options_description& options);
RuntimeOptions traced(const Parsed& parsed, RuntimeOptions options = {});
void write_trace(const Parsed& parsed, const Runtime& runtime);

}  // namespace lazyfx::cli
