include(CMakePackageConfigHelpers)

set(lazyfx_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lazyfx)
install(TARGETS lazyfx EXPORT lazyfxTargets)
if(TARGET lazyfx_cli)
  set_target_properties(lazyfx_cli PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS lazyfx_cli)
endif()
install(DIRECTORY include/lazyfx DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(EXPORT lazyfxTargets NAMESPACE lazyfx:: DESTINATION ${lazyfx_config_dir})
configure_package_config_file(cmake/lazyfxConfig.cmake.in lazyfxConfig.cmake INSTALL_DESTINATION ${lazyfx_config_dir})
write_basic_package_version_file(lazyfxConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lazyfxConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/lazyfxConfigVersion.cmake
  DESTINATION ${lazyfx_config_dir})
