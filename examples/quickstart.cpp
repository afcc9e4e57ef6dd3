// Reads the text in a picture with PP-OCR's recogniser, then edits the recogniser while eight coroutines keep calling it.
//
//   quickstart MODEL.onnx KEYS.txt IMAGE.png
//
// Everything of ours runs on the main thread, in one event loop; lazyfx compiles and computes on its pool. The way of the graph:
// lazyfx/interop/onnx.hpp reads it, lazyfx/module/lazy_graph_module.hpp compiles and answers, lazyfx/compile/runtime.hpp owns the pool.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio.hpp>
#include <lazyfx/interop/onnx.hpp>
#include <lazyfx/module/lazy_graph_module.hpp>

#include "ocr/ctc.hpp"
#include "ocr/text_line.hpp"

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

double ms(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

// What becomes of an exception that ends a coroutine: it leaves io_context::run().
void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

// Stands for everything else that a server does on its event loop: wants to run every millisecond, and notes when it could not.
class Ticker {
 public:
  asio::awaitable<void> run() {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (Clock::time_point last = Clock::now(); running_;) {
      timer.expires_after(1ms);
      co_await timer.async_wait(asio::use_awaitable);
      const Clock::time_point now = Clock::now();
      largest_gap_ = std::max(largest_gap_, now - last);
      last = now;
      ++served_;
    }
  }
  void stop() { running_ = false; }
  void report() const { std::printf("meanwhile the event loop served %d ticks, the largest gap was %.1f ms\n", served_, ms(largest_gap_)); }

 private:
  bool running_ = true;
  int served_ = 0;
  Clock::duration largest_gap_{};
};

// Part one: marks the imported model dirty, awaits its first answer, and says what happened when.
class FirstReading {
 public:
  FirstReading(lazyfx::LazyGraphModule& module, const Alphabet& alphabet, const std::vector<lazyfx::Tensor>& lines)
      : module_(module), alphabet_(alphabet), lines_(lines) {}

  // One reading a line.
  std::vector<Reading> run(asio::io_context& loop) {
    readings_.resize(lines_.size());
    marked_ = Clock::now();
    module_.recompile();
    const Clock::time_point scheduled = Clock::now();
    say(marked_, "marked dirty: a graph of " + std::to_string(module_.graph().size()) + " nodes");
    say(scheduled, "scheduled: recompile() has returned, the rest is the pool's");

    asio::co_spawn(loop, ticker_.run(), rethrow);
    asio::co_spawn(loop, say_when_compiled(), rethrow);
    for (std::size_t i = 0; i < lines_.size(); ++i) asio::co_spawn(loop, read_line(i), rethrow);
    loop.run();
    loop.restart();
    ticker_.report();
    return std::move(readings_);
  }

 private:
  asio::awaitable<void> read_line(std::size_t i) {
    const lazyfx::Value answer = co_await module_.forward(lines_[i]);
    say(Clock::now(), "forward resumed: line " + std::to_string(i + 1));
    readings_[i] = alphabet_.read(answer.as_tensor());
    if (++answered_ == lines_.size()) ticker_.stop();
  }
  asio::awaitable<void> say_when_compiled() {
    co_await module_.real_recompile(asio::use_awaitable);
    say(Clock::now(), "compiled");
  }
  void say(Clock::time_point when, const std::string& what) const { std::printf("%14.3f ms  %s\n", ms(when - marked_), what.c_str()); }

  lazyfx::LazyGraphModule& module_;
  const Alphabet& alphabet_;
  const std::vector<lazyfx::Tensor>& lines_;
  Ticker ticker_;
  Clock::time_point marked_;
  std::vector<Reading> readings_;
  std::size_t answered_ = 0;
};

// Edits that show in the answers: the probabilities of generation g are multiplied by g, so that those of each step add up to g.
class Stamp {
 public:
  explicit Stamp(lazyfx::LazyGraphModule& module) : module_(module) {
    lazyfx::Graph& graph = module.graph();
    lazyfx::Node output = graph.output_node();
    probabilities_ = graph.node(output.arg(0).as_node());
    const auto before_output = graph.inserting_before(output);
    module.set_attr("stamp", lazyfx::Tensor::scalar(1.0F));
    number_ = graph.get_attr("stamp");
    stamped_ = graph.call_function("onnx::Mul", {probabilities_, number_});
    output.update_arg(0, stamped_);
  }

  // Every edit replaces the tensor; every second one the node too, by a quotient or a product in turn.
  void edit_and_mark() {
    const auto generation = static_cast<float>(module_.generation() + 1);
    if (++edits_ % 2 == 0) {
      divides_ = !divides_;
      lazyfx::Graph& graph = module_.graph();
      const auto before_output = graph.inserting_before(graph.output_node());
      lazyfx::Node replaced = stamped_;
      stamped_ = graph.call_function(divides_ ? "onnx::Div" : "onnx::Mul", {probabilities_, number_});
      replaced.replace_all_uses_with(stamped_);
      graph.erase_node(replaced);
    }
    module_.set_attr("stamp", lazyfx::Tensor::scalar(divides_ ? 1 / generation : generation));
    module_.recompile();
  }

  // Which generation made this answer.
  static std::uint64_t read(const lazyfx::Tensor& answer) {
    const auto first_step = answer.values<float>().first(static_cast<std::size_t>(answer.shape()[2]));
    return static_cast<std::uint64_t>(std::llround(std::accumulate(first_step.begin(), first_step.end(), 0.0)));
  }

 private:
  lazyfx::LazyGraphModule& module_;
  lazyfx::Node probabilities_, number_, stamped_;
  int edits_ = 0;
  bool divides_ = false;
};

// Part two: one coroutine edits and marks while eight call. An answer must come from a generation at or after the one current at its call,
// and still say the same text.
class LiveEditing {
 public:
  LiveEditing(lazyfx::LazyGraphModule& module, const Alphabet& alphabet, const lazyfx::Tensor& line, const std::string& text)
      : module_(module), stamp_(module), alphabet_(alphabet), line_(line), text_(text) {}

  // True if every answer was right.
  bool run(asio::io_context& loop) {
    stamp_.edit_and_mark();
    asio::co_spawn(loop, ticker_.run(), rethrow);
    asio::co_spawn(loop, edit(), rethrow);
    for (int i = 0; i < callers; ++i) asio::co_spawn(loop, call(), rethrow);
    loop.run();
    loop.restart();
    std::printf(
        "%d edits while %d coroutines were answered %d times: %d answers newer than the generation at their call, %d older, %d wrong\n",
        edits_, callers, answers_, newer_, stale_, garbled_);
    ticker_.report();
    return stale_ == 0 && garbled_ == 0;
  }

 private:
  static constexpr int callers = 8;
  static constexpr int answers_wanted = 40;

  asio::awaitable<void> edit() {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (answers_ < answers_wanted) {
      timer.expires_after(5ms);
      co_await timer.async_wait(asio::use_awaitable);
      stamp_.edit_and_mark();
      ++edits_;
    }
    editing_ = false;
  }

  asio::awaitable<void> call() {
    ++calling_;
    for (bool last = false; !last;) {
      last = !editing_;  // so that each calls once after the last edit
      const std::uint64_t current = module_.generation();
      const lazyfx::Value answer = co_await module_.forward(line_);
      const std::uint64_t answered = Stamp::read(answer.as_tensor());
      ++answers_;
      if (answered > current) ++newer_;
      if (answered < current || answered > module_.generation()) ++stale_;
      if (alphabet_.read(answer.as_tensor()).text != text_) ++garbled_;
    }
    if (--calling_ == 0) ticker_.stop();
  }

  lazyfx::LazyGraphModule& module_;
  Stamp stamp_;
  const Alphabet& alphabet_;
  const lazyfx::Tensor& line_;
  const std::string& text_;
  Ticker ticker_;
  bool editing_ = true;
  int calling_ = 0;
  int edits_ = 0, answers_ = 0, newer_ = 0, stale_ = 0, garbled_ = 0;
};

bool read_picture(const std::string& model_file, const std::string& keys_file, const std::string& picture_file) {
  std::vector<lazyfx::Tensor> lines;
  for (const Image& line : find_lines(load_png(picture_file))) lines.push_back(recogniser_input(line));
  std::printf("%s: %zu line%s of text\n", picture_file.c_str(), lines.size(), lines.size() == 1 ? "" : "s");
  if (lines.empty()) return false;

  const Alphabet alphabet(keys_file);
  asio::io_context loop;  // outlives what completes on it
  lazyfx::Runtime runtime;
  const lazyfx::onnx::ImportedModel model = lazyfx::onnx::import_model(model_file, runtime.operators());
  lazyfx::LazyGraphModule module(runtime, model.graph, model.root.get());

  const std::vector<Reading> readings = FirstReading(module, alphabet, lines).run(loop);
  std::printf("\n");
  for (const Reading& r : readings) std::printf("  %s\n      confidence %.3f\n", r.text.c_str(), r.confidence);
  std::printf("\n");

  const bool fresh = LiveEditing(module, alphabet, lines.front(), readings.front().text).run(loop);
  std::printf("%s\n", fresh ? "every answer belonged to a generation at or after the one current at its call"
                            : "FAILED: an answer was not of a generation at or after the one current at its call");
  return fresh;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: quickstart MODEL.onnx KEYS.txt IMAGE.png\n");
    return 2;
  }
  try {
    return read_picture(argv[1], argv[2], argv[3]) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quickstart: %s\n", error.what());
    return 1;
  }
}
