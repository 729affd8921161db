// SPDX-License-Identifier: BSL-1.0
#pragma once
// The machine as it stands, what is seen of a run, for the search and for the chart, and what makes two states the same.
//
// A word on which no two accesses have ever been unordered is `quiet`: it has one value, and what an NMI handler does with
// it needs no decision. That is learned while exploring; whoever learns that a word is not quiet after all explores anew.
// Plain data of the scenario is watched: what changed between two operations was written there, and two accesses that
// no release and acquire have ordered are an error.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/model/scenario.hpp>

#include <istream>
#include <vector>

namespace lastcpu::model {

class machine_state {
 public:
  /// `make` puts a new scenario of `size` bytes at `bytes`.
  machine_state(unsigned char* bytes, size_t size, cpu_id cpu_count, scenario& (*make)(), const options& o)
      : object(bytes), object_size(size), cpus(cpu_count), asked(o), make_(make) {
    words_in_use = 1;
  }

  unsigned char* const object;
  const size_t object_size;
  const cpu_id cpus;
  const options asked;
  scenario* subject = nullptr;
  world now{};
  fiber_stack stacks[max_machine];
  std::string failure;
  bool learned = false;  // this pass has found out that a word is not quiet
  bool recording = false;
  std::vector<event> events;

  [[nodiscard]] bool on_fiber() const noexcept { return current_ != no_cpu && !looking_; }
  [[nodiscard]] cpu_id this_cpu() const noexcept { return current_ != no_cpu ? current_ : now.ended_by; }
  [[nodiscard]] cpu_state& me() noexcept { return now.cpu[current_]; }

  void fail(const std::string& why) noexcept {
    if (failure.empty()) failure = why;
    now.over = true;
    if (!on_fiber()) return;
    record(current_, "FAILS: " + why);
    for (;;) yield();
  }

  void record(cpu_id cpu, const std::string& text, uint16_t from = 0) {
    if (recording) events.push_back({cpu, now.cpu[cpu].level, text, from});
  }

  void trace(const trace_event& e) {
    const bool number = e.kind == trace_kind::step_begun || e.kind == trace_kind::stop_sent;
    if (on_fiber()) record(current_, to_string(e.kind) + (number ? " " + std::to_string(e.value) : std::string()));
    look([&] { subject->on_trace(e); });
  }

  /// What `f` reads is no operation: it sees the last value of each word, and no CPU of the modelled machine sees it.
  template <class F>
  void look(F f) noexcept {
    looking_ = true;
    f();
    looking_ = false;
    if (!failure.empty()) fail(failure);
  }

  // --- Words

  /// A word begins to be.
  void add_word(const void* address, uint64_t value) noexcept {
    if (offset_of(address) < object_size) now.mem.word[word_of(offset_of(address) / 4)].value = value;
  }
  [[nodiscard]] uint8_t word_at(const void* address) noexcept {
    const size_t offset = offset_of(address);
    if (offset < object_size && is_word(offset / 4)) return word_of(offset / 4);
    fail("a shared word that is not a member of the scenario");
    return no_word;
  }

  /// Which words need decisions, as text, and back.
  [[nodiscard]] std::string decisions() const {
    std::string out;
    for (uint32_t w = 0; w < words_in_use; ++w)
      if (known_[w].needs != 0) out += std::to_string(known_[w].place) + "*" + std::to_string(known_[w].needs) + ".";
    return out;
  }
  bool decisions(std::istream& text) {
    for (known_word& k : known_) k.needs = 0;
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

  void uses(const void* address, size_t size) noexcept {
    const size_t offset = offset_of(address);
    if (!on_fiber() || offset >= object_size) return;
    note_plain_writes();
    for (size_t i = offset / 8; i < (offset + size + 7) / 8; ++i) {
      (void)now.mem.touch(current_, word_of(read_ + i));
      if (!is_word(written_ + i)) continue;
      if (recording) record(current_, "reads " + name_of(i * 2));
      if (!now.mem.has_seen_all(current_, word_of(written_ + i)))
        fail("data race: " + name_of(i * 2) + " is read, and what another CPU wrote there is not ordered before");
    }
  }

  /// What has been written since the last operation, also before the CPUs started, is known.
  void forget_writes() noexcept { std::memcpy(shadow_.data(), object, object_size); }

  // --- States

  /// The CPUs that may still read something, as a mask.
  [[nodiscard]] uint32_t alive() const noexcept {
    uint32_t out = 0;
    for (cpu_id cpu = 0; cpu < cpus; ++cpu) {
      const cpu_state& c = now.cpu[cpu];
      if (c.pending.what != act::idle || !(c.deaf || c.level == context::nmi)) out |= 1u << cpu;
    }
    return out;
  }

  [[nodiscard]] uint64_t hash() const noexcept {
    uint64_t h = mix(now.mem.hash(alive()), object, object_size);
    h = mix(h, now.note, sizeof(now.note));
    for (cpu_id cpu = 0; cpu < cpus; ++cpu) h = hash_of(cpu, h);
    h = mix(mix(h, uint64_t{now.urgent} << 32 | now.last), now.switches_left);
    return mix(h, uint64_t{now.nmis_left} << 32 | now.spurious_left);
  }

 protected:
  enum need : uint32_t { contended = 1, slept_on = 2, interrupted = 4 };
  struct known_word {
    size_t place;
    uint32_t needs;  // need
  };

  void yield() noexcept { search_ = boost::context::detail::jump_fcontext(search_, nullptr).fctx; }

  [[nodiscard]] size_t offset_of(const void* address) const noexcept {
    return static_cast<size_t>(static_cast<const unsigned char*>(address) - object);
  }
  [[nodiscard]] bool is_word(size_t place) const noexcept { return number_[place] != no_word; }
  [[nodiscard]] uint8_t word_of(size_t place) noexcept {
    if (!is_word(place) && words_in_use == max_words) {
      fail("the scenario has more words than the model can hold");
    } else if (!is_word(place)) {
      known_[words_in_use].place = place;
      number_[place] = static_cast<uint8_t>(words_in_use++);
    }
    return number_[place];
  }

  [[nodiscard]] bool needs(uint32_t w, uint32_t what) const noexcept { return (known_[w].needs & what) != 0; }
  [[nodiscard]] bool has_one_value(uint32_t w) const noexcept { return asked.reduce && !needs(w, contended); }
  void learn(uint32_t w, uint32_t what) noexcept {
    learned = learned || !needs(w, what);
    known_[w].needs |= what;
  }

  // Where no interrupt is ever sent, none is waited for.
  [[nodiscard]] bool takes_irqs(cpu_id cpu) noexcept {
    return !asked.reduce || (is_word(irqs_ + cpu) && needs(word_of(irqs_ + cpu), interrupted));
  }

  // An NMI handler is not interrupted. Elsewhere an NMI may come before each operation.
  [[nodiscard]] bool is_quiet(const operation& o) noexcept {
    if (!asked.reduce || o.what > act::wake) return false;
    if (o.what == act::wait) learn(o.word, contended);
    if (me().level != context::nmi) return false;
    if (o.what == act::wake) return !needs(o.word, slept_on);
    if (++undecided_ > 1'000) learn(o.word, contended);  // it may wait for who is never let in
    return !needs(o.word, contended);
  }

  void note_plain_writes() noexcept {
    if (std::memcmp(object, shadow_.data(), object_size) == 0) return;
    for (size_t i = 0; i < object_size / 8; ++i) {
      if (std::memcmp(object + i * 8, shadow_.data() + i * 8, 8) == 0) continue;
      std::memcpy(shadow_.data() + i * 8, object + i * 8, 8);
      bool ordered = now.mem.touch(current_, word_of(written_ + i));
      if (is_word(read_ + i)) ordered = now.mem.has_seen_all(current_, word_of(read_ + i)) && ordered;
      if (recording) record(current_, "writes " + name_of(i * 2));
      if (!ordered) fail("data race: " + name_of(i * 2) + " is written while another CPU uses it");
    }
  }

  [[nodiscard]] std::string name_of(size_t place) const {
    if (place >= away_) return "absence of CPU " + std::to_string(place - away_);
    const std::string out = subject->name(object + place * 4);
    return out.empty() ? "word " + std::to_string(place * 4) : out;
  }

  // What an access did: which store it read, and what it stored, where it did.
  void describe(cpu_id cpu, uint16_t from, const uint64_t* stored) {
    const operation& o = now.cpu[cpu].pending;
    const size_t place = known_[o.word].place;
    const auto text = [&](uint64_t v) {
      const std::string out = subject->value(object + place * 4, v);
      return out.empty() ? std::to_string(v) : out;
    };
    std::string out = name_of(place);
    if (o.what != act::store) out += " is " + text(now.cpu[cpu].result);
    if (from != no_store && from != now.mem.word[o.word].last) out += ", stale";
    if (stored != nullptr) out += std::string(o.what == act::store ? " := " : ", := ") + text(*stored);
    if (now.cpu[cpu].asleep) out += ": sleeps";
    record(cpu, out, from != no_store ? now.mem.store[from].event : 0);
  }

  scenario& (*const make_)();
  cpu_id current_ = no_cpu;
  bool looking_ = false;  // look() runs: what it reads is no operation
  fiber_stack::context search_ = nullptr;
  uint32_t undecided_ = 0;  // operations since the search decided last
  // Places of words: by offset / 4; whether each CPU is away; whether it takes interrupts (no value); of plain data the
  // writes, then the reads, by offset / 8.
  const size_t away_ = object_size / 4, irqs_ = away_ + max_machine, written_ = irqs_ + max_machine,
               read_ = written_ + object_size / 8;
  known_word known_[max_words]{};

 private:
  [[nodiscard]] uint64_t hash_of(cpu_id cpu, uint64_t h) const noexcept {
    const cpu_state& c = now.cpu[cpu];
    h = mix(h, &c, offsetof(cpu_state, stack));
    for (const view* before : {&c.before_nmi, &c.before_irq}) {
      h = mix(h, 1);
      for (uint32_t w = 0; (c.nmi_latched || c.irq_latched) && w < words_in_use; ++w)
        if (before->at[w] > now.mem.seen_by[cpu].at[w])
          h = mix(h, uint64_t{w} << 32 | static_cast<uint64_t>(now.mem.word[w].at - before->at[w]));
    }
    return c.pending.what == act::idle ? h : mix(h, c.stack, stacks[cpu].used(c.stack));
  }

  // The scenario at the last operation, and of each place the word, or no_word.
  std::vector<unsigned char> shadow_ = std::vector<unsigned char>(object_size);
  std::vector<uint8_t> number_ = std::vector<uint8_t>(read_ + object_size / 8);
};

}  // namespace lastcpu::model

#include <lastcpu/detail/end.hpp>
