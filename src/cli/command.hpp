#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace lazyfx::cli {

/// The command line itself is wrong: told in one sentence, exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum ExitStatus : int { success = 0, bad_input = 1, bad_usage = 2 };

/// One verb of the command. `arguments` are what follows it. Returns the exit status; throws UsageError, or Error for bad input.
using Command = int (*)(const std::vector<std::string>& arguments);
int run_command(const std::vector<std::string>& arguments);
int bench_command(const std::vector<std::string>& arguments);
int check_command(const std::vector<std::string>& arguments);
int ops_command(const std::vector<std::string>& arguments);
int show_command(const std::vector<std::string>& arguments);
int pack_command(const std::vector<std::string>& arguments);
int unpack_command(const std::vector<std::string>& arguments);
int verify_command(const std::vector<std::string>& arguments);

}  // namespace lazyfx::cli
