// An HTTP server that holds models in lazy modules: PUT takes a graph and answers at once, while it compiles in the background; POST runs it,
// waiting for that compile only; another PUT replaces it hot. docs/compile_server.md shows it at work.
#include <atomic>
#include <iostream>
#include <mutex>
#include <set>
#include <thread>

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <lazyfx/module/lazy_graph_module.hpp>
#include <nlohmann/json.hpp>

#include "serving/models.hpp"
#include "serving/wire.hpp"

namespace {

using namespace lazyfx;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Json = nlohmann::ordered_json;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

Response reply(http::status status, std::string body, const char* type = "application/json") {
  Response response(status, 11);
  response.set(http::field::content_type, type);
  response.body() = std::move(body);
  return response;
}

Response refuse(http::status status, const std::string& sentence) {
  return reply(status, Json{{"error", sentence}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

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
  Server(asio::io_context& loop, std::uint16_t port, std::uint64_t body_limit)
      : loop_(loop), acceptor_(asio::make_strand(loop), tcp::endpoint(asio::ip::address_v4::loopback(), port)), body_limit_(body_limit) {}

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void start() { asio::co_spawn(acceptor_.get_executor(), accept(), asio::detached); }

  /// Takes no more; requests that have been read are answered, then the loop runs out of work.
  void stop() {
    stopping_ = true;
    asio::post(acceptor_.get_executor(), [this] { acceptor_.close(); });
    const std::lock_guard lock(mutex_);
    for (const auto& connection : connections_) {
      asio::post(connection->stream.get_executor(), [connection] {
        if (connection->reading) connection->stream.cancel();
      });
    }
  }

 private:
  /// Used on its strand only.
  struct Connection {
    explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}
    beast::tcp_stream stream;
    bool reading = false;
  };

  asio::awaitable<void> accept() {
    for (;;) {
      boost::system::error_code failed;
      tcp::socket socket = co_await acceptor_.async_accept(asio::make_strand(loop_), asio::redirect_error(asio::use_awaitable, failed));
      if (stopping_) co_return;
      if (failed) {  // out of descriptors, perhaps: others end meanwhile
        asio::steady_timer pause(loop_, std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::use_awaitable);
        continue;
      }
      const auto connection = std::make_shared<Connection>(std::move(socket));
      {
        const std::lock_guard lock(mutex_);
        connections_.insert(connection);
      }
      asio::co_spawn(connection->stream.get_executor(), serve(connection), [this, connection](std::exception_ptr) {
        const std::lock_guard lock(mutex_);
        connections_.erase(connection);
      });
    }
  }

  asio::awaitable<void> serve(std::shared_ptr<Connection> connection) {
    auto& stream = connection->stream;
    beast::flat_buffer buffer;
    while (!stopping_) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(body_limit_);
      connection->reading = true;
      stream.expires_after(std::chrono::seconds(60));
      boost::system::error_code failed;
      co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
      if (!failed && parser.get()[http::field::expect] == "100-continue") {
        http::response<http::empty_body> go_on(http::status::continue_, 11);
        co_await http::async_write(stream, go_on, asio::use_awaitable);
      }
      if (!failed) co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
      connection->reading = false;
      Response response;
      if (failed == http::error::body_limit) {
        response = refuse(http::status::payload_too_large, "a body may have " + std::to_string(body_limit_) + " bytes");
      } else if (failed && failed != http::error::end_of_stream &&
                 failed.category() == http::make_error_code(http::error::bad_method).category()) {
        response = refuse(http::status::bad_request, failed.message());
      } else if (failed) {
        co_return;  // gone, or too slow
      } else {
        response = co_await answer(parser.get());
      }
      response.keep_alive(!failed && parser.get().keep_alive() && !stopping_);
      response.prepare_payload();
      stream.expires_after(std::chrono::seconds(60));
      co_await http::async_write(stream, response, asio::use_awaitable);
      if (!response.keep_alive()) break;
    }
    boost::system::error_code ignored;  // the client may have been faster
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  Response list() const {
    Json all = Json::array();
    for (const auto& [name, model] : models_.all()) {
      const GraphModule& module = *model->module;
      all.push_back({{"name", name}, {"generation", module.generation()}, {"ready", module.state() == ModuleState::clean}});
    }
    return reply(http::status::ok, all.dump(2) + "\n");
  }

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
        const bool added = models_.put(name, std::move(request.body()));
        co_return reply(added ? http::status::created : http::status::ok, Json{{"name", name}}.dump() + "\n");
      }
      const auto model = models_.find(name);
      if (!model) co_return refuse(http::status::not_found, "there is no model '" + name + "'");
      if (method == http::verb::post) co_return co_await infer(model, request);
      if (method != http::verb::delete_) co_return refuse(http::status::method_not_allowed, "a model takes PUT, POST and DELETE");
      models_.erase(name);
      co_return reply(http::status::ok, Json{{"name", name}}.dump() + "\n");
    } catch (const Error& e) {
      co_return refuse(status_of(e.kind()), e.what());
    } catch (const std::bad_alloc&) {
      co_return refuse(http::status::service_unavailable, "out of memory");
    }
  }

  asio::io_context& loop_;
  tcp::acceptor acceptor_;
  const std::uint64_t body_limit_;
  Runtime runtime_{RuntimeOptions().on_event([](const CompileEvent& event) {
    if (event.kind == CompileEventKind::failed && event.generation != 0) std::cerr << event.module << ": " << event.error->what() << '\n';
  })};
  serving::Models models_{runtime_};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::set<std::shared_ptr<Connection>> connections_;  // protected by mutex_
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 4 || (argc > 1 && argv[1][0] == '-')) {
    std::cerr
        << "usage: compile_server [PORT [THREADS [BODY_LIMIT_MIB]]]     models are ONNX; 127.0.0.1 only, since it asks nobody who he is\n";
    return 2;
  }
  const int port = argc > 1 ? std::stoi(argv[1]) : 8080, threads = argc > 2 ? std::stoi(argv[2]) : 2;
  const std::uint64_t limit = argc > 3 ? std::stoul(argv[3]) : 512;
  asio::io_context loop(threads);
  Server server(loop, static_cast<std::uint16_t>(port), limit << 20);
  asio::signal_set signals(loop, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { server.stop(); });
  server.start();
  std::cout << "listening on http://127.0.0.1:" << server.port() << std::endl;
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&] { loop.run(); });
  loop.run();
  return 0;
} catch (const std::exception& e) {
  std::cerr << "compile_server: " << e.what() << '\n';
  return 1;
}
