// What to_prometheus writes, read back by a checker of the text exposition format.
#define BOOST_TEST_MODULE compile_prometheus
#include <boost/test/unit_test.hpp>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lazyfx/error.hpp"
#include "lazyfx/module/lazy_graph_module.hpp"
#include "support/graphs.hpp"
#include "support/values.hpp"

using namespace lazyfx;

namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

struct Family {
  std::string help, type;
  std::vector<Sample> samples;
};

/// name{label="value",...} value. The value of a label ends at the first quote that no backslash precedes.
Sample parse_sample(const std::string& line) {
  Sample sample;
  std::size_t at = line.find_first_of("{ ");
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, line);
  sample.name = line.substr(0, at);
  BOOST_TEST(std::regex_match(sample.name, std::regex("[a-zA-Z_:][a-zA-Z0-9_:]*")), line);
  if (line[at] == '{') {
    ++at;
    while (line[at] != '}') {
      const std::size_t equals = line.find('=', at);
      BOOST_REQUIRE_MESSAGE(equals != std::string::npos && line[equals + 1] == '"', line);
      const std::string label = line.substr(at, equals - at);
      BOOST_TEST(std::regex_match(label, std::regex("[a-zA-Z_][a-zA-Z0-9_]*")), line);
      std::string value;
      for (at = equals + 2; line.at(at) != '"'; ++at) {
        if (line[at] != '\\') {
          value += line[at];
          continue;
        }
        const char escaped = line.at(++at);
        BOOST_REQUIRE_MESSAGE(std::string("\\\"n").find(escaped) != std::string::npos, line);
        value += escaped == 'n' ? '\n' : escaped;
      }
      BOOST_TEST(sample.labels.emplace(label, value).second, "twice: " << line);
      ++at;
      BOOST_REQUIRE_MESSAGE(line[at] == ',' || line[at] == '}', line);
      if (line[at] == ',') ++at;
    }
    ++at;
  }
  BOOST_REQUIRE_MESSAGE(line[at] == ' ', line);
  std::size_t used = 0;
  sample.value = std::stod(line.substr(at + 1), &used);
  BOOST_TEST(at + 1 + used == line.size(), line);
  return sample;
}

bool belongs(const std::string& sample, const std::string& family, const std::string& type) {
  if (type != "histogram") return sample == family;
  return sample == family + "_bucket" || sample == family + "_sum" || sample == family + "_count";
}

void check_histogram(const std::string& name, const Family& family) {
  double last_bound = -1, last_count = 0, count = -1, sum = -1;
  bool infinite = false;
  for (const Sample& sample : family.samples) {
    if (sample.name == name + "_sum") sum = sample.value;
    if (sample.name == name + "_count") count = sample.value;
    if (sample.name != name + "_bucket") continue;
    BOOST_TEST(!infinite, name << " goes on after +Inf");
    BOOST_REQUIRE(sample.labels.contains("le"));
    const double bound = std::stod(sample.labels.at("le"));
    BOOST_TEST(bound > last_bound, name);
    BOOST_TEST(sample.value >= last_count, name << " is not cumulative");
    infinite = sample.labels.at("le") == "+Inf";
    last_bound = bound;
    last_count = sample.value;
  }
  BOOST_TEST(infinite, name << " has no +Inf");
  BOOST_TEST(count == last_count, name);
  BOOST_TEST(sum >= 0, name);
}

/// Every line is HELP, TYPE or a sample of the family just announced; families come once.
std::map<std::string, Family> parse(const std::string& text) {
  std::map<std::string, Family> families;
  BOOST_REQUIRE(!text.empty());
  BOOST_TEST(text.back() == '\n');
  std::istringstream in(text);
  std::string current;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# HELP ")) {
      const std::size_t space = line.find(' ', 7);
      current = line.substr(7, space - 7);
      BOOST_TEST(families.emplace(current, Family{line.substr(space + 1), "", {}}).second, "twice: " << line);
    } else if (line.starts_with("# TYPE ")) {
      const std::size_t space = line.find(' ', 7);
      BOOST_TEST(line.substr(7, space - 7) == current);
      families[current].type = line.substr(space + 1);
      BOOST_TEST((std::set<std::string>{"counter", "gauge", "histogram"}.contains(families[current].type)), line);
    } else {
      Sample sample = parse_sample(line);
      BOOST_TEST(belongs(sample.name, current, families[current].type), line);
      families[current].samples.push_back(std::move(sample));
    }
  }
  for (const auto& [name, family] : families) {
    BOOST_TEST(!family.help.empty(), name);
    BOOST_TEST(!family.samples.empty(), name);
    if (family.type == "counter") BOOST_TEST(name.ends_with("_total"), name);
    if (family.type == "histogram") check_histogram(name, family);
  }
  return families;
}

double value_of(const std::map<std::string, Family>& families, const std::string& name) { return families.at(name).samples.at(0).value; }

}  // namespace

BOOST_AUTO_TEST_CASE(the_text_is_well_formed_before_anything_happened) {
  const auto families = parse(to_prometheus(RuntimeStats()));
  for (const auto& [name, family] : families) {
    BOOST_TEST(name.starts_with("lazyfx_"));
    for (const Sample& sample : family.samples) BOOST_TEST(sample.value == 0);
  }
}

BOOST_AUTO_TEST_CASE(every_figure_is_the_one_of_the_statistics) {
  RuntimeStats s;
  s.marks = 11, s.marks_coalesced = 12, s.compiles_started = 13, s.compiles_finished = 14, s.compiles_superseded = 15;
  s.compiles_cancelled = 16, s.compiles_failed = 17, s.flights_joined = 18, s.cache_hits = 19, s.cache_misses = 20;
  s.specializations = 21, s.runs = 22, s.waits = 23, s.events_lost = 24, s.hook_failures = 25, s.relinks = 34, s.nest_visits = 44;
  s.queued = 26, s.running = 27, s.waiting = 28, s.executables = 29, s.plans = 30;
  s.executable_bytes = 31, s.weight_bytes = 32, s.arena_bytes = 33, s.oldest_job = std::chrono::milliseconds(1500);
  s.known_failures = 34, s.compiles_deferred = 35, s.overloaded = 36, s.threads = 37, s.cached = 38, s.cached_bytes = 39;
  s.compiles_dropped = 45, s.specializations_failed = 46;
  s.kernels_made = 40, s.kernels_shared = 41, s.constants_packed = 42, s.constants_shared = 43, s.graph_bytes = 47;
  s.queue_wait.counts[0] = 5, s.queue_wait.counts[2] = 7, s.queue_wait.counts[Histogram::bucket_count - 1] = 1;
  s.queue_wait.sum = std::chrono::nanoseconds(9'000'000'123'456'789);
  const std::string text = to_prometheus(s);
  const auto families = parse(text);
  const std::vector<std::pair<const char*, double>> expected = {{"marks_total", 11},
                                                                {"marks_coalesced_total", 12},
                                                                {"compiles_started_total", 13},
                                                                {"compiles_finished_total", 14},
                                                                {"compiles_superseded_total", 15},
                                                                {"compiles_cancelled_total", 16},
                                                                {"compiles_failed_total", 17},
                                                                {"compiles_dropped_total", 45},
                                                                {"specializations_failed_total", 46},
                                                                {"flights_joined_total", 18},
                                                                {"cache_hits_total", 19},
                                                                {"cache_misses_total", 20},
                                                                {"specializations_total", 21},
                                                                {"runs_total", 22},
                                                                {"waits_total", 23},
                                                                {"relinks_total", 34},
                                                                {"nest_visits_total", 44},
                                                                {"events_lost_total", 24},
                                                                {"hook_failures_total", 25},
                                                                {"queued_jobs", 26},
                                                                {"running_jobs", 27},
                                                                {"waiting_calls", 28},
                                                                {"executables", 29},
                                                                {"plans", 30},
                                                                {"executable_bytes", 31},
                                                                {"graph_bytes", 47},
                                                                {"weight_bytes", 32},
                                                                {"arena_bytes", 33},
                                                                {"known_failures_total", 34},
                                                                {"compiles_deferred_total", 35},
                                                                {"overloaded_total", 36},
                                                                {"pool_threads", 37},
                                                                {"cached_executables", 38},
                                                                {"cached_bytes", 39},
                                                                {"kernels_made_total", 40},
                                                                {"kernels_shared_total", 41},
                                                                {"constants_packed_total", 42},
                                                                {"constants_shared_total", 43},
                                                                {"oldest_job_seconds", 1.5}};
  for (const auto& [name, value] : expected) BOOST_TEST(value_of(families, std::string("lazyfx_") + name) == value, name);
  const auto& queue = families.at("lazyfx_queue_wait_seconds").samples;
  BOOST_TEST(queue[0].labels.at("le") == "1.024e-06");
  BOOST_TEST(queue[0].value == 5);
  BOOST_TEST(queue[1].value == 5);
  BOOST_TEST(queue[2].value == 12);
  BOOST_TEST(queue[Histogram::bucket_count - 1].value == 13);
  BOOST_TEST(text.find("\nlazyfx_queue_wait_seconds_sum 9000000.123456789\n") != std::string::npos);
  BOOST_TEST(text.find("\nlazyfx_queue_wait_seconds_count 13\n") != std::string::npos);
  BOOST_TEST(families.size() == expected.size() + 5);
}

BOOST_AUTO_TEST_CASE(labels_are_on_every_sample_and_escaped) {
  const Labels labels = {{"runtime", "a \"quoted\" back\\slash\nand a line"}, {"zone", "1"}};
  const auto families = parse(to_prometheus(RuntimeStats(), labels));
  for (const auto& [name, family] : families) {
    for (const Sample& sample : family.samples) {
      BOOST_TEST(sample.labels.at("runtime") == labels[0].second);
      BOOST_TEST(sample.labels.at("zone") == "1");
    }
  }
}

BOOST_AUTO_TEST_CASE(label_names_that_the_format_forbids_are_refused) {
  for (const char* name : {"", "1st", "a-b", "le", "__name__", "a b", "\xc3\xa4"}) {
    const Labels labels = {{name, "x"}};
    BOOST_CHECK_THROW(to_prometheus(RuntimeStats(), labels), Error);
  }
}

BOOST_AUTO_TEST_CASE(a_label_name_that_comes_twice_is_refused) {
  const Labels labels = {{"zone", "1"}, {"runtime", "a"}, {"zone", "2"}};
  BOOST_CHECK_EXCEPTION(to_prometheus(RuntimeStats(), labels), Error,
                        [](const Error& e) { return std::string(e.what()).find("'zone'") != std::string::npos; });
}

BOOST_AUTO_TEST_CASE(a_runtime_that_worked_is_well_formed_too) {
  Runtime runtime;
  LazyGraphModule module(runtime, support::plus(1));
  module.recompile();
  module(Inputs(support::vec({0, 0, 0, 0})));
  const auto families = parse(to_prometheus(runtime.stats()));
  BOOST_TEST(value_of(families, "lazyfx_marks_total") == 1);
  BOOST_TEST(value_of(families, "lazyfx_compiles_finished_total") == 1);
  BOOST_TEST(families.at("lazyfx_compile_seconds").samples.back().value == 1);
}
