# What `cmake --install` lays down: headers, both libraries, batpak.pc, the CMake package, the command,
# its manual page and completions.

include(CMakePackageConfigHelpers)

install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/batpak DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")

# Two export sets: a user of the shared library needs nothing of ours besides it, a user of the static one
# needs ISA-L too, and must not spoil find_package for the first when it is missing.
install(TARGETS batpak_shared EXPORT batpakTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS batpak_static EXPORT batpakStaticTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/batpak)
install(EXPORT batpakTargets NAMESPACE batpak:: DESTINATION ${package_dir})
install(EXPORT batpakStaticTargets NAMESPACE batpak:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/batpakConfig.cmake.in
    ${CMAKE_BINARY_DIR}/batpakConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/batpakConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/batpakConfig.cmake ${CMAKE_BINARY_DIR}/batpakConfigVersion.cmake
    DESTINATION ${package_dir})

# The prefix in batpak.pc is the one given to configure; `cmake --install --prefix` elsewhere would make it
# lie, so it is derived from where the file lies.
file(RELATIVE_PATH batpak_pc_prefix
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" batpak_pc_prefix "${batpak_pc_prefix}")
set(batpak_pc_modules "")
foreach(module IN LISTS batpak_optional_modules)
    string(APPEND batpak_pc_modules ", ${module}")
endforeach()
configure_file(${CMAKE_SOURCE_DIR}/cmake/batpak.pc.in ${CMAKE_BINARY_DIR}/batpak.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/batpak.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET batpak)
    install(TARGETS batpak RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    file(GLOB batpak_man_pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.1)
    install(FILES ${batpak_man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${CMAKE_SOURCE_DIR}/cli/completions/batpak.bash OPTIONAL
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME batpak)
    install(FILES ${CMAKE_SOURCE_DIR}/cli/completions/_batpak OPTIONAL
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
    install(FILES ${CMAKE_SOURCE_DIR}/cli/completions/batpak.fish OPTIONAL
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
