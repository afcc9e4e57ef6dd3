#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cli/inputs.hpp"
#include "cli/isolate.hpp"
#include "cli/model.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "cli/watching.hpp"
#include "lazyfx/compile/runtime.hpp"
#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"

namespace lazyfx::cli {
namespace {
namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Plan {
  std::map<std::string, std::string> files;
  std::map<std::string, Shape> shapes;
  std::size_t threads = 1;
  double seconds = 2;
  bool warm = false;
  std::string tier;
};

double ms(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Takes the file out of the system's cache, as for a program that has just been deployed.
void forget(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;  // the import will say why
  ::fsync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
}

std::vector<double> steady_runs(GraphModule& module, const std::vector<Value>& inputs, double seconds) {
  constexpr std::size_t least = 10, most = 1'000'000, warm_up = 3;
  for (std::size_t i = 0; i < warm_up; ++i) module.call(inputs);
  std::vector<double> times;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  while (times.size() < least || (times.size() < most && Clock::now() < end)) {
    const auto from = Clock::now();
    module.call(inputs);
    times.push_back(ms(Clock::now() - from));
  }
  return times;
}

Json measure(const std::string& file, const Plan& plan, const Parsed& parsed, Progress& progress) {
  Runtime runtime(traced(parsed, RuntimeOptions().threads(plan.threads)));
  const auto opened = Clock::now();
  const auto model = load_model(file, runtime);
  const auto loaded = Clock::now();
  const auto inputs = make_inputs(model, plan.files, plan.shapes);
  const auto began = Clock::now();
  LazyGraphModule module(runtime, model.graph, model.root.get());
  std::optional<CompileLine> line(std::in_place, runtime, progress, file);
  module.real_recompile();
  const auto compiled = Clock::now();
  module.call(inputs);
  const auto first = Clock::now();
  line.reset();
  progress.show("measuring " + file);
  write_trace(parsed, runtime);
  const auto runs = steady_runs(module, inputs, plan.seconds);
  const double run = median(runs);
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {{"model", file},
          {"nodes", model.graph->size()},
          {"load_ms", ms(loaded - opened)},
          // What is specialised for these inputs' shapes happens inside the first call.
          {"compile_ms", ms(compiled - began) + std::max(0.0, ms(first - compiled) - run)},
          {"first_output_ms", ms(loaded - opened) + ms(first - began)},
          {"run_ms_min", *std::min_element(runs.begin(), runs.end())},
          {"run_ms_median", run},
          {"threads", plan.threads},
          {"tier", plan.tier},
          {"peak_mb", static_cast<double>(usage.ru_maxrss) / 1024}};
}

constexpr std::array columns = {"nodes",         "load_ms", "compile_ms", "first_output_ms", "run_ms_min",
                                "run_ms_median", "threads", "tier",       "peak_mb"};

int width_of(std::string_view column) { return static_cast<int>(std::max<std::size_t>(column.size(), 8)) + 2; }

void print_row(const Json& row) {
  std::cout << row["model"].get<std::string>() << '\n';
  for (const char* column : columns) {
    std::ostringstream cell;
    const auto& value = row[column];
    if (value.is_number_float())
      cell << std::fixed << std::setprecision(3) << value.get<double>();
    else if (value.is_string())
      cell << value.get<std::string>();
    else
      cell << value;
    std::cout << std::setw(width_of(column)) << cell.str();
  }
  std::cout << std::endl;
}

void print_heading() {
  for (const char* column : columns) std::cout << std::setw(width_of(column)) << column;
  std::cout << '\n';
}

Plan plan_of(const Parsed& parsed) {
  Plan plan;
  plan.tier = tier_of(parsed);
  plan.files = parse_files(list_of(parsed, "input"));
  plan.shapes = parse_shapes(list_of(parsed, "shape"));
  plan.warm = parsed.options.contains("warm");
  const auto threads = parsed.options["threads"].as<int>();
  plan.seconds = parsed.options["seconds"].as<double>();
  if (threads < 1 || threads > 1024) throw UsageError("--threads takes 1 to 1024, not " + std::to_string(threads));
  if (!(plan.seconds >= 0 && plan.seconds <= 86400)) throw UsageError("--seconds takes 0 to 86400");
  plan.threads = static_cast<std::size_t>(threads);
  return plan;
}

}  // namespace

int bench_command(const std::vector<std::string>& arguments) {
  po::options_description options("options");
  options.add_options()("threads", po::value<int>()->value_name("N")->default_value(1), "threads of the runtime")(
      "input", po::value<std::vector<std::string>>()->value_name("NAME=FILE"),
      "elements of an input, from a .npy or TensorProto .pb file; repeatable")(
      "shape", po::value<std::vector<std::string>>()->value_name("NAME=DIMS"), "shape of an input; repeatable")(
      "seconds", po::value<double>()->value_name("S")->default_value(2), "how long to run each model")(
      "warm", "leave the file in the system's cache")("json", po::value<std::string>()->value_name("FILE"), "write the figures there too");
  add_tier(options);
  add_trace(options);
  const auto parsed = parse(arguments, options, "bench MODEL... [OPTIONS]");
  if (!parsed) return success;
  if (parsed->operands.empty()) throw UsageError("bench takes at least one MODEL");
  if (parsed->options.contains("trace") && parsed->operands.size() != 1) throw UsageError("--trace FILE takes one MODEL");
  const Plan plan = plan_of(*parsed);

  Progress progress;
  Json rows = Json::array();
  int status = success;
  for (const auto& file : parsed->operands) {
    progress.show("measuring " + file);
    if (!plan.warm) forget(file);
    // A process for each model: none finds another's memory or caches, and peak_mb is its own.
    constexpr auto patience = std::chrono::hours(25);
    const auto result =
        isolate([&] { return measure(file, plan, *parsed, progress).dump(-1, ' ', false, Json::error_handler_t::replace); }, patience);
    progress.clear();
    if (!result.finished) {
      std::cerr << "lazyfx: " << (result.text.starts_with(file) ? "" : file + ": ") << result.text << '\n';
      status = bad_input;
      continue;
    }
    if (rows.empty()) print_heading();
    rows.push_back(Json::parse(result.text));
    print_row(rows.back());
  }
  if (parsed->options.contains("json")) {
    const auto& target = parsed->options["json"].as<std::string>();
    std::ofstream out(target);
    out << rows.dump(2) << '\n';
    out.close();
    if (!out) throw Error(ErrorKind::invalid_argument, target + ": it cannot be written");
  }
  return status;
}

}  // namespace lazyfx::cli
