#define BOOST_TEST_MODULE cli_trace
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "command.hpp"
#include "interop/onnx_writer.hpp"

using command::Folder;
using command::lazyfx;
namespace w = onnx_writer;

namespace {

/// Names of the slices of one category.
std::set<std::string> slices(const std::string& file, const std::string& category) {
  const auto trace = nlohmann::json::parse(command::read(file));
  std::set<std::string> names;
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("ph") == "X" && event.at("cat") == category) names.insert(event.at("name"));
  }
  return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(run_and_bench_write_a_trace_of_their_compiles) {
  const Folder folder;
  const auto model = folder.write("m.onnx", w::model(w::dense()));
  const std::vector<std::vector<std::string>> commands = {{"run", model}, {"bench", model, "--seconds", "0"}};
  for (auto arguments : commands) {
    const auto trace = (folder / (arguments[0] + ".json")).string();
    arguments.insert(arguments.end(), {"--trace", trace});
    const auto ended = lazyfx(arguments);
    BOOST_TEST(ended.status == 0, ended.err);
    BOOST_TEST(ended.err == "");
    const auto compiles = slices(trace, "compile"), passes = slices(trace, "pass");
    BOOST_TEST(compiles.contains("compile"));
    for (const char* pass : {"bind", "lower", "fold", "fuse", "layouts", "kernels", "memory plan"}) BOOST_TEST(passes.contains(pass), pass);
    BOOST_TEST(!slices(trace, "kernel").empty());
  }
}

BOOST_AUTO_TEST_CASE(a_failed_compile_leaves_its_trace_too) {
  const Folder folder;
  auto unfit = w::dense();
  unfit.initializers[1] = w::floats("fc.bias", {4}, {1, 2, 3, 4});
  const auto model = folder.write("m.onnx", w::model(unfit));
  const auto trace = (folder / "trace.json").string();
  const auto ended = lazyfx({"run", model, "--trace", trace});
  BOOST_TEST(ended.status == 1);
  BOOST_TEST(slices(trace, "pass").contains("bind"));
}

BOOST_AUTO_TEST_CASE(a_trace_that_cannot_be_written_is_told) {
  const Folder folder;
  const auto model = folder.write("m.onnx", w::model(w::dense()));
  const auto trace = (folder / "absent" / "trace.json").string();
  const auto ended = lazyfx({"run", model, "--trace", trace});
  BOOST_TEST(ended.status == 1);
  BOOST_TEST(command::contains(ended.err, trace), ended.err);
  command::check_refused({"bench", model, model, "--trace", trace}, 2, {"--trace", "one MODEL"});
}

BOOST_AUTO_TEST_CASE(progress_is_shown_on_a_terminal_only) {
  const Folder folder;
  const auto model = folder.write("m.onnx", w::model(w::dense()));
  BOOST_TEST(lazyfx({"run", model}).err == "");
  // A terminal of our own making for its standard error.
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0) {
    BOOST_TEST_MESSAGE(
        "no terminal can be made here (a bare chroot has no /dev/pts), so nothing is shown on one: " << std::strerror(errno));
    return;
  }
  BOOST_REQUIRE(::grantpt(terminal) == 0);
  BOOST_REQUIRE(::unlockpt(terminal) == 0);
  const int other_end = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  BOOST_REQUIRE(other_end >= 0);
  const auto program = (command::fs::read_symlink("/proc/self/exe").parent_path() / "lazyfx").string();
  const auto child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
    ::dup2(other_end, STDERR_FILENO);
    ::execl(program.c_str(), "lazyfx", "run", model.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST(status == 0);
  ::close(other_end);
  // What was written arrives in pieces; after the last of them reading fails, since nobody has the other end open.
  std::string shown;
  char piece[256];
  for (ssize_t n = 0; (n = ::read(terminal, piece, sizeof piece)) > 0;) shown.append(piece, static_cast<std::size_t>(n));
  BOOST_TEST(command::contains(shown, "\rreading "), shown);
  BOOST_TEST(command::contains(shown + "|", "\r|"), shown);  // and cleared again
  ::close(terminal);
}
