#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

/// Acts in a process of their own.
namespace support {

struct Ended {
  std::string output;
  int status = 0;  ///< as waitpid(2) tells it
};

/// What `act` writes to the file descriptor it is given, and how its process, a fork of this one, ended.
template <class Act>
Ended in_a_child(Act&& act) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) {
    act(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  Ended ended;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) ended.output.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  if (waitpid(child, &ended.status, 0) != child) std::abort();
  return ended;
}

}  // namespace support
