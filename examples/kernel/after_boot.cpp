// SPDX-License-Identifier: BSL-1.0
// It says hello, and dies if it is asked to: with `panic=2` on the command line CPU 2 panics, with `panic=all` every CPU.
#include "after_boot.hpp"

#include "command_line.hpp"
#include "console.hpp"
#include "crash_image.hpp"
#include "panic.hpp"
#include "work.hpp"

namespace {

void panic_if_asked() noexcept {
  const lastcpu::cpu_id me = port::this_cpu();
  if (!command_line::is("panic", "all") && command_line::number("panic", lastcpu::no_cpu) != me) return;
  cpus::all[me].running = "what it was asked to";
  panic_here("as asked");
}

}  // namespace

void after_boot() noexcept {
  console::line() << "kernel: hello";
  crash_image::load();
  work::on_every_cpu(panic_if_asked);
}
