#define BOOST_TEST_MODULE store_killed_save
#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "cli/command.hpp"
#include "lazyfx/store/archive.hpp"
#include "lazyfx/store/package_exporter.hpp"
#include "modules.hpp"

using namespace lazyfx;

namespace {

void save(const std::string& file, const Module& module) {
  PackageExporter out(file);
  out.save_module("model", module);
  out.close();
}

std::size_t files_in(const command::fs::path& folder) {
  return static_cast<std::size_t>(std::distance(command::fs::directory_iterator(folder), command::fs::directory_iterator()));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_save_killed_at_any_moment_leaves_the_old_file_or_the_new_one_and_litter_goes_with_the_next_save) {
  const command::Folder folder;
  Runtime runtime;
  const auto one = stored::nested(runtime, Schedule::on_demand), other = stored::nested(runtime, Schedule::on_mark);
  other->set_buffer("large", Tensor::zeros(DType::f32, Shape{1 << 18}));
  const std::string file = folder.write("sub/model.lfx", "");
  const auto home = command::fs::path(file).parent_path();
  save(file, *one);
  const std::string old_bytes = command::read(file);
  save(file, *other);
  const std::string new_bytes = command::read(file);

  constexpr int kills = 1000;
  std::mt19937_64 random(1);
  std::uint64_t longest = 4000;  // microseconds
  std::size_t unfinished = 0, seen_old = 0, seen_new = 0, most_files = 0;
  for (int i = 0; i < kills; ++i) {
    const auto child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      for (bool turn = i % 2 == 0;; turn = !turn) save(file, turn ? *one : *other);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % longest));  // a random moment: what it is about
    ::kill(child, SIGKILL);
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_REQUIRE(WIFSIGNALED(status));
    const std::string bytes = command::read(file);
    seen_old += bytes == old_bytes;
    seen_new += bytes == new_bytes;
    BOOST_REQUIRE((bytes == old_bytes || bytes == new_bytes));
    const std::size_t files = files_in(home);
    unfinished += files > 1;
    most_files = std::max(most_files, files);
    if (i % 100 == 99 && (seen_new == 0 || unfinished == 0)) longest *= 2;  // nobody came so far: a slower machine
  }
  BOOST_TEST(unfinished > 0u);  // else the moments were badly chosen
  BOOST_TEST(seen_old + unfinished > 0u);
  BOOST_TEST(seen_new > 0u);
  BOOST_TEST(most_files == 2u);
  save(file, *one);
  BOOST_TEST(files_in(home) == 1u);
}

BOOST_AUTO_TEST_CASE(a_save_that_fails_leaves_the_old_file_and_no_litter) {
  const command::Folder folder;
  Runtime runtime;
  const std::string file = folder.write("sub/model.lfx", "old");
  BOOST_CHECK_THROW(save_to_file((folder / "absent/model").string(), *stored::nested(runtime)), StoreError);
  Container odd;
  odd.set_submodule("scale", std::make_shared<stored::Scale>(1));
  BOOST_CHECK_THROW(save(file, odd), PackagingError);
  BOOST_TEST(command::read(file) == "old");
  BOOST_TEST(files_in(command::fs::path(file).parent_path()) == 1u);
}

BOOST_AUTO_TEST_CASE(two_processes_that_save_the_same_file_at_once_do_not_harm_each_other) {
  const command::Folder folder;
  Runtime runtime;
  const auto module = stored::nested(runtime);
  const std::string file = folder.write("sub/model.lfx", "");
  std::vector<::pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    try {
      for (int k = 0; k < 25; ++k) save(file, *module);
    } catch (...) { ::_exit(1); }
    ::_exit(0);
  }
  for (const ::pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    BOOST_TEST(status == 0);
  }
  BOOST_TEST(files_in(command::fs::path(file).parent_path()) == 1u);
}
