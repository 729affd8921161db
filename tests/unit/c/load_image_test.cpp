// SPDX-License-Identifier: BSL-1.0
// What a kernel in C loads of its own: so many bytes as it says, wherever they lie. The kernel's one C++ file, too.
#define LASTCPU_CONFIG "unit/c/load_image_config.h"
#include <lastcpu/c/instance.hpp>

#include <gtest/gtest.h>

#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

namespace {
constexpr char whole[LASTCPU_IMAGE_BYTES + 1] = "twelve bytes.";
}

extern "C" {
uint32_t lastcpu_kernel_this_cpu() {
  return 0;
}
void lastcpu_kernel_send_stop(uint32_t, lastcpu_stop_how) {}
void lastcpu_kernel_park() {}
void lastcpu_kernel_put(const char*) {}
uintptr_t lastcpu_kernel_irq_save() {
  return 0;
}
void lastcpu_kernel_irq_restore(uintptr_t) {}
int lastcpu_kernel_image_intact(const void* image) {
  return reinterpret_cast<uintptr_t>(image) % sizeof(uintptr_t) == 0 &&
         std::memcmp(image, whole, LASTCPU_IMAGE_BYTES) == 0;
}
void lastcpu_kernel_crash_shutdown(const LASTCPU_REGISTERS*) {}
void lastcpu_kernel_jump(const void*) {}
}

namespace {

// A page, and behind it one that can't be read.
class page_before_nothing {
 public:
  page_before_nothing() {
    at_ = mmap(nullptr, 2 * bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(at_, MAP_FAILED);
    EXPECT_EQ(mprotect(end(), bytes_, PROT_NONE), 0);
  }
  ~page_before_nothing() { munmap(at_, 2 * bytes_); }
  page_before_nothing(const page_before_nothing&) = delete;
  page_before_nothing& operator=(const page_before_nothing&) = delete;
  [[nodiscard]] char* end() const { return static_cast<char*>(at_) + bytes_; }

 private:
  size_t bytes_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* at_ = nullptr;
};

TEST(c_load_image, reads_no_byte_behind_an_image_of_any_size_at_any_address) {
  const page_before_nothing page;
  for (uint32_t before_the_end = 0; before_the_end < 8; ++before_the_end) {
    char* const image = page.end() - before_the_end - LASTCPU_IMAGE_BYTES;
    std::memcpy(image, whole, LASTCPU_IMAGE_BYTES);
    EXPECT_EQ(lastcpu_load_image(image), 1) << "an aligned copy is what is checked";
    image[LASTCPU_IMAGE_BYTES - 1] ^= 1;
    EXPECT_EQ(lastcpu_load_image(image), 0) << "the last byte counts";
    EXPECT_EQ(lastcpu_crash_loaded(), 1);
    EXPECT_EQ(lastcpu_unload_image(), 1);
  }
}

}  // namespace
