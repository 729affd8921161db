// SPDX-License-Identifier: BSL-1.0
#pragma once
// The bodies of machine.hpp: what an operation does once it is its turn, and what a CPU does around it.

#include <lastcpu/model/machine.hpp>

namespace lastcpu::model {

// --- Words

inline uint8_t machine::new_word(size_t at) noexcept {
  if (words_ == max_words) {
    fail("the scenario has more words than the model can hold");
    return 0;
  }
  slot_of_word_[words_] = static_cast<uint32_t>(at);
  return static_cast<uint8_t>(words_++);
}

inline uint8_t machine::word_at(const void* address, uint64_t initial) noexcept {
  const auto offset = static_cast<size_t>(static_cast<const unsigned char*>(address) - scenario.object);
  if (offset >= scenario.size) {
    fail("a shared word that is not a member of the scenario");
    return 0;
  }
  slot& s = slots_[offset / 4];
  if (s.word == 0) {
    s.initial = initial;
    s.word = static_cast<uint8_t>(new_word(offset / 4) + 1);
  }
  return known(s.word);
}

// A word that was met for the first time after the snapshot that this run goes on from.
inline uint8_t machine::known(uint8_t w) noexcept {
  for (uint32_t& n = now.mem.words; n < words_; ++n)
    now.mem.word[n] = {slots_[slot_of_word_[n]].initial, 0, 0, no_store};
  return static_cast<uint8_t>(w - 1);
}

inline void machine::contend(uint8_t w) noexcept {
  slot& s = slot_of(w);
  learned = learned || !s.contended;
  s.contended = true;
}

// An NMI handler is not interrupted: what only this CPU's thread and its handlers use needs no decision there.
inline bool machine::is_quiet(const operation& o) noexcept {
  if (!reduce || o.what > act::wake) return false;
  slot& s = slot_of(o.word);
  if (o.what == act::wake) return !s.slept_on;
  if (o.what >= act::arm || ++undecided_ > patience) contend(o.word);  // it may wait for somebody who is never let in
  uint8_t& levels = s.levels[current_];
  levels = static_cast<uint8_t>(levels | 1u << static_cast<uint32_t>(me().level));
  if ((levels & (levels - 1)) != 0) {
    learned = learned || !s.nested;
    s.nested = true;
  }
  return !s.contended && (!s.nested || me().level == context::nmi);
}

// --- Plain data

inline void machine::note_plain_writes() noexcept {
  for (size_t i = 0; i < scenario.size / 8; ++i) {
    if (std::memcmp(scenario.object + i * 8, shadow_.data() + i * 8, 8) == 0) continue;
    std::memcpy(shadow_.data() + i * 8, scenario.object + i * 8, 8);
    plain_write(i);
  }
}

inline uint8_t machine::plain_word(uint8_t& w) noexcept {
  if (w == 0) w = static_cast<uint8_t>(new_word(slots_.size() - 1) + 1);
  return known(w);
}

inline void machine::plain_write(size_t index) noexcept {
  plain_slot& p = plain_[index];
  const uint8_t w = plain_word(p.written);
  bool ordered = now.mem.touch(current_, w);
  if (p.read != 0) {
    const uint8_t r = plain_word(p.read);
    ordered = ordered && now.mem.seen_by[current_].at[r] == now.mem.word[r].at;
  }
  if (recording) record("writes " + name_of(scenario.object + index * 8));
  if (!ordered) fail("data race: " + name_of(scenario.object + index * 8) + " is written while another CPU uses it");
}

inline void machine::uses(const void* address, size_t size) noexcept {
  const auto* from = static_cast<const unsigned char*>(address);
  if (!on_fiber() || from < scenario.object || from >= scenario.object + scenario.size) return;
  note_plain_writes();
  const auto first = static_cast<size_t>(from - scenario.object) / 8;
  const auto end = (static_cast<size_t>(from - scenario.object) + size + 7) / 8;
  for (size_t i = first; i < end; ++i) {
    plain_slot& p = plain_[i];
    (void)now.mem.touch(current_, plain_word(p.read));
    if (p.written == 0) continue;
    const uint8_t w = plain_word(p.written);
    if (recording) record("reads " + name_of(scenario.object + i * 8));
    if (now.mem.seen_by[current_].at[w] != now.mem.word[w].at)
      fail("data race: " + name_of(scenario.object + i * 8) +
           " is read, and what another CPU wrote there is not ordered before");
  }
}

// --- What a CPU does around an operation

inline bool machine::perform(const operation& o) noexcept {
  note_plain_writes();
  if (is_quiet(o)) {
    execute(current_, o, 0);
    return true;
  }
  for (;;) {
    me().pending = o;
    yield();
    if (me().signal == interrupt::none) return true;
    take_interrupt();
    if (o.what == act::sleep) return false;
  }
}

inline void machine::take_interrupt() noexcept {
  cpu_state& c = me();
  const interrupt which = c.signal;
  const context before = c.level;
  c.signal = interrupt::none;
  c.level = which == interrupt::irq ? context::irq : context::nmi;
  scenario.interrupted(current_, which);
  note_plain_writes();
  if (recording) record("returns from it");
  c.level = before;
}

inline void machine::yield() noexcept {
  search_ = boost::context::detail::jump_fcontext(search_, nullptr).fctx;
}

inline void machine::enter(fiber_stack::transfer from) noexcept {
  running->search_ = from.fctx;
  running->scenario.run(running->current_);
  for (;;) (void)running->perform({act::idle, 0, order::relaxed, order::relaxed, 0, 0, 0});
}

inline void machine::fail(const std::string& why) noexcept {
  if (failure.empty()) failure = std::string(why);
  now.over = true;
  if (!on_fiber()) return;
  if (recording) record("FAILS: " + why);
  for (;;) yield();
}

inline void machine::start() {
  now = {};
  failure.clear();
  current_ = no_cpu;
  now.ended_by = now.urgent = now.last = no_cpu;
  scenario.construct();
  std::memcpy(shadow_.data(), scenario.object, scenario.size);
  for (cpu_id cpu = 0; cpu < scenario.cpus; ++cpu) {
    now.cpu[cpu].online = now.cpu[cpu].irqs_on = true;
    now.cpu[cpu].stack = stacks[cpu].start(enter);
  }
  for (cpu_id cpu = 0; cpu < scenario.cpus; ++cpu) resume(cpu);
}

inline void machine::resume(cpu_id cpu) noexcept {
  cpu_state& c = now.cpu[cpu];
  current_ = cpu;
  undecided_ = 0;
  c.stack = boost::context::detail::jump_fcontext(c.stack, nullptr).fctx;
  current_ = no_cpu;
  fiber_stack::wipe_below(c.stack);
}

// --- What an operation does

inline uint32_t machine::ways(cpu_id cpu) noexcept {
  const cpu_state& c = now.cpu[cpu];
  const operation& o = c.pending;
  if (o.what == act::choose) return static_cast<uint32_t>(o.wanted);
  if (o.what == act::sleep) return c.woken ? 1 : 0;
  if (o.what == act::idle) return 0;
  if (o.what != act::load && o.what != act::arm && o.what != act::exchange) return 1;
  if (reduce && !slot_of(o.word).contended) return 1;
  uint32_t n = 1;
  while (n < 255 && chosen(cpu, o, n) != no_store) ++n;
  return n;
}

inline uint16_t machine::chosen(cpu_id cpu, const operation& o, uint32_t choice) noexcept {
  const stamp floor = o.what == act::arm ? now.mem.word[o.word].woken : stamp{0};
  for (uint32_t back = 0;; ++back) {
    const uint16_t s = now.mem.readable(cpu, o.word, back);
    if (s == no_store || back > stale || now.mem.store[s].at < floor) return no_store;
    const bool counts = back == 0 || o.what != act::exchange || now.mem.store[s].value != o.wanted;
    if (counts && choice-- == 0) return s;
  }
}

inline void machine::exchange(cpu_id cpu, const operation& o, uint32_t choice) noexcept {
  cpu_state& c = now.cpu[cpu];
  word_record& w = now.mem.word[o.word];
  const bool quiet = !slot_of(o.word).contended && reduce;
  const uint16_t s = quiet ? no_store : chosen(cpu, o, choice);
  c.result = quiet ? w.value : now.mem.store[s].value;
  c.done = o.what == act::add || c.result == o.wanted;
  if (!quiet) (void)now.mem.read(cpu, s, c.done ? o.success : o.failure);
  if (recording) describe(cpu, o, s);
  if (!c.done) return;
  const uint64_t value = o.what == act::add ? c.result + o.desired : o.desired;
  if (quiet)
    w.value = value;
  else
    now.mem.write(cpu, o.word, value, o.success, s, static_cast<uint16_t>(events.size() - 1));
}

inline void machine::execute(cpu_id cpu, const operation& o, uint32_t choice) noexcept {
  cpu_state& c = now.cpu[cpu];
  word_record& w = now.mem.word[o.word];
  if (reduce && o.what <= act::add && !slot_of(o.word).contended && !now.mem.touch(cpu, o.word)) contend(o.word);
  const bool quiet = o.what <= act::store && !slot_of(o.word).contended && reduce;
  uint16_t from = no_store;
  switch (o.what) {
    case act::exchange:
    case act::add:
      return exchange(cpu, o, choice);
    case act::load:
    case act::arm:
      from = quiet ? no_store : chosen(cpu, o, choice);
      c.result = quiet ? w.value : now.mem.read(cpu, from, o.success);
      if (o.what == act::arm) {
        learned = learned || !slot_of(o.word).slept_on;
        slot_of(o.word).slept_on = true;
        c.woken = false;
      }
      break;
    case act::store:
      if (quiet)
        w.value = o.desired;
      else
        now.mem.write(cpu, o.word, o.desired, o.success, no_store, static_cast<uint16_t>(events.size()));
      break;
    case act::wake:
      wake(cpu, o.word);
      break;
    case act::send:
      send(cpu, static_cast<uint32_t>(o.wanted), o.desired != 0);
      break;
    case act::choose:
      c.result = choice;
      break;
    case act::finish:
      now.over = true;
      now.end = static_cast<ending>(o.desired);
      now.ended_by = cpu;
      break;
    case act::sleep:
      c.done = true;
      break;
    case act::idle:
      break;
  }
  if (recording) describe(cpu, o, from);
}

inline void machine::wake(cpu_id cpu, uint8_t w) noexcept {
  word_record& r = now.mem.word[w];
  if (r.woken < now.mem.seen_by[cpu].at[w]) r.woken = now.mem.seen_by[cpu].at[w];
  for (cpu_id other = 0; other < scenario.cpus; ++other) {
    cpu_state& c = now.cpu[other];
    if (c.pending.what == act::sleep && c.pending.word == w) c.woken = true;
  }
}

inline void machine::send(cpu_id from, uint32_t targets, bool nmi) noexcept {
  for (cpu_id cpu = 0; cpu < scenario.cpus; ++cpu) {
    cpu_state& c = now.cpu[cpu];
    if ((targets >> cpu & 1) == 0 || c.wedged) continue;
    (nmi ? c.nmi_latched : c.irq_latched) = true;
    c.latched.join(now.mem.seen_by[from]);
  }
}

inline void machine::interrupt_cpu(cpu_id cpu, interrupt which) noexcept {
  cpu_state& c = now.cpu[cpu];
  static constexpr const char* names[] = {"", "an interrupt", "a stop NMI", "an NMI"};
  if (recording) record_for(cpu, std::string("takes ") + names[static_cast<uint32_t>(which)]);
  if (which == interrupt::injected_nmi) {
    --now.nmis_left;
  } else {
    (which == interrupt::irq ? c.irq_latched : c.nmi_latched) = false;
    now.mem.seen_by[cpu].join(c.latched);
  }
  c.signal = which;
  now.urgent = cpu;
}

// --- What the search asks

inline uint32_t machine::alive() const noexcept {
  uint32_t out = 0;
  for (cpu_id cpu = 0; cpu < scenario.cpus; ++cpu) {
    const cpu_state& c = now.cpu[cpu];
    if (!c.wedged && !(c.parked && c.level == context::nmi)) out |= 1u << cpu;
  }
  return out;
}

inline uint64_t machine::hash_of(cpu_id cpu, uint64_t h, const unread_bits& unread, uint8_t w) noexcept {
  const cpu_state& c = now.cpu[cpu];
  const operation& o = c.pending;
  const uint64_t shape = now.mem.word[w].value & ~unread.bits;
  const auto same = [&](uint64_t v) noexcept {
    if (unread.bits == 0 || (v & ~unread.bits) != shape || v == 0) return v;
    for (uint32_t back = 0; back <= stale; ++back) {
      const uint16_t s = now.mem.readable(cpu, w, back);
      if (s == no_store) break;
      if (now.mem.store[s].value == v) return v;
    }
    return v | unread.bits;
  };
  const uint64_t flags[] = {static_cast<uint64_t>(o.what),
                            o.word,
                            c.woken,
                            c.irqs_on,
                            c.online,
                            c.parked,
                            c.wedged,
                            c.nmi_latched,
                            c.irq_latched,
                            static_cast<uint64_t>(c.level)};
  for (const uint64_t f : flags) h = h * 131 + f;
  h = mix(h, c.clock);
  if (o.what == act::idle) return h;
  const auto* from = static_cast<const uint64_t*>(c.stack);
  for (size_t n = stacks[cpu].used(c.stack) / 8; n != 0; --n) h = mix(h, same(*from++));
  return mix(mix(mix(h, same(o.wanted)), same(o.desired)), o.at);
}

inline uint64_t machine::hash() noexcept {
  uint64_t h = now.mem.hash(alive());
  unread_bits unread = scenario.unread();
  const uint8_t unread_word = unread.bits != 0 ? word_at(unread.word, 0) : uint8_t{0};
  if (now.mem.word[unread_word].last == no_store) unread.bits = 0;
  for (cpu_id cpu = 0; cpu < scenario.cpus; ++cpu) {
    const cpu_state& c = now.cpu[cpu];
    h = hash_of(cpu, h, unread, unread_word);
    if (!c.nmi_latched && !c.irq_latched) continue;
    for (uint32_t w = 0; w < words_; ++w)
      if (c.latched.at[w] > now.mem.seen_by[cpu].at[w])
        h = mix(h, uint64_t{w} << 32 | static_cast<uint64_t>(now.mem.word[w].at - c.latched.at[w]));
  }
  const auto* from = reinterpret_cast<const uint64_t*>(scenario.object);
  for (size_t n = scenario.size / 8; n != 0; --n) h = mix(h, *from++);
  for (const uint64_t n : now.note) h = mix(h, n);
  h = mix(mix(h, now.urgent), now.damaged);
  return mix(h, uint64_t{now.nmis_left} << 32 | now.spurious_left);
}

}  // namespace lastcpu::model
