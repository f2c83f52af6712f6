# The tests, found by where they lie:
#
#   tests/<folder>/test_<name>.c   a cmocka program, ctest name <folder>/<name>; may include private headers
#   tests/support/*.c              a library that all of them link
#   tests/cli/*.sh                 a shell script, run with BATPAK (the command) in the environment
#   tests/real/*.sh                the same, on real filesystems and systems that refuse; what they lack they skip
#   tests/python/*.py              a python program, run in the same way
#
# Every test runs in a fresh folder of its own (tools/run_test.sh), has its folder as label, and 300
# seconds. A line in the file's first comment changes that:
#
#   ctest: labels=slow,threads timeout=900 serial
#
# wrap=NAME,NAME there links the program so that its own __wrap_NAME stands in the library's calls of each NAME.
#
# Labels with a meaning: threads also runs under the thread sanitizer, slow does not run under the address
# sanitizer, campaign runs once more in `make campaign`, with BATPAK_CAMPAIGN=1 for its full numbers and
# two hours of time. Exit code 77 is a skipped test.

find_package(Python3 COMPONENTS Interpreter REQUIRED)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
if(NOT CMOCKA_FOUND)
    message(FATAL_ERROR "The tests need cmocka. On Debian: apt-get install libcmocka-dev, or make setup")
endif()

set(batpak_test_environment
    BATPAK_SOURCE=${CMAKE_SOURCE_DIR}
    BATPAK_BUILD=${CMAKE_BINARY_DIR}
    BATPAK_CC=${CMAKE_C_COMPILER})
if(BATPAK_SANITIZE OR BATPAK_COVERAGE)
    list(APPEND batpak_test_environment BATPAK_INSTRUMENTED=1)
endif()
if(TARGET batpak)
    list(APPEND batpak_test_environment BATPAK=$<TARGET_FILE:batpak>)
endif()

# batpak_add_test(<name> <source> <command>...): the command in a fresh folder, with the source's ctest: line.
function(batpak_add_test name source)
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(folder ${folder} NAME)
    set(labels ${folder})
    set(timeout 300)
    set(serial OFF)
    if(name MATCHES "thread")
        list(APPEND labels threads)
    endif()
    file(STRINGS ${source} line REGEX "^[ /#*]*ctest: [a-z]+" LIMIT_COUNT 1)
    if(line MATCHES "labels=([a-z,-]+)")
        string(REPLACE "," ";" more "${CMAKE_MATCH_1}")
        list(APPEND labels ${more})
    endif()
    if("campaign" IN_LIST labels)
        set(timeout 7200)
    endif()
    if(line MATCHES "timeout=([0-9]+)")
        set(timeout ${CMAKE_MATCH_1})
    endif()
    if(line MATCHES " serial")
        set(serial ON)
    endif()
    add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/tools/run_test.sh ${CMAKE_BINARY_DIR}/scratch ${name} ${ARGN})
    # What takes long begins first, so that not one core waits for one test at the end.
    set(cost 0)
    if("campaign" IN_LIST labels OR "slow" IN_LIST labels)
        set(cost 1000)
    endif()
    if("threads" IN_LIST labels)
        set_property(GLOBAL APPEND PROPERTY batpak_thread_tests ${name})
    endif()
    set_tests_properties(${name} PROPERTIES COST ${cost}
        LABELS "${labels}" TIMEOUT ${timeout} RUN_SERIAL ${serial} SKIP_RETURN_CODE 77
        ENVIRONMENT "${batpak_test_environment}")
endfunction()

# What forked children ran counts too, although they leave by _exit: tests/support/leave.c.
if(BATPAK_COVERAGE)
    set(batpak_leave -Wl,--wrap=_exit)
endif()
file(GLOB batpak_support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.c)
add_library(batpak_test_support INTERFACE)
target_include_directories(batpak_test_support INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
target_compile_definitions(batpak_test_support INTERFACE _GNU_SOURCE)
target_compile_options(batpak_test_support INTERFACE ${batpak_warnings})
target_link_options(batpak_test_support INTERFACE ${batpak_leave})
if(BATPAK_COVERAGE)
    target_compile_definitions(batpak_test_support INTERFACE BPT_COVERAGE=1)
endif()
target_link_libraries(batpak_test_support INTERFACE batpak_static PkgConfig::CMOCKA Threads::Threads)
if(TARGET PkgConfig::BATPAK_PC_SQLITE)
    target_compile_definitions(batpak_test_support INTERFACE BPT_HAVE_SQLITE=1)
    target_link_libraries(batpak_test_support INTERFACE PkgConfig::BATPAK_PC_SQLITE)
endif()
if(TARGET PkgConfig::BATPAK_PC_LMDB)
    target_compile_definitions(batpak_test_support INTERFACE BPT_HAVE_LMDB=1)
    target_link_libraries(batpak_test_support INTERFACE PkgConfig::BATPAK_PC_LMDB)
endif()
set(batpak_test_library batpak_test_support)
if(batpak_support)
    add_library(batpak_test_support_code STATIC ${batpak_support})
    target_link_libraries(batpak_test_support_code PUBLIC batpak_test_support)
    set(batpak_test_library batpak_test_support_code)
endif()

# Second readers of what the library writes as JSON and MessagePack, where they are.
pkg_check_modules(JANSSON QUIET IMPORTED_TARGET jansson)
pkg_search_module(MSGPACK QUIET IMPORTED_TARGET msgpack msgpack-c)
if(JANSSON_FOUND AND MSGPACK_FOUND)
    target_compile_definitions(batpak_test_support INTERFACE BPT_SECOND_READERS=1)
    target_link_libraries(batpak_test_support INTERFACE PkgConfig::JANSSON PkgConfig::MSGPACK)
endif()

# The simulation is several files (tests/sim).
file(GLOB batpak_sim CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/*.c)
list(FILTER batpak_sim EXCLUDE REGEX "/test_[a-z_]*\\.c$")
add_library(batpak_sim STATIC ${batpak_sim})
target_link_libraries(batpak_sim PUBLIC ${batpak_test_library})

# The library with mistakes that can be put in (src/base/plant.h): the files that have some, compiled once more and linked
# before the library, which then gives the others. It is the release build that shows that each is found.
set(batpak_plants OFF)
if(NOT BATPAK_SANITIZE AND NOT BATPAK_COVERAGE)
    set(batpak_plants ON)
    foreach(source IN LISTS batpak_sources)
        file(STRINGS ${source} line REGEX "^#include \"base/plant\\.h\"" LIMIT_COUNT 1)
        if(line)
            list(APPEND batpak_planted_sources ${source})
        endif()
    endforeach()
    add_library(batpak_planted OBJECT ${batpak_planted_sources})
    add_library(batpak_plants OBJECT ${CMAKE_SOURCE_DIR}/tests/sim/planted/planted.c)
    foreach(library batpak_planted batpak_plants)
        target_include_directories(${library} PRIVATE
            ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
        target_compile_options(${library} PRIVATE ${batpak_warnings})
        target_compile_definitions(${library} PRIVATE _POSIX_C_SOURCE=200809L BPI_PLANT=1)
    endforeach()
    # Tests that are named in tests/sim/test_planted.c.
    set_target_properties(batpak_planted PROPERTIES EXPORT_COMPILE_COMMANDS OFF) # clang-tidy sees them once
    foreach(program log_recovery store_erase store_snapshot crash_failures store_process store_space_unsure)
        string(REGEX REPLACE "^([a-z]+)_(.*)$" "\\1/test_\\2" file ${program})
        add_executable(planted_${program} ${CMAKE_SOURCE_DIR}/tests/${file}.c
            $<TARGET_OBJECTS:batpak_planted> $<TARGET_OBJECTS:batpak_plants>)
        set_target_properties(planted_${program} PROPERTIES EXPORT_COMPILE_COMMANDS OFF
            OUTPUT_NAME ${program} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/planted)
        target_link_libraries(planted_${program} PRIVATE ${batpak_test_library})
    endforeach()
endif()

file(GLOB batpak_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/test_*.c)
foreach(source IN LISTS batpak_tests)
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(folder ${folder} NAME)
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    if(name STREQUAL "planted" AND NOT batpak_plants)
        continue()
    endif()
    set(target test_${folder}_${name})
    add_executable(${target} ${source})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_link_libraries(${target} PRIVATE ${batpak_test_library})
    if(folder STREQUAL "sim")
        target_link_libraries(${target} PRIVATE batpak_sim)
        if(name STREQUAL "planted")
            target_sources(${target} PRIVATE $<TARGET_OBJECTS:batpak_planted> $<TARGET_OBJECTS:batpak_plants>)
            target_compile_definitions(${target} PRIVATE BPI_PLANT=1)
        endif()
    endif()
    file(STRINGS ${source} line REGEX "^[ /#*]*ctest: [a-z]+" LIMIT_COUNT 1)
    if(line MATCHES "wrap=([a-z0-9_,]+)")
        string(REPLACE "," ";" wrapped "${CMAKE_MATCH_1}")
        foreach(function IN LISTS wrapped)
            target_link_options(${target} PRIVATE -Wl,--wrap=${function})
        endforeach()
    endif()
    batpak_add_test(${folder}/${name} ${source} $<TARGET_FILE:${target}>)
    list(APPEND batpak_programs ${folder}/${name}=${target})
endforeach()

# The upper layers once more, their locks and atomic accesses replaced by a scheduler's: tests/schedule/replace.h. Where
# these come first, no object of the library's own with the same functions is linked. One thread runs at a time, whatever the
# sanitizers; once is enough.
if(NOT BATPAK_SANITIZE AND NOT BATPAK_COVERAGE)
file(GLOB batpak_scheduled CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/log/*.c ${CMAKE_SOURCE_DIR}/src/index/*.c
    ${CMAKE_SOURCE_DIR}/src/store/*.c ${CMAKE_SOURCE_DIR}/src/follow/*.c ${CMAKE_SOURCE_DIR}/src/base/thread.c)
add_library(batpak_scheduled_objects OBJECT ${batpak_scheduled})
set_target_properties(batpak_scheduled_objects PROPERTIES EXPORT_COMPILE_COMMANDS OFF) # clang-tidy sees them once
target_include_directories(batpak_scheduled_objects PRIVATE
    ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
target_compile_definitions(batpak_scheduled_objects PRIVATE _POSIX_C_SOURCE=200809L BPI_PLANT=1)
target_compile_options(batpak_scheduled_objects PRIVATE -include ${CMAKE_SOURCE_DIR}/tests/schedule/replace.h)
foreach(name schedules names keeper keys)
    add_executable(test_schedule_${name} ${CMAKE_SOURCE_DIR}/tests/schedule/${name}.c
        ${CMAKE_SOURCE_DIR}/tests/schedule/scheduler.c ${CMAKE_SOURCE_DIR}/tests/schedule/scene.c
        $<TARGET_OBJECTS:batpak_scheduled_objects>)
    target_compile_definitions(test_schedule_${name} PRIVATE BPI_PLANT=1)
    set_target_properties(test_schedule_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_link_libraries(test_schedule_${name} PRIVATE ${batpak_test_library})
    batpak_add_test(schedule/${name} ${CMAKE_SOURCE_DIR}/tests/schedule/${name}.c
        $<TARGET_FILE:test_schedule_${name}>)
endforeach()
endif()

if(TARGET batpak)
    file(GLOB batpak_shell_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli/*.sh ${CMAKE_SOURCE_DIR}/tests/real/*.sh)
    foreach(source IN LISTS batpak_shell_tests)
        get_filename_component(folder ${source} DIRECTORY)
        get_filename_component(folder ${folder} NAME)
        get_filename_component(name ${source} NAME_WE)
        batpak_add_test(${folder}/${name} ${source} bash ${source})
    endforeach()
endif()

file(GLOB batpak_python_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/python/*.py)
foreach(source IN LISTS batpak_python_tests)
    get_filename_component(name ${source} NAME_WE)
    batpak_add_test(python/${name} ${source} ${Python3_EXECUTABLE} -B ${source})
endforeach()

# The checks of the sources themselves, and proof that they can fail.
foreach(check layers sizes promises)
    set(script ${CMAKE_SOURCE_DIR}/tools/check_${check}.py)
    batpak_add_test(tools/${check} ${script} ${Python3_EXECUTABLE} -B ${script} ${CMAKE_SOURCE_DIR})
    batpak_add_test(tools/${check}-self-test ${script} ${Python3_EXECUTABLE} -B ${script} --self-test)
endforeach()

set(script ${CMAKE_SOURCE_DIR}/tests/model/check.sh)
batpak_add_test(model/commit ${script} bash ${script})

set(script ${CMAKE_SOURCE_DIR}/tests/install/install.sh)
batpak_add_test(install/install ${script} bash ${script})

# Only what runs under the thread sanitizer, so that nothing else need be built for it.
add_custom_target(batpak_thread_tests)
get_property(names GLOBAL PROPERTY batpak_thread_tests)
foreach(name IN LISTS names)
    set(programs ${batpak_programs})
    list(FILTER programs INCLUDE REGEX "^${name}=")
    if(programs)
        string(REGEX REPLACE "^.*=" "" target ${programs})
        add_dependencies(batpak_thread_tests ${target})
    else()
        add_dependencies(batpak_thread_tests batpak) # a script asks the command
    endif()
endforeach()
