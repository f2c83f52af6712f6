# Each examples/*.c is a program of its own, in build/<preset>/examples/.

file(GLOB batpak_examples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*.c)
foreach(source IN LISTS batpak_examples)
    get_filename_component(name ${source} NAME_WE)
    if(name STREQUAL "read_model" AND NOT TARGET PkgConfig::BATPAK_PC_SQLITE)
        continue()
    endif()
    add_executable(example_${name} ${source})
    set_target_properties(example_${name} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
    target_compile_options(example_${name} PRIVATE ${batpak_warnings})
    target_link_libraries(example_${name} PRIVATE batpak_static Threads::Threads)
    if(name STREQUAL "read_model")
        target_link_libraries(example_${name} PRIVATE PkgConfig::BATPAK_PC_SQLITE)
    endif()
endforeach()
