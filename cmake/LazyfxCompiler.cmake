# Compiler settings of this build. Nothing here reaches users of the installed package.
include(CheckCXXCompilerFlag)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

find_program(LAZYFX_CCACHE ccache)
if(LAZYFX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LAZYFX_CCACHE})
endif()

# Clang aligns the coroutine frame of an over-aligned local only when told to; g++ 12 has no counterpart.
check_cxx_compiler_flag(-fcoro-aligned-allocation LAZYFX_HAS_CORO_ALIGNED)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  string(REGEX MATCH "^[0-9]+" clang_major ${CMAKE_CXX_COMPILER_VERSION})
  find_program(LAZYFX_LLD NAMES ld.lld-${clang_major} ld.lld)
endif()
mark_as_advanced(LAZYFX_CCACHE LAZYFX_LLD)

# What every target of this project is compiled with.
function(lazyfx_compiler_flags target)
  target_compile_options(${target} PRIVATE -march=x86-64-v2 -Wall -Wextra -Wpedantic -Wshadow)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 takes the alternatives that a std::variant does not hold for values that are read.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(LAZYFX_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(LAZYFX_HAS_CORO_ALIGNED)
    target_compile_options(${target} PRIVATE -fcoro-aligned-allocation)
  endif()
  if(LAZYFX_LLD)
    target_link_options(${target} PRIVATE --ld-path=${LAZYFX_LLD})
  endif()
  if(LAZYFX_SANITIZE)
    lazyfx_sanitize(${target} ${LAZYFX_SANITIZE})
  endif()
endfunction()

function(lazyfx_sanitize target sanitizers)
  target_compile_options(${target} PRIVATE -fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(${target} PRIVATE -fsanitize=${sanitizers})
  # Recycled coroutine frames would hide a use after free.
  target_compile_definitions(${target} PRIVATE BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
endfunction()
