# libbatpak, static and shared, from one set of position-independent objects.

file(GLOB batpak_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*/*.c)
file(GLOB batpak_base_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/base/*.c)
file(GLOB batpak_io_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/io/*.c)

# Only the two lowest layers see the system beyond ISO C; only the lowest sees BLAKE3, ISA-L and libsodium.
set_property(SOURCE ${batpak_base_sources} ${batpak_io_sources}
    APPEND PROPERTY COMPILE_DEFINITIONS _GNU_SOURCE)
set_property(SOURCE ${batpak_base_sources}
    APPEND PROPERTY INCLUDE_DIRECTORIES ${BATPAK_BLAKE3_DIR} ${ISAL_INCLUDE_DIRS} ${BATPAK_PC_LIBSODIUM_INCLUDE_DIRS})

set_property(SOURCE ${batpak_base_sources} APPEND PROPERTY COMPILE_DEFINITIONS ${batpak_optional_defines})

file(GLOB batpak_projection_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/projection/*.c)
set_property(SOURCE ${batpak_projection_sources} APPEND PROPERTY COMPILE_DEFINITIONS ${batpak_optional_defines})
set_property(SOURCE ${batpak_projection_sources}
    APPEND PROPERTY INCLUDE_DIRECTORIES ${BATPAK_PC_LMDB_INCLUDE_DIRS} ${BATPAK_PC_SQLITE_INCLUDE_DIRS})

set(batpak_objects $<TARGET_OBJECTS:batpak_blake3>)
if(batpak_sources)
    add_library(batpak_objects OBJECT ${batpak_sources})
    target_include_directories(batpak_objects PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
    target_compile_options(batpak_objects PRIVATE ${batpak_warnings})
    # The others see ISO C and POSIX threads.
    target_compile_definitions(batpak_objects PRIVATE _POSIX_C_SOURCE=200809L)
    target_link_libraries(batpak_objects PRIVATE Threads::Threads)
    set_target_properties(batpak_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)
    list(APPEND batpak_objects $<TARGET_OBJECTS:batpak_objects>)
endif()

# The executable is called batpak, so the libraries carry other target names and this output name.
add_library(batpak_static STATIC ${batpak_objects})
add_library(batpak_shared SHARED ${batpak_objects})
foreach(target batpak_static batpak_shared)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME batpak LINKER_LANGUAGE C)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${target} PRIVATE PkgConfig::ISAL ${batpak_optional_libraries} Threads::Threads)
endforeach()

# SONAME libbatpak.so.0; nothing but bp_* leaves it.
set_target_properties(batpak_shared PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    EXPORT_NAME batpak
    LINK_DEPENDS ${CMAKE_SOURCE_DIR}/tools/batpak.map)
target_link_options(batpak_shared PRIVATE
    -Wl,--version-script=${CMAKE_SOURCE_DIR}/tools/batpak.map)
if(NOT BATPAK_SANITIZE AND NOT BATPAK_FUZZ)
    target_link_options(batpak_shared PRIVATE -Wl,--no-undefined)
endif()
