/* SPDX-License-Identifier: BSL-1.0 */
#include "scenarios.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"

#define EXPECT(what) expect_that((what) ? 1 : 0, #what)

/* As a kernel writes it; not noreturn, for the compiler need not know. */
static void die(const char* format, ...) {
  size_t room = 0;
  char* text = lastcpu_message_begin(&room);
  EXPECT(!irqs_on[cpu_now]);
  if (text != NULL) {
    va_list values;
    va_start(values, format);
    vsnprintf(text, room, format, values);
    va_end(values);
    lastcpu_message_end();
  }
  lastcpu_panic_begin(NULL, registers_now());
  EXPECT(lastcpu_on_this_cpu() && !lastcpu_on_other_cpu() && lastcpu_in_progress());
  printf("kernel panic on %u: %s\n", (unsigned)cpu_now, text != NULL ? text : "(no text)");
  lastcpu_panic_end();
}

static void panic_here(void) {
  lastcpu_panic("here", registers_now());
}
static void panic_of_two_lines(void) {
  lastcpu_panic("two\nlines\x7f\tand a text that is longer than one piece", registers_now());
}
static void second(void) {
  die("second %d", 2);
}
static void nested(void) {
  die("nested");
}

static void halves(void) {
  obeys_nmi_only[2] = 1;
  die("out of memory: %d", 7);
}

static void loser(void) {
  lastcpu_panic_begin("first", registers_now());
  EXPECT(lastcpu_is_stopped(1) && lastcpu_is_stopped(2));
  EXPECT(!lastcpu_is_stopped(0) && !lastcpu_is_stopped(3) && !lastcpu_is_stopped(4));
  (void)on(3, second); /* never called lastcpu_online() */
  EXPECT(lastcpu_is_stopped(3));
  lastcpu_panic_end();
}
static void race(void) {
  instead_of_stop[1] = second;
  die("first");
}

static void fault_between_halves(void) {
  lastcpu_panic_begin("first", registers_now());
  printf("words, once\n");
  nested();
}

static void idle_nmi(void) {
  size_t room = 0;
  char* text = lastcpu_nmi_message_begin(&room);
  if (text != NULL) {
    snprintf(text, room, "watchdog %d", 3);
    lastcpu_nmi_message_end();
  }
  if (lastcpu_nmi_panic_begin(NULL, registers_now())) {
    printf("words in nmi\n");
    lastcpu_panic_end();
  }
}
static void nmi(void) {
  idle_nmi();
}
static void nmi_on_owner(void) {
  lastcpu_panic_begin("first", registers_now());
  EXPECT(lastcpu_nmi_panic_begin("nmi on the owner", registers_now()) == 0);
  lastcpu_nmi_panic("again", registers_now());
  lastcpu_handle_nmi(registers_now());
  lastcpu_handle_stop_irq(registers_now());
  printf("words\n");
  lastcpu_panic_end();
}
static void nmi_alone(void) {
  lastcpu_nmi_panic("nmi", registers_now());
}

static void put_faults(void) {
  fault_at = "CPU";
  fault = panic_here;
  lastcpu_panic("first", registers_now());
}
static void silent(void) {
  deaf[1] = 1;
  lastcpu_panic("first", registers_now());
}
static void lines(void) {
  panic_of_two_lines();
}
static void no_message(void) {
  lastcpu_panic(NULL, NULL);
}
static void end_alone(void) {
  lastcpu_panic_end();
}

static void oops(void) {
  EXPECT(lastcpu_oops("oops", registers_now()) == LASTCPU_NO_IMAGE);
  EXPECT(irqs_on[0] && !lastcpu_in_progress());
  lastcpu_panic_begin("first", registers_now());
  (void)lastcpu_oops("inside", registers_now());
}

static void come_online(void) {
  lastcpu_online();
}
static void go_offline(void) {
  lastcpu_offline();
}
static void arrivals(void) {
  EXPECT(on(1, go_offline) == 1);
  lastcpu_panic_begin("first", registers_now());
  EXPECT(lastcpu_state_of(1) != LASTCPU_BY_IRQ && !lastcpu_is_stopped(1));
  EXPECT(on(3, come_online) == 0);
  EXPECT(lastcpu_is_stopped(3));
  lastcpu_panic_end();
}

static void look(void) {
  EXPECT(!lastcpu_in_progress() && !lastcpu_on_this_cpu() && !lastcpu_on_other_cpu());
  EXPECT(pc_of(1) == 0);
  lastcpu_handle_nmi(registers_now()); /* not ours */
  lastcpu_handle_stop_irq(registers_now());
  obeys_nmi_only[2] = 1;
  lastcpu_panic_begin("first", NULL);
  EXPECT(lastcpu_state_of(0) == LASTCPU_RUNNING && pc_of(0) == 0xcafe);
  EXPECT(lastcpu_state_of(1) == LASTCPU_BY_IRQ && pc_of(1) == 0xc001);
  EXPECT(lastcpu_state_of(2) == LASTCPU_BY_NMI && pc_of(2) == 0xc002);
  EXPECT(lastcpu_state_of(3) == LASTCPU_ABSENT && pc_of(3) == 0);
  EXPECT(strcmp(lastcpu_state_name(LASTCPU_BY_NMI), "by nmi") == 0 && strcmp(lastcpu_state_name(99), "?") == 0);
  EXPECT(nmis_sent == 1);
#if !LASTCPU_BAREBONES
  EXPECT(made_resettable() == 6);
#endif
}

#if LASTCPU_IMAGE_BYTES
static void image(void) {
  static const char good[LASTCPU_IMAGE_BYTES] = "kernel 1", bad[LASTCPU_IMAGE_BYTES] = "bad";
  EXPECT(lastcpu_load_image(bad) == 0 && !lastcpu_crash_loaded());
  EXPECT(lastcpu_unload_image() == 1); /* its memory is free */
  EXPECT(lastcpu_crash_kexec("nothing there", registers_now()) == LASTCPU_NO_IMAGE);
  EXPECT(lastcpu_load_image(good) == 1 && lastcpu_unload_image() == 1 && !lastcpu_crash_loaded());
  EXPECT(lastcpu_load_image(good) == 1 && lastcpu_crash_loaded());
  (void)lastcpu_crash_kexec("oops", registers_now());
}
static void image_damaged(void) {
  static const char good[LASTCPU_IMAGE_BYTES] = "kernel 1";
  EXPECT(lastcpu_load_image(good) == 1);
  image_is_damaged = 1;
  EXPECT(lastcpu_crash_kexec("oops", registers_now()) == LASTCPU_IMAGE_CORRUPT);
  lastcpu_panic_begin("first", registers_now());
  EXPECT(lastcpu_unload_image() == 0 && lastcpu_load_image(good) == 0); /* the panic has it */
  lastcpu_panic_end();
}
#endif

const struct scenario scenarios[] = {{"halves", halves},
                                     {"race", race},
                                     {"loser", loser},
                                     {"fault_between_halves", fault_between_halves},
                                     {"nmi", nmi},
                                     {"nmi_on_owner", nmi_on_owner},
                                     {"nmi_alone", nmi_alone},
                                     {"put_faults", put_faults},
                                     {"silent", silent},
                                     {"lines", lines},
                                     {"no_message", no_message},
                                     {"end_alone", end_alone},
                                     {"oops", oops},
                                     {"arrivals", arrivals},
                                     {"look", look},
#if LASTCPU_IMAGE_BYTES
                                     {"image", image},
                                     {"image_damaged", image_damaged},
#endif
                                     {NULL, NULL}};
