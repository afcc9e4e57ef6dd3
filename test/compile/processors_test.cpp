// How many threads a pool has by default: what the quotas of cgroups leave, read from trees that are made up here.
#define BOOST_TEST_MODULE compile_processors
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>

#include "cli/command.hpp"
#include "compile/processors.hpp"

using lazyfx::compile::processor_quota;

namespace {

/// A machine's /proc and /sys, as far as quotas go.
class Machine {
 public:
  Machine& own(const std::string& lines) {
    folder_.write("proc/self/cgroup", lines);
    return *this;
  }
  Machine& quota(const std::string& cgroup, const std::string& cpu_max) {
    folder_.write("sys/fs/cgroup/" + cgroup + "cpu.max", cpu_max + "\n");
    return *this;
  }
  double least() const { return processor_quota(folder_ / ""); }

 private:
  command::Folder folder_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_quota_of_the_own_cgroup_counts) {
  BOOST_TEST(Machine().own("0::/user.slice/job\n").quota("user.slice/job/", "150000 100000").least() == 1.5);
}

BOOST_AUTO_TEST_CASE(of_the_own_cgroup_and_those_around_it_the_smallest_quota_counts) {
  Machine machine;
  machine.own("0::/a/b/c\n").quota("", "800000 100000").quota("a/b/c/", "600000 100000");
  BOOST_TEST(machine.least() == 6);
  machine.quota("a/", "400000 100000");
  BOOST_TEST(machine.least() == 4);
  machine.quota("a/b/", "100000 50000");
  BOOST_TEST(machine.least() == 2);
  machine.quota("", "50000 100000");
  BOOST_TEST(machine.least() == 0.5);
}

BOOST_AUTO_TEST_CASE(a_cgroup_beside_the_own_one_does_not_count) {
  Machine machine;
  machine.own("0::/a/b\n").quota("a/b/", "300000 100000").quota("a/other/", "100000 100000").quota("a/b/below/", "100000 100000");
  BOOST_TEST(machine.least() == 3);
}

BOOST_AUTO_TEST_CASE(within_a_namespace_the_mount_is_the_own_cgroup) {
  BOOST_TEST(Machine().own("0::/\n").quota("", "200000 100000").least() == 2);
  BOOST_TEST(Machine().own("0::/../../elsewhere\n").quota("", "200000 100000").quota("../../elsewhere/", "100000 100000").least() == 2);
  BOOST_TEST(Machine().quota("", "200000 100000").least() == 2);  // no /proc
}

BOOST_AUTO_TEST_CASE(the_lines_of_cgroup_v1_name_none) {
  BOOST_TEST(Machine().own("12:cpu,cpuacct:/old\n1:name=systemd:/old\n0::/new one\n").quota("new one/", "100000 100000").least() == 1);
  BOOST_TEST(std::isinf(Machine().own("12:cpu,cpuacct:/old\n").quota("old/", "100000 100000").least()));
}

BOOST_AUTO_TEST_CASE(a_cgroup_without_a_quota_leaves_all) {
  BOOST_TEST(std::isinf(Machine().least()));
  BOOST_TEST(std::isinf(Machine().own("0::/a\n").quota("", "max 100000").quota("a/", "max 100000").least()));
  for (const char* nonsense : {"", "100000", "none 100000", "100000 0", "-100000 100000"}) {
    BOOST_TEST(std::isinf(Machine().own("0::/a\n").quota("a/", nonsense).least()), nonsense);
  }
}

BOOST_AUTO_TEST_CASE(there_is_always_a_processor_to_use) { BOOST_TEST(lazyfx::compile::available_processors() >= 1U); }
