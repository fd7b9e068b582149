# Language level, warnings and sanitizers shared by every target of ours.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(SENTINEL_SANITIZE "" CACHE STRING "comma separated list for -fsanitize=")

find_program(SENTINEL_CCACHE ccache)
if(SENTINEL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${SENTINEL_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER "${SENTINEL_CCACHE}")
endif()

add_library(sentinel_options INTERFACE)
target_include_directories(sentinel_options INTERFACE "${CMAKE_SOURCE_DIR}/src")
target_compile_options(sentinel_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # PCH files carry no time stamp, so that ccache can hit through them.
  target_compile_options(sentinel_options INTERFACE
    -Wthread-safety -Wno-missing-designated-field-initializers -Wno-sign-conversion -Wno-implicit-int-float-conversion
    "SHELL:-Xclang -fno-pch-timestamp")
  target_link_options(sentinel_options INTERFACE -fuse-ld=lld)
endif()
if(SENTINEL_SANITIZE)
  target_compile_options(sentinel_options INTERFACE -fsanitize=${SENTINEL_SANITIZE})
  target_link_options(sentinel_options INTERFACE -fsanitize=${SENTINEL_SANITIZE})
endif()
if(SENTINEL_FUZZ)
  target_compile_options(sentinel_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(sentinel_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
