# What the library itself needs: BLAKE3 in source form, ISA-L, threads. See docs/dependencies.md.

find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

pkg_check_modules(ISAL IMPORTED_TARGET libisal)
if(NOT ISAL_FOUND)
    message(FATAL_ERROR "ISA-L not found (pkg-config libisal). On Debian: apt-get install libisal-dev, or make setup")
endif()

# Optional: projections keep states in LMDB and SQLite, and fold into SQLite; payloads are encrypted by libsodium.
# Without them these calls answer BP_ERR_UNSUPPORTED; the headers are the same.
set(batpak_optional_libraries "")
set(batpak_optional_modules "")
foreach(optional LMDB SQLITE LIBSODIUM)
    set(module_LMDB lmdb)
    set(module_SQLITE sqlite3)
    set(module_LIBSODIUM libsodium)
    option(BATPAK_${optional} "Use ${module_${optional}} if it is found" ON)
    if(BATPAK_${optional})
        pkg_check_modules(BATPAK_PC_${optional} QUIET IMPORTED_TARGET ${module_${optional}})
    endif()
    if(BATPAK_${optional} AND BATPAK_PC_${optional}_FOUND)
        list(APPEND batpak_optional_libraries PkgConfig::BATPAK_PC_${optional})
        list(APPEND batpak_optional_modules ${module_${optional}})
        list(APPEND batpak_optional_defines BPI_HAVE_${optional}=1)
        message(STATUS "Optional: with ${module_${optional}} ${BATPAK_PC_${optional}_VERSION}")
    else()
        message(STATUS "Optional: without ${module_${optional}}")
    endif()
endforeach()

# Debian 12 has no C library of BLAKE3; the C sources come in the package of the Rust crate and are
# compiled where they lie.
if(NOT BATPAK_BLAKE3_DIR)
    file(GLOB blake3_candidates LIST_DIRECTORIES true /usr/share/cargo/registry/blake3-*/c)
    foreach(dir IN LISTS blake3_candidates)
        if(EXISTS ${dir}/blake3_dispatch.c)
            set(BATPAK_BLAKE3_DIR ${dir} CACHE PATH "Folder with the C sources of BLAKE3" FORCE)
            break()
        endif()
    endforeach()
endif()
if(NOT EXISTS "${BATPAK_BLAKE3_DIR}/blake3_dispatch.c")
    message(FATAL_ERROR
        "The C sources of BLAKE3 were not found (BATPAK_BLAKE3_DIR is '${BATPAK_BLAKE3_DIR}'). "
        "On Debian: apt-get install librust-blake3-dev, or make setup; "
        "elsewhere give -DBATPAK_BLAKE3_DIR=<folder c/ of the BLAKE3 sources>")
endif()

set(blake3_sources blake3.c blake3_dispatch.c blake3_portable.c)
set(blake3_defines "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    list(APPEND blake3_sources
        blake3_sse2_x86-64_unix.S blake3_sse41_x86-64_unix.S
        blake3_avx2_x86-64_unix.S blake3_avx512_x86-64_unix.S)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    list(APPEND blake3_sources blake3_neon.c)
    list(APPEND blake3_defines BLAKE3_USE_NEON=1)
else()
    list(APPEND blake3_defines
        BLAKE3_NO_SSE2 BLAKE3_NO_SSE41 BLAKE3_NO_AVX2 BLAKE3_NO_AVX512 BLAKE3_USE_NEON=0)
endif()
list(TRANSFORM blake3_sources PREPEND ${BATPAK_BLAKE3_DIR}/)

add_library(batpak_blake3 OBJECT ${blake3_sources})
target_compile_definitions(batpak_blake3 PRIVATE ${blake3_defines})
target_compile_options(batpak_blake3 PRIVATE -w)
set_target_properties(batpak_blake3 PROPERTIES POSITION_INDEPENDENT_CODE ON)
