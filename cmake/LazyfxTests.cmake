# How a program becomes a ctest here.

# Suppressions go by the names of functions.
find_program(LAZYFX_SYMBOLIZER NAMES llvm-symbolizer-19 llvm-symbolizer)
set(lazyfx_symbolizer)
if(LAZYFX_SYMBOLIZER)
  set(lazyfx_symbolizer ":external_symbolizer_path=${LAZYFX_SYMBOLIZER}")
endif()

# What a sanitizer's report must do: end the program, with a stack.
set(lazyfx_test_environment
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1:detect_leaks=1"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:detect_deadlocks=1:suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp${lazyfx_symbolizer}")

# lazyfx_add_test(NAME room.concept TARGET target [LABELS ...] [ENVIRONMENT VAR=VALUE ...] [TIMEOUT s] [ARGS ...])
# Programs whose concept speaks of time, by one of the words below, run alone: a neighbour would be measured too.
function(lazyfx_add_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TARGET;TIMEOUT" "LABELS;ENVIRONMENT;ARGS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(name ${LAZYFX_TEST_PREFIX}${arg_NAME})
  string(REPLACE "." "" preset "${LAZYFX_TEST_PREFIX}")
  add_test(NAME ${name} COMMAND ${arg_TARGET} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS};${preset}" ENVIRONMENT "${lazyfx_test_environment};${arg_ENVIRONMENT}")
  if(arg_NAME MATCHES "(^|[._])(cost|latency|speed|timing)([._]|$)")
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()

# One Boost.Test program from one file. Tests see the public headers and helpers under test/.
function(lazyfx_test_program target source)
  add_executable(${target} ${source})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/test)
  target_link_libraries(${target} PRIVATE lazyfx::lazyfx Boost::unit_test_framework)
  target_compile_definitions(${target} PRIVATE BOOST_TEST_DYN_LINK
    LAZYFX_TEST_DATA="${PROJECT_SOURCE_DIR}/test/data" LAZYFX_TEST_MODELS="${PROJECT_SOURCE_DIR}/build/models")
  lazyfx_compiler_flags(${target})
  # Measured limits hold for what is shipped; an unoptimised or instrumented build may relax them.
  if(LAZYFX_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_definitions(${target} PRIVATE LAZYFX_SLOW_BUILD=1)
  endif()
  # g++ 12.2 destroys some temporaries of co_await expressions twice, which only AddressSanitizer notices.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT LAZYFX_SANITIZE AND target MATCHES "coroutine")
    lazyfx_sanitize(${target} address)
  endif()
  # Where memory runs out nothing is left behind either. One compiler's build is enough to know.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT LAZYFX_SANITIZE AND target MATCHES "fault_points")
    lazyfx_sanitize(${target} leak)
  endif()
endfunction()
