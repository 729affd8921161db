# SPDX-License-Identifier: BSL-1.0
# How freestanding programs are built. A directory that does so empties CMAKE_CXX_FLAGS first, so that no sanitizer
# reaches a kernel.
include_guard()

set(LASTCPU_KERNEL_LINKER "" CACHE STRING "Linker of the example kernels, as in -fuse-ld=; empty: the compiler's own")

# Calls no library, not even libgcc.
function(lastcpu_freestanding target code_model)
  lastcpu_strict_warnings(${target})
  set(options
    -mcmodel=${code_model} -mno-red-zone -mgeneral-regs-only -ffreestanding -nostdinc++ -fno-pic
    -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector -fcf-protection=none
    -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fno-optimize-sibling-calls)  # the last two: for backtraces
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${options}>")
  target_link_libraries(${target} PRIVATE lastcpu::lastcpu)
endfunction()

# lastcpu_add_kernel(<target> <file> <linker script> <code model> <source>...)
function(lastcpu_add_kernel target file script code_model)
  add_executable(${target} ${ARGN})
  lastcpu_freestanding(${target} ${code_model})
  target_link_options(${target} PRIVATE
    -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,-T,${script})
  if(LASTCPU_KERNEL_LINKER)
    target_link_options(${target} PRIVATE -fuse-ld=${LASTCPU_KERNEL_LINKER})
  endif()
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${file} LINK_DEPENDS ${script})
endfunction()
