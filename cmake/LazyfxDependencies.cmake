# Everything the library links, as imported targets. All of it is in Debian 12; cmake/setup.sh installs it.
find_package(Threads REQUIRED)
find_package(Boost 1.81.0 EXACT REQUIRED CONFIG COMPONENTS serialization)  # Asio types cross the interface: one version, stated
find_package(hwy REQUIRED CONFIG)
find_package(nlohmann_json REQUIRED CONFIG)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)  # check sums of zip entries

if(LAZYFX_SANITIZE MATCHES "thread")
  set(LAZYFX_TSAN_TBB ${CMAKE_CURRENT_SOURCE_DIR}/build/tsan-tbb CACHE PATH "Prefix of a oneTBB built with ThreadSanitizer")
  execute_process(COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cmake/tsan_tbb.sh ${LAZYFX_TSAN_TBB} COMMAND_ERROR_IS_FATAL ANY)
  find_package(TBB REQUIRED CONFIG PATHS ${LAZYFX_TSAN_TBB} NO_DEFAULT_PATH)
else()
  find_package(TBB REQUIRED CONFIG)
endif()

# The package's own dnnl-config.cmake insists on OpenCL headers, which nothing here uses.
find_path(LAZYFX_DNNL_INCLUDE oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(LAZYFX_DNNL_LIBRARY dnnl REQUIRED)
find_path(LAZYFX_XXHASH_INCLUDE xxhash.h REQUIRED)
mark_as_advanced(LAZYFX_DNNL_INCLUDE LAZYFX_DNNL_LIBRARY LAZYFX_XXHASH_INCLUDE)

# What lazyfx links without showing it to its users. Debian's oneDNN runs on GNU OpenMP, whichever compiler is used here;
# gomp is named so that the caller's OpenMP settings can be saved and restored through that same runtime.
add_library(lazyfx_private_dependencies INTERFACE)
target_link_libraries(lazyfx_private_dependencies INTERFACE
  TBB::tbb ${LAZYFX_DNNL_LIBRARY} gomp hwy::hwy nlohmann_json::nlohmann_json OpenSSL::Crypto Boost::serialization ZLIB::ZLIB
  ${CMAKE_DL_LIBS})
target_compile_definitions(lazyfx_private_dependencies INTERFACE XXH_INLINE_ALL= BOOST_ALL_NO_LIB)
