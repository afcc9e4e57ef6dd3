# Everything the library links, as imported targets. All of it is in Debian 12; cmake/setup.sh installs it.
find_package(Threads REQUIRED)
find_package(Boost 1.81.0 EXACT REQUIRED CONFIG)  # Asio types cross the interface: one version, stated
find_package(TBB REQUIRED CONFIG)
find_package(hwy REQUIRED CONFIG)
find_package(Protobuf REQUIRED)
find_package(ONNX REQUIRED CONFIG)  # imported target onnx_proto: the message classes only
find_package(nlohmann_json REQUIRED CONFIG)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)

find_path(LAZYFX_XXHASH_INCLUDE xxhash.h REQUIRED)

# The package's own dnnl-config.cmake insists on OpenCL headers, which nothing here uses.
find_path(LAZYFX_DNNL_INCLUDE oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(LAZYFX_DNNL_LIBRARY dnnl REQUIRED)
mark_as_advanced(LAZYFX_XXHASH_INCLUDE LAZYFX_DNNL_INCLUDE LAZYFX_DNNL_LIBRARY)
add_library(lazyfx_dnnl INTERFACE)
# Debian's oneDNN runs on GNU OpenMP; saving and restoring the caller's settings needs the same runtime.
target_link_libraries(lazyfx_dnnl INTERFACE ${LAZYFX_DNNL_LIBRARY} gomp)
