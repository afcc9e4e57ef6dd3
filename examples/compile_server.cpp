// An HTTP server that holds models in lazy modules: PUT takes a graph and answers at once, while it compiles in the background; POST runs it,
// waiting for that compile only; another PUT replaces it hot. docs/compile_server.md shows it at work.
#include <iostream>
#include <mutex>
#include <thread>

#include <boost/asio.hpp>
#include <lazyfx/module/lazy_graph_module.hpp>
#include <nlohmann/json.hpp>

#include "serving/listener.hpp"
#include "serving/models.hpp"
#include "serving/wire.hpp"

namespace {

using namespace lazyfx;
using serving::refuse, serving::reply, serving::Request, serving::Response;
namespace asio = boost::asio;
namespace http = boost::beast::http;
using Json = nlohmann::ordered_json;

http::status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::resource:
    case ErrorKind::overloaded:
    case ErrorKind::stopped: return http::status::service_unavailable;
    case ErrorKind::backend:
    case ErrorKind::user_code: return http::status::internal_server_error;
    default: return http::status::bad_request;
  }
}

/// Of what is being caught.
Response refusal() try { throw; } catch (const Error& e) {
  return refuse(status_of(e.kind()), e.what());
} catch (const std::bad_alloc&) { return refuse(http::status::service_unavailable, "out of memory"); }

asio::awaitable<Response> infer(std::shared_ptr<serving::Model> model, const Request& request) {
  std::shared_ptr<const onnx::ImportedModel> ports;
  {
    const std::lock_guard lock(model->editing);
    ports = model->ports;
  }
  const bool raw = request[http::field::content_type] == "application/octet-stream";
  std::vector<Value> inputs = raw ? serving::inputs_of_bytes(*ports, request.body()) : serving::inputs_of_json(*ports, request.body());
  const Value result = co_await model->module->forward(Inputs(std::move(inputs)));
  if (!raw) co_return reply(http::status::ok, serving::json_of(*ports, result));
  const Tensor first = serving::first_tensor(result);
  Response response = reply(http::status::ok, serving::bytes_of(first), "application/octet-stream");
  response.set("X-Shape", to_string(first.shape()));
  co_return response;
}

class Server {
 public:
  asio::awaitable<Response> answer(Request& request) {
    try {
      const std::string target(request.target());
      const auto method = request.method();
      if (target == "/models" && method == http::verb::get) co_return list();
      if (target == "/metrics" && method == http::verb::get) {
        co_return reply(http::status::ok, to_prometheus(runtime_.stats()), "text/plain; version=0.0.4");
      }
      const std::string prefix = "/models/", name = target.starts_with(prefix) ? target.substr(prefix.size()) : "";
      const char* const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
      if (name.empty() || name.size() > 64 || name.find_first_not_of(letters) != std::string::npos) {
        co_return refuse(http::status::not_found,
                         "there is /models, /models/NAME and /metrics; a NAME has up to 64 letters, digits and ._-");
      }
      if (method == http::verb::put) {
        auto importing = put(name, std::move(request.body()));  // a large model takes a while: not on the loop
        co_return co_await asio::co_spawn(importers_, std::move(importing), asio::use_awaitable);
      }
      const auto model = models_.find(name);
      if (!model) co_return refuse(http::status::not_found, "there is no model '" + name + "'");
      if (method == http::verb::post) co_return co_await infer(model, request);
      if (method != http::verb::delete_) co_return refuse(http::status::method_not_allowed, "a model takes PUT, POST and DELETE");
      models_.erase(name);
      co_return reply(http::status::ok, Json{{"name", name}}.dump() + "\n");
    } catch (...) { co_return refusal(); }
  }

 private:
  asio::awaitable<Response> put(std::string name, std::string file) try {
    const bool added = models_.put(name, std::move(file));
    co_return reply(added ? http::status::created : http::status::ok, Json{{"name", name}}.dump() + "\n");
  } catch (...) { co_return refusal(); }

  Response list() const {
    Json all = Json::array();
    for (const auto& [name, model] : models_.all()) {
      const GraphModule& module = *model->module;
      all.push_back({{"name", name}, {"generation", module.generation()}, {"ready", module.state() == ModuleState::clean}});
    }
    return reply(http::status::ok, all.dump(2) + "\n");
  }

  Runtime runtime_{RuntimeOptions().on_event([](const CompileEvent& event) {
    if (event.kind == CompileEventKind::failed && event.generation != 0) std::cerr << event.module << ": " << event.error->what() << '\n';
  })};
  serving::Models models_{runtime_};
  asio::thread_pool importers_{2};
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 4 || (argc > 1 && argv[1][0] == '-')) {
    std::cerr << "usage: compile_server [PORT [THREADS [BODY_LIMIT_MIB]]]     models are ONNX or text; 127.0.0.1 only, since it asks "
                 "nobody who he is\n";
    return 2;
  }
  const int port = argc > 1 ? std::stoi(argv[1]) : 8080, threads = argc > 2 ? std::stoi(argv[2]) : 2;
  const std::uint64_t limit = argc > 3 ? std::stoul(argv[3]) : 512;
  asio::io_context loop(threads);
  Server server;
  serving::Listener listener(loop, static_cast<std::uint16_t>(port), limit << 20, [&](Request& request) { return server.answer(request); });
  asio::signal_set signals(loop, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { listener.stop(); });
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
