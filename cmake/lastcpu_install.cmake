# SPDX-License-Identifier: BSL-1.0
# cmake --install: the headers, a package for find_package(lastcpu) and one for pkg-config. lastcpu depends on no other
# package, so the exported targets file is the whole package configuration.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/lastcpu)

install(TARGETS lastcpu EXPORT lastcpu FILE_SET HEADERS FILE_SET hosted)
install(EXPORT lastcpu NAMESPACE lastcpu:: FILE lastcpu-config.cmake DESTINATION ${package_dir})

write_basic_package_version_file(${PROJECT_BINARY_DIR}/lastcpu-config-version.cmake
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/lastcpu-config-version.cmake DESTINATION ${package_dir})

# Of the prefix that it is installed in, wherever that is; share/, for nothing in it depends on the machine.
set(lastcpu_includedir "\${prefix}")
cmake_path(APPEND lastcpu_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/lastcpu.pc.in ${PROJECT_BINARY_DIR}/lastcpu.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/lastcpu.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
