# The command: public headers and the static library only.

if(EXISTS ${CMAKE_SOURCE_DIR}/cli/main.c)
    pkg_check_modules(JANSSON IMPORTED_TARGET jansson)
    pkg_search_module(MSGPACK IMPORTED_TARGET msgpack msgpack-c)
    if(NOT JANSSON_FOUND OR NOT MSGPACK_FOUND)
        message(FATAL_ERROR
            "The command needs jansson and msgpack-c. On Debian: apt-get install libjansson-dev libmsgpack-dev, "
            "or make setup; the library alone: -DBATPAK_CLI=OFF")
    endif()

    file(GLOB batpak_cli_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cli/*.c)
    add_executable(batpak ${batpak_cli_sources})
    target_compile_options(batpak PRIVATE ${batpak_warnings})
    target_compile_definitions(batpak PRIVATE _GNU_SOURCE)
    target_link_libraries(batpak PRIVATE batpak_static PkgConfig::JANSSON PkgConfig::MSGPACK Threads::Threads)
endif()
