#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include <boost/asio.hpp>
#include <boost/beast.hpp>

/// The HTTP of the server, which knows nothing of models.
namespace serving {

using Request = boost::beast::http::request<boost::beast::http::string_body>;
using Response = boost::beast::http::response<boost::beast::http::string_body>;

Response reply(boost::beast::http::status status, std::string body, const char* type = "application/json");
/// {"error": sentence}
Response refuse(boost::beast::http::status status, const std::string& sentence);

/// Bytes that a body may have: of PUT, and of anything else.
struct BodyLimits {
  std::uint64_t put, other;
};

/// Listens on 127.0.0.1 and asks `answer` for the response to each request, in a coroutine per connection, each on a strand of `loop`.
/// What `answer` throws ends its connection. Any thread may call; outlives the loop's last run().
class Listener {
 public:
  using Answer = std::function<boost::asio::awaitable<Response>(Request&)>;
  Listener(boost::asio::io_context& loop, std::uint16_t port, BodyLimits limits, Answer answer);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void start();
  /// Takes no more; requests that have been read are answered, within three seconds. Then their waits are cancelled, the connections closed,
  /// and the loop runs out of work.
  void stop();

 private:
  /// Used on its strand only.
  struct Connection {
    explicit Connection(boost::asio::ip::tcp::socket socket) : stream(std::move(socket)) {}
    boost::beast::tcp_stream stream;
    boost::asio::cancellation_signal cancel;
    bool reading = false;
  };
  boost::asio::awaitable<void> accept();
  boost::asio::awaitable<void> serve(std::shared_ptr<Connection> connection);
  /// REQUIRES: mutex_ is held.
  void close_connections(bool busy_too);

  boost::asio::io_context& loop_;
  boost::asio::ip::tcp::acceptor acceptor_;
  const BodyLimits limits_;
  const Answer answer_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // protects what follows
  std::set<std::shared_ptr<Connection>> connections_;
  boost::asio::steady_timer grace_;
};

}  // namespace serving
