#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

#include "compile/histogram.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx {
namespace {

using std::chrono::nanoseconds;

std::string number(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

/// Exact: a double does not tell nanoseconds apart after some months.
std::string seconds(nanoseconds duration) {
  const auto ns = duration.count();
  std::string fraction = std::to_string(1'000'000'000 + ns % 1'000'000'000).substr(1);
  while (fraction.size() > 1 && fraction.back() == '0') fraction.pop_back();
  return std::to_string(ns / 1'000'000'000) + "." + fraction;
}

bool is_label_name(std::string_view name) {
  const auto may = [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 && !name.starts_with("__") && name != "le" &&
         std::all_of(name.begin(), name.end(), may);
}

std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '"')
      out += "\\\"";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

class Exposition {
 public:
  explicit Exposition(PrometheusLabels labels) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto& [name, value] = labels[i];
      if (!is_label_name(name)) throw Error(ErrorKind::invalid_argument, "'" + name + "' cannot be the name of a Prometheus label");
      for (const auto& [before, its_value] : labels.first(i)) {
        if (before == labels[i].first) throw Error(ErrorKind::invalid_argument, "'" + before + "' is the name of two Prometheus labels");
      }
      labels_ += (labels_.empty() ? "" : ",") + name + "=\"" + escape(value) + "\"";
    }
  }

  void counter(const char* name, std::uint64_t value, const char* help) {
    family(name, "counter", help), sample(name, "", std::to_string(value));
  }
  void gauge(const char* name, std::size_t value, const char* help) {
    family(name, "gauge", help), sample(name, "", std::to_string(value));
  }
  void gauge(const char* name, nanoseconds value, const char* help) { family(name, "gauge", help), sample(name, "", seconds(value)); }

  void histogram(const std::string& name, const Histogram& h, const char* help) {
    family(name, "histogram", help);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < Histogram::bucket_count; ++i) {
      below += h.counts[i];
      const bool last = i + 1 == Histogram::bucket_count;
      const std::string bound = last ? "+Inf" : number(static_cast<double>(Histogram::bound(i).count()) / 1e9);
      sample(name + "_bucket", "le=\"" + bound + "\"", std::to_string(below));
    }
    sample(name + "_sum", "", seconds(h.sum));
    sample(name + "_count", "", std::to_string(below));
  }

  std::string take() { return std::move(text_); }

 private:
  void family(const std::string& name, const char* type, const char* help) {
    text_ += "# HELP lazyfx_" + name + " " + help + "\n# TYPE lazyfx_" + name + " " + type + "\n";
  }
  void sample(const std::string& name, const std::string& own, const std::string& value) {
    text_ += "lazyfx_" + name;
    if (!labels_.empty() || !own.empty()) text_ += "{" + labels_ + (labels_.empty() || own.empty() ? "" : ",") + own + "}";
    text_ += " " + value + "\n";
  }

  std::string labels_, text_;
};

}  // namespace

nanoseconds Histogram::bound(std::size_t i) noexcept {
  if (i + 1 >= bucket_count) return nanoseconds::max();
  return nanoseconds(std::int64_t{1} << (static_cast<std::size_t>(compile::HistogramCounter::first_bound_bits) + i));
}

std::uint64_t Histogram::count() const noexcept {
  std::uint64_t n = 0;
  for (const std::uint64_t c : counts) n += c;
  return n;
}

nanoseconds Histogram::quantile(double q) const noexcept {
  const auto all = static_cast<double>(count());
  double below = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    below += static_cast<double>(counts[i]);
    if (counts[i] != 0 && below >= q * all) return bound(i);
  }
  return nanoseconds(0);
}

std::string to_prometheus(const RuntimeStats& s, PrometheusLabels labels) {
  Exposition out(labels);
  out.counter("marks_total", s.marks, "Marks: calls of recompile.");
  out.counter("marks_coalesced_total", s.marks_coalesced, "Marks that came before the compile of the mark before had begun.");
  out.counter("compiles_started_total", s.compiles_started, "Compiles begun.");
  out.counter("compiles_finished_total", s.compiles_finished, "Compiles that gave an executable.");
  out.counter("compiles_superseded_total", s.compiles_superseded, "Compiles given up for a newer mark.");
  out.counter("compiles_cancelled_total", s.compiles_cancelled, "Compiles stopped at a step because nobody could use them.");
  out.counter("compiles_failed_total", s.compiles_failed, "Compiles that failed.");
  out.counter("compiles_dropped_total", s.compiles_dropped, "Compiles taken from the queue before they began.");
  out.counter("flights_joined_total", s.flights_joined, "Compiles shared with one under way for equal content.");
  out.counter("cache_hits_total", s.cache_hits, "Compiles answered by a living executable of equal content.");
  out.counter("cache_misses_total", s.cache_misses, "Compiles that had to be made.");
  out.counter("known_failures_total", s.known_failures, "Compiles refused at once: equal content had failed.");
  out.counter("compiles_deferred_total", s.compiles_deferred, "Background compiles that found the queue full.");
  out.counter("overloaded_total", s.overloaded, "Awaited compiles that found the queue full of awaited work.");
  out.counter("specializations_total", s.specializations, "Plans made for an input signature.");
  out.counter("specializations_failed_total", s.specializations_failed, "Input signatures that no plan could be made for.");
  out.counter("kernels_made_total", s.kernels_made, "Kernels made for convolutions and matrix products.");
  out.counter("kernels_shared_total", s.kernels_shared, "Kernels that a plan took because an equal one was alive.");
  out.counter("constants_packed_total", s.constants_packed, "Constants brought into the order that a kernel reads.");
  out.counter("constants_shared_total", s.constants_shared, "Packed constants that a kernel took because an equal one was alive.");
  out.counter("runs_total", s.runs, "Calls computed on the pool.");
  out.counter("waits_total", s.waits, "Awaiters that had to wait for a compile or a plan.");
  out.counter("relinks_total", s.relinks, "Times a module took over what a submodule published.");
  out.counter("nest_visits_total", s.nest_visits, "Modules looked at to carry marks, calls and failures between modules.");
  out.counter("events_lost_total", s.events_lost, "Events that the hook was too slow for.");
  out.counter("hook_failures_total", s.hook_failures, "Events during which the hook threw.");
  out.gauge("queued_jobs", s.queued, "Jobs in the queue.");
  out.gauge("running_jobs", s.running, "Jobs on pool threads.");
  out.gauge("waiting_calls", s.waiting, "Awaiters waiting for a compile or a plan.");
  out.gauge("pool_threads", s.threads, "Threads of the pool.");
  out.gauge("cached_executables", s.cached, "Executables that the cache keeps though nobody uses them.");
  out.gauge("cached_bytes", s.cached_bytes, "Their size and that of graphs known not to compile, weights included.");
  out.gauge("executables", s.executables, "Executables alive.");
  out.gauge("plans", s.plans, "Plans alive.");
  out.gauge("executable_bytes", s.executable_bytes, "Tables of executables and plans.");
  out.gauge("graph_bytes", s.graph_bytes, "Graphs that executables keep, each as a whole.");
  out.gauge("weight_bytes", s.weight_bytes, "Constants packed or computed by compiles.");
  out.gauge("arena_bytes", s.arena_bytes, "Scratch memory of runs kept by the process.");
  out.gauge("oldest_job_seconds", s.oldest_job, "How long the oldest job in the queue has waited.");
  out.histogram("queue_wait_seconds", s.queue_wait, "Time of jobs in the queue.");
  out.histogram("compile_seconds", s.compile_time, "Time of compiles.");
  out.histogram("specialize_seconds", s.specialize_time, "Time of plans made for a signature after the compile.");
  out.histogram("run_seconds", s.run_time, "Time of calls computed on the pool.");
  out.histogram("wait_seconds", s.wait_time, "Time of awaiters until served, failed or cancelled.");
  return out.take();
}

}  // namespace lazyfx
