// An HTTP server that holds models in lazy modules: PUT takes a graph and answers at once, while it compiles in the background; POST runs it,
// waiting for that compile only; another PUT replaces it hot. docs/compile_server.md shows it at work.
#include <atomic>
#include <iostream>
#include <map>
#include <mutex>
#include <span>
#include <thread>

#include <boost/asio.hpp>
#include <lazyfx/interop/onnx.hpp>
#include <lazyfx/interop/text.hpp>
#include <lazyfx/module/lazy_graph_module.hpp>
#include <nlohmann/json.hpp>

#include "serving/answers.hpp"
#include "serving/listener.hpp"
#include "serving/wire.hpp"

namespace {

using namespace lazyfx;
using serving::refusal, serving::refuse, serving::reply, serving::Request, serving::Response;
namespace asio = boost::asio;
namespace http = boost::beast::http;
using Json = nlohmann::ordered_json;

/// What one PUT brought, as one piece that nobody edits: whoever holds it names inputs and outputs as the very graph does that answers him.
struct Model {
  Model(Runtime& runtime, const std::string& name, onnx::ImportedModel file)
      : ports(std::move(file)), module(runtime, ports.graph, ports.root.get(), LazyGraphModuleOptions().class_name(name)) {}

  const onnx::ImportedModel ports;
  LazyGraphModule module;
  std::uint64_t version = 1;  ///< 1, and one more with each replacement
  std::atomic<bool> was_short{false};  ///< of memory or of room in a queue, at the last call: what failed then is not to be remembered
};

onnx::ImportedModel read_model(const std::string& name, std::string file, const OperatorRegistry& operators) {
  if (is_text_graph(file)) return import_text(file, name, operators);
  const auto bytes = std::make_shared<const std::string>(std::move(file));
  return onnx::import_model(std::as_bytes(std::span(*bytes)), bytes, name, operators);
}

asio::awaitable<Response> write(std::shared_ptr<Model> model, Value result, bool raw) {
  co_return serving::answer_of(model->ports, result, raw);
}

class Server {
 public:
  asio::awaitable<Response> answer(Request& request) {
    const std::string target(request.target());
    const auto method = request.method();
    const bool reads = method == http::verb::get || method == http::verb::head;
    if (target == "/models" && reads) co_return list();
    if (target == "/metrics" && reads) co_return reply(http::status::ok, to_prometheus(runtime_.stats()), "text/plain; version=0.0.4");
    const std::string prefix = "/models/", name = target.starts_with(prefix) ? target.substr(prefix.size()) : "";
    const char* const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (name.empty() || name.size() > 64 || name.find_first_not_of(letters) != std::string::npos) {
      co_return refuse(http::status::not_found, "there is /models, /models/NAME and /metrics; a NAME has up to 64 letters, digits and ._-");
    }
    if (method == http::verb::put) {
      auto putting = put(name, std::move(request.body()));
      co_return co_await aside(std::move(putting));
    }
    const auto model = find(name);
    if (!model) co_return refuse(http::status::not_found, "there is no model '" + name + "'");
    if (method == http::verb::post) {
      auto inferring = infer(model, request);
      co_return co_await aside_if_long(request.body().size(), std::move(inferring));
    }
    if (method != http::verb::delete_) co_return refuse(http::status::method_not_allowed, "a model takes PUT, POST and DELETE");
    erase(name);
    co_return reply(http::status::ok, Json{{"name", name}}.dump() + "\n");
  }

 private:
  /// Beside the loop, which serves others meanwhile.
  asio::awaitable<Response> aside(asio::awaitable<Response> work) {
    return asio::co_spawn(asio::make_strand(pool_), std::move(work), asio::use_awaitable);
  }
  asio::awaitable<Response> aside_if_long(std::size_t bytes, asio::awaitable<Response> work) {
    return bytes < 64 << 10 ? std::move(work) : aside(std::move(work));
  }

  asio::awaitable<Response> put(std::string name, std::string file) try {
    const auto fresh = std::make_shared<Model>(runtime_, name, read_model(name, std::move(file), runtime_.operators()));
    fresh->module.prefetch();
    std::shared_ptr<Model> old;  // goes when the last call that found it has been answered
    {
      const std::lock_guard lock(mutex_);
      auto& present = models_[name];
      if (present) fresh->version = present->version + 1;
      old = std::exchange(present, fresh);
    }
    co_return reply(old ? http::status::ok : http::status::created, Json{{"name", name}}.dump() + "\n");
  } catch (...) { co_return refusal(); }

  asio::awaitable<Response> infer(std::shared_ptr<Model> model, const Request& request) try {
    Inputs inputs(serving::inputs_of(model->ports, request));
    if (model->was_short.exchange(false)) model->module.retry();
    Value result = co_await model->module.forward(std::move(inputs));
    const std::size_t bytes = serving::byte_size(result);
    auto writing = write(model, std::move(result), serving::is_raw(request));
    co_return co_await aside_if_long(bytes, std::move(writing));
  } catch (...) {
    Response refused = refusal();
    if (refused.result() == http::status::service_unavailable) model->was_short = true;
    co_return refused;
  }

  std::shared_ptr<Model> find(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto at = models_.find(name);
    return at == models_.end() ? nullptr : at->second;
  }

  void erase(const std::string& name) {
    const std::lock_guard lock(mutex_);
    models_.erase(name);
  }

  Response list() const {
    const std::lock_guard lock(mutex_);
    Json all = Json::array();
    for (const auto& [name, model] : models_) {
      all.push_back({{"name", name}, {"version", model->version}, {"ready", model->module.state() == ModuleState::clean}});
    }
    return reply(http::status::ok, all.dump(2) + "\n");
  }

  Runtime runtime_{RuntimeOptions().on_event([](const CompileEvent& event) {
    if (event.kind == CompileEventKind::failed && event.generation != 0) std::cerr << event.module << ": " << event.error->what() << '\n';
  })};
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Model>> models_;  // protected by mutex_
  asio::thread_pool pool_{2};
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 5 || (argc > 1 && argv[1][0] == '-')) {
    std::cerr << "usage: compile_server [PORT [THREADS [PUT_MIB [POST_MIB]]]]     models are ONNX or text; 127.0.0.1 only, since it asks "
                 "nobody who he is\n";
    return 2;
  }
  const auto given = [&](int i, unsigned long otherwise) { return argc > i ? std::stoul(argv[i]) : otherwise; };
  const auto threads = static_cast<int>(given(2, 2));
  asio::io_context loop(threads);
  Server server;
  serving::Listener listener(loop, static_cast<std::uint16_t>(given(1, 8080)), {.put = given(3, 512) << 20, .other = given(4, 16) << 20},
                             [&](Request& request) { return server.answer(request); });
  asio::signal_set signals(loop, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) {
    signals.clear();  // the next one ends the process at once
    listener.stop();
  });
  listener.start();
  std::cout << "listening on http://127.0.0.1:" << listener.port() << std::endl;
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&] { loop.run(); });
  loop.run();
  return 0;
} catch (const std::exception& e) {
  std::cerr << "compile_server: " << e.what() << '\n';
  return 1;
}
