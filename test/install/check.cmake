# cmake -D build=TREE -D scratch=DIR -D compiler=CXX -D generator=NAME -P check.cmake
# Installs a finished build tree into a scratch prefix, then builds and runs the consumer against what was installed.
cmake_minimum_required(VERSION 3.25)

file(REMOVE_RECURSE ${scratch})
set(prefix ${scratch}/prefix)

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "'${command}' failed (${status}):\n${output}")
  endif()
  message(STATUS "${output}")
endfunction()

run(${CMAKE_COMMAND} --install ${build} --prefix ${prefix})

# Only public headers are installed, and none of them shows a third party that belongs behind src/.
file(GLOB_RECURSE headers ${prefix}/include/*)
if(NOT headers)
  message(FATAL_ERROR "no header was installed")
endif()
foreach(header IN LISTS headers)
  if(NOT header MATCHES "/include/lazyfx/.*\\.hpp$")
    message(FATAL_ERROR "${header} is not a public header")
  endif()
  file(STRINGS ${header} includes REGEX "^ *# *include")
  if(includes MATCHES "(tbb|dnnl|hwy|onnx/|google/protobuf|nlohmann|llvm|openssl|xxhash|boost/(serialization|archive))")
    message(FATAL_ERROR "${header} includes what users need not see: ${includes}")
  endif()
endforeach()

# The first program of the README, and what it says that prints.
file(READ ${CMAKE_CURRENT_LIST_DIR}/../../README.md readme)
foreach(kind cpp text)
  string(REGEX MATCH "\n```${kind}\n" begin "${readme}")
  string(FIND "${readme}" "${begin}" at)
  string(LENGTH "${begin}" length)
  math(EXPR at "${at} + ${length}")
  string(SUBSTRING "${readme}" ${at} -1 block)
  string(FIND "${block}" "```" end)
  string(SUBSTRING "${block}" 0 ${end} readme_${kind})
endforeach()
file(WRITE ${scratch}/readme.cpp "${readme_cpp}")

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${scratch}/consumer -G ${generator}
  -D CMAKE_CXX_COMPILER=${compiler} -D CMAKE_PREFIX_PATH=${prefix} -D README_PROGRAM=${scratch}/readme.cpp)
run(${CMAKE_COMMAND} --build ${scratch}/consumer)
run(${scratch}/consumer/consumer)
execute_process(COMMAND ${scratch}/consumer/readme RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(NOT status EQUAL 0 OR NOT output STREQUAL readme_text)
  message(FATAL_ERROR "the README's program ended with ${status} and printed\n${output}${errors}\nwhere the README says\n${readme_text}")
endif()
if(EXISTS ${prefix}/bin/lazyfx)
  run(${prefix}/bin/lazyfx --help)
endif()

# Another Boost is refused with a sentence that says which one is needed.
set(other_boost ${scratch}/other-boost)
file(WRITE ${other_boost}/BoostConfig.cmake "set(Boost_FOUND TRUE)\nadd_library(Boost::headers INTERFACE IMPORTED)\n")
file(WRITE ${other_boost}/BoostConfigVersion.cmake
  "set(PACKAGE_VERSION 1.82.0)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\nset(PACKAGE_VERSION_EXACT FALSE)\n")
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${scratch}/refused -G ${generator}
    -D CMAKE_CXX_COMPILER=${compiler} -D CMAKE_MAKE_PROGRAM=${make} -D CMAKE_PREFIX_PATH=${prefix} -D Boost_DIR=${other_boost}
    -D CMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF -D CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=OFF
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0 OR NOT output MATCHES "Boost[ \n]+1\\.81\\.0")
  message(FATAL_ERROR "a foreign Boost was not refused as it should be:\n${output}")
endif()
