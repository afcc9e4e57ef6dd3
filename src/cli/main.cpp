#include <array>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.hpp"
#include "lazyfx/error.hpp"

namespace {

struct Verb {
  std::string_view name;
  lazyfx::cli::Command command;
};
constexpr std::array verbs = {Verb{"run", lazyfx::cli::run_command},       Verb{"bench", lazyfx::cli::bench_command},
                              Verb{"check", lazyfx::cli::check_command},   Verb{"show", lazyfx::cli::show_command},
                              Verb{"ops", lazyfx::cli::ops_command},       Verb{"pack", lazyfx::cli::pack_command},
                              Verb{"unpack", lazyfx::cli::unpack_command}, Verb{"verify", lazyfx::cli::verify_command}};

constexpr std::string_view usage =
    "usage: lazyfx run   MODEL [--input NAME=FILE.npy|FILE.pb]... [--shape NAME=1x3x224x224]... [--out DIR] [--tier baseline]\n"
    "             [--trace FILE]\n"
    "       lazyfx bench MODEL... [--threads N] [--shape NAME=DIMS]... [--seconds S] [--warm] [--tier baseline] [--json FILE]\n"
    "             [--trace FILE]\n"
    "       lazyfx check DIR... [--json FILE] [--junit FILE] [--filter REGEX] [--jobs N]\n"
    "       lazyfx show  MODEL [--code|--table|--dot|--json]\n"
    "       lazyfx ops   [--json|--markdown]\n"
    "       lazyfx pack  MODEL OUT.lfx\n"
    "       lazyfx unpack PACKAGE.lfx DIR\n"
    "       lazyfx verify PACKAGE.lfx...\n"
    "MODEL is an .onnx file, an .lfx package or an .fx text graph. Each verb explains its options with --help.\n"
    "Exit status: 0 done, 1 bad input or a failed check, 2 bad usage.\n";

// What a message says must fit on one line, wherever its words came from.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

int dispatch(const std::vector<std::string>& arguments) {
  using namespace lazyfx::cli;
  if (arguments.empty()) {
    std::cerr << usage;
    return bad_usage;
  }
  if (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    std::cout << usage;
    return success;
  }
  for (const Verb& verb : verbs) {
    if (verb.name == arguments[0]) return verb.command({arguments.begin() + 1, arguments.end()});
  }
  throw UsageError("there is no verb '" + arguments[0] + "'; see lazyfx --help");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int status = dispatch({argv + 1, argv + argc});
    std::cout.flush();
    if (!std::cout) {
      std::cerr << "lazyfx: standard output cannot be written\n";
      return lazyfx::cli::bad_input;
    }
    return status;
  } catch (const lazyfx::cli::UsageError& error) {
    std::cerr << "lazyfx: " << one_line(error.what()) << '\n';
    return lazyfx::cli::bad_usage;
  } catch (const std::filesystem::filesystem_error& error) {
    std::cerr << "lazyfx: " << one_line(error.path1().string() + ": " + error.code().message()) << '\n';
    return lazyfx::cli::bad_input;
  } catch (const std::exception& error) {
    std::cerr << "lazyfx: " << one_line(error.what()) << '\n';
    return lazyfx::cli::bad_input;
  }
}
