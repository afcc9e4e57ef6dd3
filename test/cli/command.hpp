#pragma once

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

/// Runs the command `lazyfx` that was built beside the test, as a user does.
namespace command {

namespace fs = std::filesystem;

inline std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A folder of its own that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "lazyfx-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  fs::path operator/(const fs::path& name) const { return path_ / name; }
  std::string write(const fs::path& name, const std::string& contents) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << contents;
    return (path_ / name).string();
  }

 private:
  fs::path path_;
};

struct Ended {
  int status = -1;  ///< exit status; -1 for a signal
  std::string out, err;
};

inline Ended lazyfx(const std::vector<std::string>& arguments) {
  const Folder folder;
  const auto program = (fs::read_symlink("/proc/self/exe").parent_path() / "lazyfx").string();
  std::vector<char*> argv = {const_cast<char*>("lazyfx")};
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const auto out = (folder / "out").string(), err = (folder / "err").string();
  const auto child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Ended with `status`, nothing on standard output, and one sentence on standard error that speaks of each of `parts`.
inline void check_refused(const std::vector<std::string>& arguments, int status, const std::vector<std::string>& parts) {
  const auto ended = lazyfx(arguments);
  BOOST_TEST(ended.status == status, ended.err);
  BOOST_TEST(ended.out == "");
  BOOST_TEST(ended.err.starts_with("lazyfx: "), ended.err);
  BOOST_TEST(ended.err.find('\n') == ended.err.size() - 1, ended.err);
  for (const auto& part : parts) BOOST_TEST(contains(ended.err, part), "\"" << ended.err << "\" does not speak of \"" << part << "\"");
}

}  // namespace command
