// The server of examples/compile_server.cpp, as its clients meet it.
#define BOOST_TEST_MODULE examples_compile_server
#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>

#include "fuzz/onnx_seeds.hpp"
#include "interop/onnx_writer.hpp"

// Sanitizers want address space of their own, and end a process that lacks it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LAZYFX_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LAZYFX_SANITIZED
#endif
#endif

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace w = onnx_writer;
using Json = nlohmann::json;
using asio::ip::tcp;
using Verb = http::verb;

/// The program under test, on a port that the system chose.
class Server {
 public:
  explicit Server(const char* threads = "2", const char* put_mib = "1", const char* post_mib = nullptr) {
    const auto program = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "examples" / "compile_server").string();
    int ends[2];
    BOOST_REQUIRE(::pipe(ends) == 0);
    process_ = ::fork();
    BOOST_REQUIRE(process_ >= 0);
    if (process_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execl(program.c_str(), "compile_server", "0", threads, put_mib, post_mib, static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string line;
    for (char c = 0; ::read(ends[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(ends[0]);
    const auto colon = line.rfind(':');
    BOOST_REQUIRE_MESSAGE(colon != std::string::npos, "the server said: " << line);
    port_ = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
  }
  ~Server() {
    if (process_ > 0) BOOST_TEST(stop() == 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return port_; }
  ::pid_t process() const { return process_; }
  bool accepts() const {
    asio::io_context loop;
    tcp::socket socket(loop);
    boost::system::error_code refused;
    socket.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port_), refused);
    return !refused;
  }
  void tell_to_stop(int how = SIGTERM) const { BOOST_REQUIRE(::kill(process_, how) == 0); }
  /// Its exit status.
  int stop(int how = SIGTERM) {
    tell_to_stop(how);
    return wait();
  }
  int wait() {
    int status = -1;
    BOOST_REQUIRE(::waitpid(process_, &status, 0) == process_);
    process_ = -1;
    return status;
  }

 private:
  ::pid_t process_ = -1;
  std::uint16_t port_ = 0;
};

struct Answer {
  unsigned status = 0;
  std::string type, dtype, shape, body;
  Json json() const { return Json::parse(body); }
  std::string error() const { return json().at("error"); }
};

/// One connection, kept.
class Client {
 public:
  explicit Client(std::uint16_t port) : stream_(loop_) { stream_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port)); }

  Answer ask(Verb verb, const std::string& target, const std::string& body = {}, const std::string& type = {}) {
    http::request<http::string_body> request(verb, target, 11);
    request.set(http::field::host, "localhost");
    if (!type.empty()) request.set(http::field::content_type, type);
    request.body() = body;
    request.prepare_payload();
    http::write(stream_, request);
    return read(verb == Verb::head);
  }
  void send(const std::string& bytes) { asio::write(stream_.socket(), asio::buffer(bytes)); }
  Answer read(bool head_only = false) {
    http::response_parser<http::string_body> parser;
    parser.skip(head_only);
    parser.body_limit(std::uint64_t{1} << 30);
    http::read(stream_, buffer_, parser);
    const auto& response = parser.get();
    return {response.result_int(), std::string(response[http::field::content_type]), std::string(response["X-DType"]),
            std::string(response["X-Shape"]), response.body()};
  }
  /// More than sockets hold, of which one byte is read.
  void ask_for_much() {
    ask(Verb::put, "/models/much", "def forward(x: f32[1]):\n    y = onnx::Expand(x, tensor(i64[1], [16777216]))\n    return y\n");
    send("POST /models/much HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 4\r\n\r\n1234");
    char c = 0;
    asio::read(stream_.socket(), asio::buffer(&c, 1));
  }
  bool is_answered() { return stream_.socket().available() > 0; }
  bool at_end() {
    char c = 0;
    boost::system::error_code end;
    stream_.socket().read_some(asio::buffer(&c, 1), end);
    return end == asio::error::eof;
  }

 private:
  asio::io_context loop_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
};

/// y = x + c over f32[N, 2].
std::string plus(float c) {
  return w::model({.nodes = {w::node("Add", {"x", "c"}, {"y"})},
                   .initializers = {w::floats("c", {1}, {c})},
                   .inputs = {w::value("x", w::f32, {"N", 2})},
                   .outputs = {w::value("y", w::f32, {"N", 2})},
                   .extra = {}});
}

const std::string ones = R"({"x": {"shape": [1, 2], "data": [1, 1]}})";
const std::string octets = "application/octet-stream";

}  // namespace

BOOST_AUTO_TEST_CASE(a_model_is_put_called_listed_and_deleted) {
  const Server server;
  Client client(server.port());
  BOOST_TEST(client.ask(Verb::get, "/models").json() == Json::array());
  BOOST_TEST(client.ask(Verb::put, "/models/adds", plus(2)).status == 201u);
  const Answer answer = client.ask(Verb::post, "/models/adds", R"({"x": {"shape": [2, 2], "data": [1, 2, 3, 4.5]}})");
  BOOST_TEST(answer.status == 200u);
  BOOST_TEST(answer.type == "application/json");
  BOOST_TEST(answer.json() == Json::parse(R"({"y": {"shape": [2, 2], "data": [3, 4, 5, 6.5]}})"));
  BOOST_TEST(client.ask(Verb::get, "/models").json() == Json::parse(R"([{"name": "adds", "version": 1, "ready": true}])"));
  BOOST_TEST(client.ask(Verb::delete_, "/models/adds").status == 200u);
  BOOST_TEST(client.ask(Verb::post, "/models/adds", ones).status == 404u);
  BOOST_TEST(client.ask(Verb::get, "/models").json() == Json::array());
}

BOOST_AUTO_TEST_CASE(a_graph_may_come_as_text) {
  const Server server;
  Client client(server.port());
  const std::string text = "def forward(x: f32[N, 2]):\n    y = onnx::Mul(x, tensor(f32[2], [2.0, 3.0]))\n    return y\n";
  BOOST_TEST(client.ask(Verb::put, "/models/m", text).status == 201u);
  BOOST_TEST(client.ask(Verb::post, "/models/m", ones).json() == Json::parse(R"({"y": {"shape": [1, 2], "data": [2, 3]}})"));
  const Answer refused = client.ask(Verb::put, "/models/m", "def forward(x: f32[N, 2]):\n    return z\n");
  BOOST_TEST(refused.status == 400u);
  BOOST_TEST(refused.error().starts_with("m: line 2, column 12"), refused.error());
  BOOST_TEST(client.ask(Verb::put, "/models/open", "def forward(x):\n    return x\n").status == 201u);
  BOOST_TEST(client.ask(Verb::post, "/models/open", ones).status == 400u);
}

BOOST_AUTO_TEST_CASE(a_model_with_a_loop_takes_the_place_of_one_without_and_gives_it_back) {
  const Server server;
  Client client(server.port());
  BOOST_TEST(client.ask(Verb::put, "/models/m", plus(2)).status == 201u);
  BOOST_TEST(client.ask(Verb::post, "/models/m", ones).status == 200u);
  BOOST_TEST(client.ask(Verb::put, "/models/m", onnx_seeds::control_flow()).status == 200u);
  const Answer looped = client.ask(Verb::post, "/models/m", R"({"x": {"shape": [2], "data": [1, -2]}})");
  BOOST_TEST(looped.status == 200u, looped.body);
  BOOST_TEST(looped.json()["last"]["data"] == Json::parse("[4, -8]"));
  BOOST_TEST(client.ask(Verb::put, "/models/m", plus(3)).status == 200u);
  BOOST_TEST(client.ask(Verb::post, "/models/m", ones).json()["y"]["data"] == Json::parse("[4, 4]"));
}

BOOST_AUTO_TEST_CASE(raw_floats_go_in_and_come_out) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/adds", plus(2));
  const Answer answer = client.ask(Verb::post, "/models/adds", w::raw_of<float>({1, 2, 3, 4, 5, 6}), octets);
  BOOST_TEST(answer.status == 200u);
  BOOST_TEST(answer.type == octets);
  BOOST_TEST(answer.dtype == "f32");
  BOOST_TEST(answer.shape == "3x2");
  BOOST_TEST(answer.body == w::raw_of<float>({3, 4, 5, 6, 7, 8}));
}

BOOST_AUTO_TEST_CASE(raw_elements_are_of_the_types_that_the_model_has) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/m", "def forward(x: f32[3]):\n    y = onnx::ArgMax(x, axis=0)\n    return y\n");
  Answer answer = client.ask(Verb::post, "/models/m", w::raw_of<float>({1, 3, 2}), octets);
  BOOST_TEST(answer.body == w::raw_of<std::int64_t>({1}));
  BOOST_TEST(answer.dtype == "i64");
  BOOST_TEST(answer.shape == "1");
  client.ask(Verb::put, "/models/m", "def forward(x: i16[N]):\n    y = onnx::Less(x, tensor(i16[1], [2]))\n    return y\n");
  answer = client.ask(Verb::post, "/models/m", w::raw_of<std::int16_t>({1, 2, -3}), octets);
  BOOST_TEST(answer.body == std::string("\1\0\1", 3));
  BOOST_TEST(answer.dtype == "bool");
  BOOST_TEST(client.ask(Verb::post, "/models/m", R"({"x": {"shape": [3], "data": [1, 2, -3]}})").json()["y"]["data"] ==
             Json::parse("[true, false, true]"));
  client.ask(Verb::put, "/models/m", "def forward(x: bool[2]):\n    y = onnx::Not(x)\n    return y\n");
  BOOST_TEST(client.ask(Verb::post, "/models/m", R"({"x": {"shape": [2], "data": [true, 0]}})").json()["y"]["data"] ==
             Json::parse("[false, true]"));
  BOOST_TEST(client.ask(Verb::post, "/models/m", R"({"x": {"shape": [2], "data": [true, 2]}})").status == 400u);
}

BOOST_AUTO_TEST_CASE(a_content_type_may_have_capitals_and_parameters) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/m", plus(2));
  for (const char* type : {"Application/Octet-Stream", "application/octet-stream; charset=binary", "application/octet-stream;q=1"}) {
    BOOST_TEST(client.ask(Verb::post, "/models/m", w::raw_of<float>({1, 2}), type).body == w::raw_of<float>({3, 4}), type);
  }
  for (const char* type : {"application/json; charset=utf-8", "", "application/octet-streams"}) {
    BOOST_TEST(client.ask(Verb::post, "/models/m", ones, type).json()["y"]["data"] == Json::parse("[3, 3]"), type);
  }
}

BOOST_AUTO_TEST_CASE(a_model_of_several_inputs_and_outputs_and_of_integers_speaks_json) {
  const Server server;
  Client client(server.port());
  const auto model = w::model({.nodes = {w::node("Add", {"a", "b"}, {"sum"}), w::node("Sub", {"a", "b"}, {"difference"})},
                               .initializers = {},
                               .inputs = {w::value("a", w::i64, {2}), w::value("b", w::i64, {2})},
                               .outputs = {w::value("sum", w::i64, {2}), w::value("difference", w::i64, {2})},
                               .extra = {}});
  BOOST_TEST(client.ask(Verb::put, "/models/both", model).status == 201u);
  const Answer answer = client.ask(Verb::post, "/models/both",
                                   R"({"b": {"shape": [2], "data": [1, 2]}, "a": {"shape": [2], "data": [9007199254740993, 5]}})");
  BOOST_TEST(answer.json() == Json::parse(R"({"sum": {"shape": [2], "data": [9007199254740994, 7]},
                                              "difference": {"shape": [2], "data": [9007199254740992, 3]}})"));
  BOOST_TEST(client.ask(Verb::post, "/models/both", w::raw_of<float>({1, 2}), octets).status == 400u);
}

BOOST_AUTO_TEST_CASE(a_model_is_replaced_hot_and_every_answer_is_one_of_the_two) {
  const Server server("4");
  Client editor(server.port());
  editor.ask(Verb::put, "/models/m", plus(1));
  std::atomic<bool> editing{true};
  std::atomic<int> wrong{0}, first{0}, second{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      Client client(server.port());
      while (editing.load()) {
        const Answer answer = client.ask(Verb::post, "/models/m", w::raw_of<float>({10, 20}), octets);
        if (answer.body == w::raw_of<float>({11, 21}))
          ++first;
        else if (answer.body == w::raw_of<float>({510, 520}))
          ++second;
        else
          ++wrong;
      }
    });
  }
  for (int i = 1; i <= 200 || first.load() < 50 || second.load() < 50; ++i) {
    const float c = i % 2 == 0 ? 1.0F : 500.0F;
    if (editor.ask(Verb::put, "/models/m", plus(c)).status != 200u) ++wrong;
    // Who replaced it reads what he wrote.
    const Answer answer = editor.ask(Verb::post, "/models/m", w::raw_of<float>({0, 0}), octets);
    if (answer.body != w::raw_of<float>({c, c})) ++wrong;
  }
  editing.store(false);
  for (std::thread& caller : callers) caller.join();
  BOOST_TEST(wrong.load() == 0);
}

BOOST_AUTO_TEST_CASE(a_replacement_with_its_inputs_and_outputs_in_another_order_mixes_nothing_up) {
  const Server server("4");
  Client editor(server.port());
  const std::string texts[] = {
      "def forward(a: f32[1], b: f32[1]):\n    less = onnx::Sub(a, b)\n    more = onnx::Add(a, b)\n    return (less, more)\n",
      "def forward(b: f32[1], a: f32[1]):\n    less = onnx::Sub(a, b)\n    more = onnx::Add(a, b)\n    return (more, less)\n"};
  BOOST_TEST(editor.ask(Verb::put, "/models/m", texts[1]).status == 201u);
  std::atomic<bool> editing{true};
  std::atomic<int> wrong{0}, answered{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      Client client(server.port());
      while (editing.load()) {
        const Answer answer =
            client.ask(Verb::post, "/models/m", R"({"a": {"shape": [1], "data": [5]}, "b": {"shape": [1], "data": [3]}})");
        if (answer.json() != Json::parse(R"({"less": {"shape": [1], "data": [2]}, "more": {"shape": [1], "data": [8]}})")) ++wrong;
        ++answered;
      }
    });
  }
  for (int i = 0; i < 1000 || answered.load() < 1000; ++i) {
    if (editor.ask(Verb::put, "/models/m", texts[i % 2]).status != 200u) ++wrong;
  }
  editing.store(false);
  for (std::thread& caller : callers) caller.join();
  BOOST_TEST(wrong.load() == 0);
}

BOOST_AUTO_TEST_CASE(while_a_large_model_is_read_the_only_thread_serves_others) {
  const Server server("1", "64");
  std::string text = "def forward(x: f32[2]):\n    a0 = onnx::Relu(x)\n";
  for (int i = 1; i < 400'000; ++i) text += "    a" + std::to_string(i) + " = onnx::Relu(a" + std::to_string(i - 1) + ")\n";
  text += "    return nobody\n";  // found out at the end
  Client editor(server.port()), other(server.port());
  const auto served = [&] { return other.ask(Verb::get, "/models").status == 200u; };
  const std::string all_but_one = text.substr(0, text.size() - 1);
  editor.send("PUT /models/large HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + all_but_one);
  for (int i = 0; i < 5000; ++i) BOOST_REQUIRE(served());  // by turns with the rest of the text, which so has arrived

  editor.send(text.substr(all_but_one.size()));
  int meanwhile = 0;
  for (; !editor.is_answered(); ++meanwhile) BOOST_REQUIRE(served());
  const Answer refused = editor.read();
  BOOST_TEST(refused.status == 400u);
  BOOST_TEST(refused.error().find("nobody") != std::string::npos);
  BOOST_TEST(meanwhile > 16);  // a loop that reads the model itself answers one or two
}

BOOST_AUTO_TEST_CASE(while_large_inputs_are_read_the_only_thread_serves_others) {
  const Server server("1", "64");
  Client caller(server.port()), other(server.port());
  BOOST_TEST(caller.ask(Verb::put, "/models/m", plus(1)).status == 201u);
  const auto served = [&] { return other.ask(Verb::get, "/models").status == 200u; };
  std::string text = R"({"x": {"shape": [750000, 2], "data": [1)";
  for (int i = 1; i < 1'500'000; ++i) text += ",0.000000";
  text += "]}!";  // found out at the end
  const std::string all_but_one = text.substr(0, text.size() - 1);
  caller.send("POST /models/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + all_but_one);
  for (int i = 0; i < 5000; ++i) BOOST_REQUIRE(served());

  caller.send(text.substr(all_but_one.size()));
  int meanwhile = 0;
  for (; !caller.is_answered(); ++meanwhile) BOOST_REQUIRE(served());
  BOOST_TEST(caller.read().status == 400u);
  BOOST_TEST(meanwhile > 16);
}

BOOST_AUTO_TEST_CASE(while_large_outputs_are_written_the_only_thread_serves_others) {
  const Server server("1");
  Client caller(server.port()), other(server.port());
  const std::string text =
      "def forward(x: f32[1]):\n    y = onnx::Expand(tensor(f32[1], [1.5]), tensor(i64[1], [1500000]))\n    return (x, y)\n";
  BOOST_TEST(caller.ask(Verb::put, "/models/m", text).status == 201u);
  BOOST_TEST(caller.ask(Verb::post, "/models/m", w::raw_of<float>({1.5F}), octets).status == 200u);  // compiled
  const std::string one = R"({"x": {"shape": [1], "data": [1.5]}})";
  caller.send("POST /models/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(one.size()) + "\r\n\r\n" + one);
  int meanwhile = 0;
  for (; !caller.is_answered(); ++meanwhile) BOOST_REQUIRE(other.ask(Verb::get, "/models").status == 200u);
  BOOST_TEST(caller.read().json()["y"]["data"].size() == 1'500'000u);
  BOOST_TEST(meanwhile > 16);
}

BOOST_AUTO_TEST_CASE(a_replacement_may_have_other_weights_inputs_and_outputs) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/m", plus(1));
  BOOST_TEST(client.ask(Verb::put, "/models/m", w::model(w::dense())).status == 200u);
  BOOST_TEST(client.ask(Verb::post, "/models/m", R"({"x": {"shape": [1, 2], "data": [1, 2]}})").json() ==
             Json::parse(R"({"y": {"shape": [1, 3], "data": [5.5, 0, 18]}})"));
  BOOST_TEST(client.ask(Verb::get, "/models").json()[0].at("version") == 2);
}

BOOST_AUTO_TEST_CASE(a_bad_model_is_refused_with_its_sentence_and_the_old_one_stays) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/m", plus(1));
  auto unknown = w::dense();
  unknown.nodes[1] = w::node("Frobnicate", {"h"}, {"y"});
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "m"}, {"0123456789", "m"}, {plus(1).substr(0, 40), "m"}, {w::model(unknown), "Frobnicate"}};
  for (const auto& [body, word] : bad) {
    for (const char* target : {"/models/m", "/models/fresh"}) {
      const Answer answer = client.ask(Verb::put, target, body);
      BOOST_TEST(answer.status == 400u);
      BOOST_TEST(answer.error().find(word) != std::string::npos, answer.error());
    }
  }
  BOOST_TEST(client.ask(Verb::post, "/models/m", ones).json()["y"]["data"] == Json::parse("[2, 2]"));
  BOOST_TEST(client.ask(Verb::post, "/models/fresh", ones).status == 404u);
}

BOOST_AUTO_TEST_CASE(a_model_that_does_not_compile_says_why_when_it_is_called) {
  const Server server;
  Client client(server.port());
  auto unfit = w::dense();
  unfit.initializers[1] = w::floats("fc.bias", {4}, {1, 2, 3, 4});
  BOOST_TEST(client.ask(Verb::put, "/models/unfit", w::model(unfit)).status == 201u);
  const Answer answer = client.ask(Verb::post, "/models/unfit", ones);
  BOOST_TEST(answer.status == 400u);
  BOOST_TEST(answer.error().find("Gemm") != std::string::npos, answer.error());
  BOOST_TEST(client.ask(Verb::put, "/models/unfit", w::model(w::dense())).status == 200u);
  BOOST_TEST(client.ask(Verb::post, "/models/unfit", ones).status == 200u);
}

BOOST_AUTO_TEST_CASE(a_model_that_answers_with_what_does_not_travel_is_the_servers_fault_and_not_the_clients) {
  const Server server;
  Client client(server.port());
  for (const char* result : {"((x, x), x)", "3", "None", "{\"a\": x}"}) {
    const auto put = client.ask(Verb::put, "/models/m", std::string("def forward(x: f32[N]):\n    return ") + result + "\n");
    BOOST_TEST_REQUIRE(put.status < 300u, put.body);
    for (const bool raw : {false, true}) {
      const auto answer = raw ? client.ask(Verb::post, "/models/m", w::raw_of<float>({1}), octets)
                              : client.ask(Verb::post, "/models/m", R"({"x": {"shape": [1], "data": [1]}})");
      BOOST_TEST(answer.status == 500u, result << ": " << answer.body);
      BOOST_TEST(answer.error().find("the model answers with") == 0u, answer.error());
    }
  }
}

#ifndef LAZYFX_SANITIZED
BOOST_AUTO_TEST_CASE(a_model_that_failed_for_want_of_memory_is_compiled_once_there_is_some) {
  const Server server;
  Client client(server.port());
  // Something is compiled first: its threads are there.
  client.ask(Verb::put, "/models/first", plus(1));
  BOOST_TEST(client.ask(Verb::post, "/models/first", ones).status == 200u);
  std::size_t pages = 0;
  std::ifstream("/proc/" + std::to_string(server.process()) + "/statm") >> pages;
  ::rlimit before{};
  ::rlimit scarce{pages * 4096 + (std::size_t{32} << 20), RLIM_INFINITY};
  BOOST_REQUIRE(::prlimit(server.process(), RLIMIT_AS, &scarce, &before) == 0);
  const std::string large =
      "def forward(x: f32[1, 4096]):\n"
      "    w = onnx::Expand(tensor(f32[1], [0.5]), tensor(i64[2], [4096, 4096]))\n"
      "    y = onnx::MatMul(x, w)\n"
      "    return y\n";
  BOOST_TEST(client.ask(Verb::put, "/models/m", large).status == 201u);
  const std::string zeros(4096 * 4, '\0');
  const Answer refused = client.ask(Verb::post, "/models/m", zeros, octets);
  BOOST_TEST(refused.status == 503u, refused.body.substr(0, 200));
  BOOST_REQUIRE(::prlimit(server.process(), RLIMIT_AS, &before, nullptr) == 0);
  const Answer answer = client.ask(Verb::post, "/models/m", zeros, octets);
  BOOST_TEST(answer.status == 200u, answer.body.substr(0, 200));
}
#endif

BOOST_AUTO_TEST_CASE(bad_inputs_are_refused_with_a_sentence_and_the_connection_stays) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/m", plus(1));
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "no JSON"},
      {"{\"x\": ", "no JSON"},
      {"[1, 2]", "object"},
      {"7", "object"},
      {"{}", "'x' is missing"},
      {R"({"z": {"shape": [1, 2], "data": [1, 1]}})", "no input 'z'"},
      {R"({"x": 3})", "'x'"},
      {R"({"x": {"data": [1, 1]}})", "'x'"},
      {R"({"x": {"shape": [1, 2]}})", "'x'"},
      {R"({"x": {"shape": [1, 2], "data": ["a", "b"]}})", "'x'"},
      {R"({"x": {"shape": "1x2", "data": [1, 1]}})", "'x'"},
      {R"({"x": {"shape": [1, 2], "data": [1, 1, 1]}})", "'x'"},
      {R"({"x": {"shape": [-1, 2], "data": [1, 1]}})", "'x'"},
      {R"({"x": {"shape": [4611686018427387904, 4611686018427387904], "data": []}})", "'x'"},
      {R"({"x": {"shape": [1, 3], "data": [1, 1, 1]}})", "x"},
      {R"({"x": {"shape": [2], "data": [1, 1]}})", "x"},
      {R"({"x": {"shape": [1, 2], "data": [1, true]}})", "'x'"},
      {R"({"x": {"shape": [1, 2], "data": [1, null]}})", "'x'"},
      {R"({"x": {"shape": [1, 2], "data": [1, 1], "data": [1, 1]}})", "'x'"},
      {R"({"x": {"shape": [1, 2], "data": [1, 1]}, "x": {"shape": [1, 2], "data": [1, 1]}})", "'x'"},
      {R"({"x": {"shape": [1, 2], "data": [1, 1], "more": [1]}})", "'x'"},
      {R"({"x": {"shape": [1.5, 2], "data": [1, 1]}})", "'x'"},
      {R"({"x": {"shape": [1, 2], "data": [1, 1]}} {)", "no JSON"},
      {"{\"x\": {\"shape\": [1, 2], \"data\": [1, \xff]}}", "no JSON"},
      {std::string(100000, '['), "object"},
      {R"({"x": {"shape": [1, 2], "data": )" + std::string(100000, '['), "'x'"},
      {R"({"x": )" + std::string(100000, '['), "'x'"}};
  for (const auto& [body, word] : bad) {
    const Answer answer = client.ask(Verb::post, "/models/m", body);
    BOOST_TEST(answer.status == 400u, body.substr(0, 80));
    BOOST_TEST(answer.error().find(word) != std::string::npos, answer.error());
  }
  for (const std::size_t bytes : {1u, 4u, 7u, 12u}) {
    BOOST_TEST(client.ask(Verb::post, "/models/m", std::string(bytes, '\0'), octets).status == 400u);
  }
  BOOST_TEST(client.ask(Verb::post, "/models/m", ones).status == 200u);
}

BOOST_AUTO_TEST_CASE(of_a_body_that_goes_on_and_on_the_first_name_that_is_unknown_is_refused) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/m", plus(1));
  std::string endless = "{\"k0\": 0";
  for (int i = 1; i < 60'000; ++i) endless += ",\"k" + std::to_string(i) + "\":0";  // and no end
  const Answer answer = client.ask(Verb::post, "/models/m", endless);
  BOOST_TEST(answer.status == 400u);
  BOOST_TEST(answer.error().find("no input 'k0'") != std::string::npos, answer.error());
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_told) {
  const Server server;
  Client client(server.port());
  for (const std::string& target : {std::string("/"), std::string("/models/"), std::string("/model"), std::string("/models/a/b"),
                                    "/models/" + std::string(65, 'a'), std::string("/models/a%20b"), std::string("/models/absent")}) {
    BOOST_TEST(client.ask(Verb::post, target, ones).status == 404u, target);
  }
  client.ask(Verb::put, "/models/m", plus(1));
  BOOST_TEST(client.ask(Verb::patch, "/models/m").status == 405u);
}

BOOST_AUTO_TEST_CASE(a_body_beyond_the_limit_is_refused_before_it_is_read) {
  const Server server;
  Client announced(server.port());
  announced.send("PUT /models/m HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n");
  BOOST_TEST(announced.read().status == 413u);
  Client chunked(server.port());
  chunked.send("PUT /models/m HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n");
  BOOST_TEST(chunked.read().status == 413u);
}

BOOST_AUTO_TEST_CASE(what_is_no_model_has_a_limit_of_its_own) {
  const Server server("2", "512");
  for (const char* what : {"POST /models/m", "DELETE /models/m", "GET /models"}) {
    Client announced(server.port());
    announced.send(what + std::string(" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 16777217\r\n\r\n"));
    BOOST_TEST(announced.read().status == 413u, what);
  }
  const Server strict("2", "4", "1");
  Client client(strict.port());
  client.ask(Verb::put, "/models/m", plus(1));
  BOOST_TEST(client.ask(Verb::put, "/models/m", std::string(2 << 20, 'x')).status == 400u);
  BOOST_TEST(client.ask(Verb::post, "/models/m", std::string(1 << 20, 'x')).status == 400u);
  Client chunked(strict.port());
  chunked.send("POST /models/m HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n");
  BOOST_TEST(chunked.read().status == 413u);
}

BOOST_AUTO_TEST_CASE(whoever_sends_too_much_unasked_is_told_so) {
  const Server server("2", "1", "1");
  for (int i = 0; i < 20; ++i) {
    Client client(server.port());
    BOOST_TEST(client.ask(Verb::post, "/models/m", std::string(8 << 20, 'x')).status == 413u);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_http_is_refused_and_harms_nobody) {
  const Server server;
  Client nonsense(server.port());
  nonsense.send("hello?\r\n\r\n");
  BOOST_TEST(nonsense.read().status == 400u);
  { Client gone(server.port()); }
  {
    Client half(server.port());
    half.send("POST /models/m HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf");
  }
  Client client(server.port());
  BOOST_TEST(client.ask(Verb::get, "/models").status == 200u);
}

BOOST_AUTO_TEST_CASE(whoever_expects_to_be_told_may_go_on) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/m", plus(1));
  for (const std::string expectation : {"100-continue", "100-Continue"}) {
    client.send("POST /models/m HTTP/1.1\r\nHost: x\r\nExpect: " + expectation + "\r\nContent-Length: " + std::to_string(ones.size()) +
                "\r\n\r\n");
    BOOST_TEST(client.read().status == 100u);
    client.send(ones);
    BOOST_TEST(client.read().status == 200u);
  }
}

BOOST_AUTO_TEST_CASE(head_has_no_body) {
  const Server server;
  Client client(server.port());
  for (const char* target : {"/models", "/metrics", "/models/m", "/"}) {
    client.ask(Verb::head, target);
    BOOST_TEST(client.ask(Verb::get, "/models").body == "[]\n", target);
  }
  BOOST_TEST(client.ask(Verb::head, "/metrics").type == "text/plain; version=0.0.4");
}

BOOST_AUTO_TEST_CASE(metrics_count_what_happened) {
  const Server server;
  Client client(server.port());
  client.ask(Verb::put, "/models/m", plus(1));
  client.ask(Verb::post, "/models/m", ones);
  client.ask(Verb::put, "/models/m", plus(2));
  client.ask(Verb::post, "/models/m", ones);
  const Answer answer = client.ask(Verb::get, "/metrics");
  BOOST_TEST(answer.type == "text/plain; version=0.0.4");
  BOOST_TEST(answer.body.find("\nlazyfx_compiles_finished_total 2\n") != std::string::npos, answer.body);
}

BOOST_AUTO_TEST_CASE(it_stops_when_told_and_lets_idle_connections_go) {
  for (const int how : {SIGINT, SIGTERM}) {
    Server server;
    Client idle(server.port()), half(server.port());
    idle.ask(Verb::put, "/models/m", plus(1));
    half.send("POST /models/m HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf");
    BOOST_TEST(server.stop(how) == 0);
    BOOST_TEST(idle.at_end());
  }
}

BOOST_AUTO_TEST_CASE(it_stops_though_a_client_does_not_read) {
  Server server;
  Client deaf(server.port());
  deaf.ask_for_much();
  BOOST_TEST(server.stop() == 0);
}

BOOST_AUTO_TEST_CASE(a_second_signal_ends_it_at_once) {
  for (const int how : {SIGINT, SIGTERM}) {
    Server server;
    Client deaf(server.port());
    deaf.ask_for_much();
    server.tell_to_stop();
    while (server.accepts()) std::this_thread::yield();
    const int status = server.stop(how);
    BOOST_TEST(WIFSIGNALED(status));
    BOOST_TEST(WTERMSIG(status) == how);
  }
}

BOOST_AUTO_TEST_CASE(it_stops_under_load_with_every_answer_whole) {
  Server server("4");
  {
    Client client(server.port());
    client.ask(Verb::put, "/models/m", plus(1));
  }
  std::atomic<int> answered{0}, wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      try {
        Client client(server.port());
        for (;;) {
          const Answer answer = client.ask(Verb::post, "/models/m", w::raw_of<float>({10, 20}), octets);
          if (answer.body != w::raw_of<float>({11, 21})) ++wrong;
          ++answered;
        }
      } catch (const boost::system::system_error&) {
        // The server has gone.
      }
    });
  }
  while (answered.load() < 100) std::this_thread::yield();
  server.tell_to_stop();
  for (std::thread& caller : callers) caller.join();
  BOOST_TEST(server.wait() == 0);
  BOOST_TEST(wrong.load() == 0);
}
