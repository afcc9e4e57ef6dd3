#include "listener.hpp"

#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>

namespace serving {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

Response reply(http::status status, std::string body, const char* type) {
  Response response(status, 11);
  response.set(http::field::content_type, type);
  response.body() = std::move(body);
  return response;
}

Response refuse(http::status status, const std::string& sentence) {
  return reply(status,
               nlohmann::ordered_json{{"error", sentence}}.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

Listener::Listener(asio::io_context& loop, std::uint16_t port, BodyLimits limits, Answer answer)
    : loop_(loop),
      acceptor_(asio::make_strand(loop), tcp::endpoint(asio::ip::address_v4::loopback(), port)),
      limits_(limits),
      answer_(std::move(answer)),
      grace_(loop) {}

void Listener::start() { asio::co_spawn(acceptor_.get_executor(), accept(), asio::detached); }

void Listener::stop() {
  asio::post(acceptor_.get_executor(), [this] { acceptor_.close(); });
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  if (connections_.empty()) return;
  close_connections(false);
  grace_.expires_after(std::chrono::seconds(3));
  grace_.async_wait([this](boost::system::error_code cancelled) {
    const std::lock_guard all(mutex_);
    if (!cancelled) close_connections(true);
  });
}

void Listener::close_connections(bool busy_too) {
  for (const auto& connection : connections_) {
    asio::post(connection->stream.get_executor(), [connection, busy_too] {
      if (!busy_too && !connection->reading) return;
      connection->stream.close();
      connection->cancel.emit(asio::cancellation_type::terminal);
    });
  }
}

asio::awaitable<void> Listener::accept() {
  for (;;) {
    boost::system::error_code failed;
    tcp::socket socket = co_await acceptor_.async_accept(asio::make_strand(loop_), asio::redirect_error(asio::use_awaitable, failed));
    if (failed && !stopping_) {  // out of descriptors, perhaps: others end meanwhile
      asio::steady_timer pause(loop_, std::chrono::milliseconds(50));
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    const auto connection = std::make_shared<Connection>(std::move(socket));
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) co_return;
      connections_.insert(connection);
    }
    const auto ended = [this, connection](std::exception_ptr) {
      const std::lock_guard lock(mutex_);
      connections_.erase(connection);
      if (stopping_ && connections_.empty()) grace_.cancel();
    };
    asio::co_spawn(connection->stream.get_executor(), serve(connection), asio::bind_cancellation_slot(connection->cancel.slot(), ended));
  }
}

asio::awaitable<void> Listener::serve(std::shared_ptr<Connection> connection) {
  auto& stream = connection->stream;
  beast::flat_buffer buffer;
  boost::system::error_code failed;
  while (!stopping_) {
    http::request_parser<http::string_body> parser;
    Request& request = parser.get();
    parser.body_limit(boost::none);  // the method says which
    connection->reading = true;
    stream.expires_after(std::chrono::seconds(60));
    co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
    const std::uint64_t limit = request.method() == http::verb::put ? limits_.put : limits_.other;
    parser.body_limit(limit);
    if (!failed && parser.content_length().value_or(0) > limit) failed = http::error::body_limit;
    if (!failed && beast::iequals(request[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on(http::status::continue_, 11);
      co_await http::async_write(stream, go_on, asio::use_awaitable);
    }
    if (!failed) co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
    connection->reading = false;
    Response response;
    if (failed == http::error::body_limit) {
      response = refuse(http::status::payload_too_large, "a body may have " + std::to_string(limit) + " bytes");
    } else if (failed && failed != http::error::end_of_stream &&
               failed.category() == http::make_error_code(http::error::bad_method).category()) {
      response = refuse(http::status::bad_request, failed.message());
    } else if (failed) {
      co_return;  // gone, or too slow
    } else {
      response = co_await answer_(request);
    }
    response.keep_alive(!failed && parser.get().keep_alive() && !stopping_);
    response.prepare_payload();
    stream.expires_after(std::chrono::seconds(60));
    http::response_serializer<http::string_body> writer(response);
    if (request.method() == http::verb::head)
      co_await http::async_write_header(stream, writer, asio::use_awaitable);
    else
      co_await http::async_write(stream, writer, asio::use_awaitable);
    if (!response.keep_alive()) break;
  }
  boost::system::error_code gone;  // the client may have been faster
  stream.socket().shutdown(tcp::socket::shutdown_send, gone);
  // What was refused unread may still arrive: a socket closed before would take the answer along.
  stream.expires_after(std::chrono::seconds(2));
  for (char unread[4096]; failed && !gone;)
    co_await stream.async_read_some(asio::buffer(unread), asio::redirect_error(asio::use_awaitable, gone));
}

}  // namespace serving
