/* SPDX-License-Identifier: BSL-1.0 */
/* What the kernel does when it has booted: as its command line says.
 *
 *   init=1       CPU 1 runs a program in user mode, which makes one system call after the other
 *   panic=0,1    CPUs 0 and 1 panic, at the same moment; the one that runs the program does it by a fault in there
 *   nmis=1000    before that, CPU 0 sends the CPU that runs the program so many NMIs */
#include "kernel.h"
#include "x86.h"

extern char syscall_entry[], syscall_swapped[], sysret_swapped[], sysret_done[];
uint32_t system_call(void);

static const uint32_t nobody = 0xffffffff;
static uint32_t init_cpu, dying, dying_count, nmis_wanted; /* dying: a bit for each CPU */
static uint32_t started, arrived, nmis_sent, nmis_taken, nmis_with_users_gs, nmis_done;

static uint32_t load(const uint32_t* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static void store(uint32_t* word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* --- The command line. */
static const char* behind(const char* line, const char* name) {
  size_t i;
  for (; *line; line++) {
    for (i = 0; name[i] && line[i] == name[i]; i++) continue;
    if (!name[i]) return line + i;
  }
  return NULL;
}
static uint32_t number(const char** at) {
  uint32_t n = 0;
  for (; **at >= '0' && **at <= '9'; ++*at) n = n * 10 + (uint32_t)(**at - '0');
  return n;
}
static void read_command_line(const char* line) {
  const char* at = behind(line, "init=");
  init_cpu = at ? number(&at) : nobody;
  if (init_cpu >= cpu_count) init_cpu = nobody;
  at = behind(line, "nmis=");
  nmis_wanted = at && init_cpu != 0 && init_cpu != nobody ? number(&at) : 0;
  for (at = behind(line, "panic="); at && *at >= '0' && *at <= '9'; at += *at == ',') {
    const uint32_t cpu = number(&at);
    if (cpu >= cpu_count) continue;
    dying |= 1u << cpu;
    dying_count++;
  }
}

void set_up_init(const char* command_line) {
  read_command_line(command_line);
  store(&nmis_done, nmis_wanted == 0);
  store(&started, 1);
}

/* --- The program. */
uint32_t system_call(void) {
  return load(&nmis_done) && (dying >> init_cpu & 1) != 0;
}

/* Interrupts must be disabled: who is to panic, too, is not stopped in front of it. */
static void meet_who_is_to_panic(void) {
  const uint64_t end = rdtsc() + 10 * ticks_per_second();
  __atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
  while (load(&arrived) < dying_count && rdtsc() < end) pause();
}

void user_fault(const struct trap_frame* f) {
  if (system_call()) meet_who_is_to_panic();
  panic_at(f, "init on CPU %u died of %s at %lx", this_cpu()->number, trap_name(f), f->rip);
}

/* --- NMIs. */
int nmi_is_known(const struct trap_frame* f) {
  const uint32_t rip = (uint32_t)f->rip;
  if (this_cpu()->number != init_cpu || nmis_taken == load(&nmis_sent)) return 0;
  if (!from_user(f) && ((rip >= (uint32_t)(uintptr_t)syscall_entry && rip < (uint32_t)(uintptr_t)syscall_swapped) ||
                        (rip >= (uint32_t)(uintptr_t)sysret_swapped && rip < (uint32_t)(uintptr_t)sysret_done)))
    nmis_with_users_gs++;
  store(&nmis_taken, nmis_taken + 1);
  return 1;
}

static void send_nmis(void) {
  while (nmis_sent < nmis_wanted) {
    const uint64_t end = rdtsc() + 5 * ticks_per_second();
    cli();
    store(&nmis_sent, nmis_sent + 1);
    send_nmi(init_cpu);
    sti();
    while (load(&nmis_taken) < nmis_sent)
      if (rdtsc() > end) panic("NMI %u does not arrive", nmis_sent);
  }
  print("kernel: %u NMIs, %u of them with the program's GS in the kernel\n", nmis_taken, nmis_with_users_gs);
  store(&nmis_done, 1);
}

/* On every CPU, with interrupts on. */
void work(uint32_t me) {
  while (!load(&started)) pause();
  if (me == init_cpu) enter_user(map_init());
  if (me == 0 && !load(&nmis_done)) send_nmis();
  if ((dying >> me & 1) != 0) {
    while (!load(&nmis_done)) pause();
    cli();
    meet_who_is_to_panic();
    panic("as asked, on CPU %u", me);
  }
  for (;;) hlt();
}
