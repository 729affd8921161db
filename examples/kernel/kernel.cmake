# SPDX-License-Identifier: BSL-1.0
# The example kernel in two parts: what boots and dies, and what it does in between, which is another program's to replace.
include_guard()
include(${CMAKE_CURRENT_LIST_DIR}/../add_kernel.cmake)
set(lastcpu_kernel_dir ${CMAKE_CURRENT_LIST_DIR})

# What gdb opens a dump with is the file that ran: it has symbols, lines and .eh_frame, which kernel.ld keeps out of what is
# loaded, and a build id. Not .debug_frame: there clang does not say which frames are an interrupt's.
set(lastcpu_debuggable "$<$<COMPILE_LANGUAGE:ASM,CXX>:-g;-fasynchronous-unwind-tables>")

# lastcpu_add_kernel_objects(<target>): all of the kernel but after_boot().
function(lastcpu_add_kernel_objects target)
  file(GLOB sources CONFIGURE_DEPENDS ${lastcpu_kernel_dir}/*.cpp)
  list(REMOVE_ITEM sources ${lastcpu_kernel_dir}/after_boot.cpp)
  add_library(${target} OBJECT ${lastcpu_kernel_dir}/boot.S ${sources})
  lastcpu_freestanding(${target} kernel)
  target_compile_options(${target} PRIVATE "${lastcpu_debuggable}")
endfunction()

# lastcpu_link_kernel(<target> <file> <kernel objects> <source with after_boot()>...)
function(lastcpu_link_kernel target file objects)
  lastcpu_add_kernel(${target} ${file} ${lastcpu_kernel_dir}/kernel.ld kernel ${ARGN})
  target_include_directories(${target} PRIVATE ${lastcpu_kernel_dir})
  target_compile_options(${target} PRIVATE "${lastcpu_debuggable}")
  target_link_options(${target} PRIVATE -Wl,--build-id=sha1,--no-eh-frame-hdr)  # the last id counts
  target_link_libraries(${target} PRIVATE ${objects})
endfunction()
