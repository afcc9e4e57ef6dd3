#include "answers.hpp"

#include <exception>
#include <new>
#include <string_view>

#include <lazyfx/error.hpp>

#include "wire.hpp"

namespace serving {

using namespace lazyfx;
namespace http = boost::beast::http;

namespace {

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

}  // namespace

Response refusal() try { throw; } catch (const Error& e) {
  return refuse(status_of(e.kind()), e.what());
} catch (const std::bad_alloc&) { return refuse(http::status::service_unavailable, "out of memory"); } catch (const std::exception& e) {
  return refuse(http::status::internal_server_error, e.what());
}

bool is_raw(const Request& request) {
  const std::string_view type = request[http::field::content_type];
  return boost::beast::iequals(type.substr(0, type.find_first_of("; \t")), "application/octet-stream");
}

std::vector<Value> inputs_of(const onnx::ImportedModel& ports, const Request& request) {
  return is_raw(request) ? inputs_of_bytes(ports, request.body()) : inputs_of_json(ports, request.body());
}

Response answer_of(const onnx::ImportedModel& ports, const Value& result, bool raw) try {
  if (!raw) return reply(http::status::ok, json_of(ports, result));
  const Tensor first = first_tensor(result);
  Response response = reply(http::status::ok, bytes_of(first), "application/octet-stream");
  response.set("X-DType", to_string(first.dtype()));
  response.set("X-Shape", to_string(first.shape()));
  return response;
} catch (const Error& e) {
  // What does not travel is the model's fault, not that of who calls it.
  const http::status status = status_of(e.kind());
  return refuse(status == http::status::bad_request ? http::status::internal_server_error : status, e.what());
} catch (...) { return refusal(); }

}  // namespace serving
