// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the machine learns while it runs: on which words the search has to decide who comes first, and who has written
// and read plain data. And what makes two of its states the same.

#include <lastcpu/model/machine.hpp>

#include <istream>

namespace lastcpu::model {

// --- Words

inline uint8_t machine::word_of(size_t place) noexcept {
  if (number_[place] == 0 && words_in_use == max_words) {
    fail("the scenario has more words than the model can hold");
    return 0;
  }
  if (number_[place] == 0) {
    known_[words_in_use].place = place;
    number_[place] = static_cast<uint8_t>(++words_in_use);
  }
  return static_cast<uint8_t>(number_[place] - 1);
}

inline uint8_t machine::word_at(const void* address) noexcept {
  const auto offset = static_cast<size_t>(static_cast<const unsigned char*>(address) - object);
  if (offset < object_size && number_[offset / 4] != 0) return word_of(offset / 4);
  fail("a shared word that is not a member of the scenario");
  return 0;
}

// An NMI handler is not interrupted: what only this CPU's thread and its handlers use needs no decision there.
inline bool machine::is_quiet(const operation& o) noexcept {
  if (!reduce || o.what > act::wake) return false;
  if (o.what == act::wake) return !needs(o.word, slept_on);
  if (o.what == act::wait || ++undecided_ > patience) learn(o.word, contended);  // it may wait for who is never let in
  uint8_t& levels = known_[o.word].levels[current_];
  levels = static_cast<uint8_t>(levels | 1u << static_cast<uint32_t>(me().level));
  if ((levels & (levels - 1)) != 0) learn(o.word, nested);
  return !needs(o.word, contended) && (!needs(o.word, nested) || me().level == context::nmi);
}

inline std::string machine::decisions() const {
  std::string out;
  for (uint32_t w = 0; w < words_in_use; ++w)
    if (known_[w].needs != 0) out += std::to_string(known_[w].place) + "*" + std::to_string(known_[w].needs) + ".";
  return out;
}

inline bool machine::decisions(std::istream& text) {
  for (known_word& k : known_) k = {k.place, 0, {}};
  while (text.peek() != ':') {
    size_t place = 0;
    char star = 0;
    uint32_t needs = 0;
    if (!(text >> place >> star >> needs) || star != '*' || place >= written_) return false;
    known_[word_of(place)].needs = needs;
    if (text.peek() == '.') text.get();
  }
  text.get();
  return true;
}

// --- Plain data

inline void machine::note_plain_writes() noexcept {
  if (std::memcmp(object, shadow(), object_size) == 0) return;
  for (size_t i = 0; i < object_size / 8; ++i) {
    if (std::memcmp(object + i * 8, shadow() + i * 8, 8) == 0) continue;
    std::memcpy(shadow() + i * 8, object + i * 8, 8);
    plain_write(i);
  }
}

inline void machine::plain_write(size_t index) noexcept {
  bool ordered = now.mem.touch(current_, word_of(written_ + index));
  if (number_[read_ + index] != 0) ordered = now.mem.has_seen_all(current_, word_of(read_ + index)) && ordered;
  if (recording) record(current_, "writes " + name_of(index * 2));
  if (!ordered) fail("data race: " + name_of(index * 2) + " is written while another CPU uses it");
}

inline void machine::uses(const void* address, size_t size) noexcept {
  const auto offset = static_cast<size_t>(static_cast<const unsigned char*>(address) - object);
  if (!on_fiber() || offset >= object_size) return;
  note_plain_writes();
  for (size_t i = offset / 8; i < (offset + size + 7) / 8; ++i) {
    (void)now.mem.touch(current_, word_of(read_ + i));
    if (number_[written_ + i] == 0) continue;
    if (recording) record(current_, "reads " + name_of(i * 2));
    if (!now.mem.has_seen_all(current_, word_of(written_ + i)))
      fail("data race: " + name_of(i * 2) + " is read, and what another CPU wrote there is not ordered before");
  }
}

// --- States

inline uint32_t machine::alive() const noexcept {
  uint32_t out = 0;
  for (cpu_id cpu = 0; cpu < cpus; ++cpu) {
    const cpu_state& c = now.cpu[cpu];
    if (c.pending.what != act::idle || !(c.deaf || c.level == context::nmi)) out |= 1u << cpu;
  }
  return out;
}

inline uint64_t machine::hash_of(cpu_id cpu, uint64_t h) noexcept {
  const cpu_state& c = now.cpu[cpu];
  const operation& o = c.pending;
  uint64_t flags = static_cast<uint64_t>(o.what) << 16 | uint64_t{o.word} << 8 | static_cast<uint64_t>(c.level);
  for (const bool b : {c.asleep, c.woken, c.irqs_on, c.parked, c.nmi_latched, c.irq_latched, c.deaf})
    flags = flags << 1 | b;
  h = mix(mix(h, flags), c.clock);
  for (uint32_t w = 0; (c.nmi_latched || c.irq_latched) && w < words_in_use; ++w)
    if (c.latched.at[w] > now.mem.seen_by[cpu].at[w])
      h = mix(h, uint64_t{w} << 32 | static_cast<uint64_t>(now.mem.word[w].at - c.latched.at[w]));
  if (o.what == act::idle) return h;
  const auto* from = static_cast<const uint64_t*>(c.stack);
  for (size_t n = stacks[cpu].used(c.stack) / 8; n != 0; --n) h = mix(h, *from++);
  return mix(mix(mix(h, o.wanted), o.desired), o.at);
}

inline uint64_t machine::hash() noexcept {
  uint64_t h = now.mem.hash(alive());
  for (cpu_id cpu = 0; cpu < cpus; ++cpu) h = hash_of(cpu, h);
  const auto* from = reinterpret_cast<const uint64_t*>(object);
  for (size_t n = object_size / 8; n != 0; --n) h = mix(h, *from++);
  for (const uint64_t n : now.note) h = mix(h, n);
  h = mix(mix(h, uint64_t{now.urgent} << 32 | now.last), now.switches_left);
  return mix(h, uint64_t{now.nmis_left} << 32 | now.spurious_left);
}

}  // namespace lastcpu::model
