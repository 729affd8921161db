// SPDX-License-Identifier: BSL-1.0
// Compiled once, not in each of the tests that play the machine.
#include "fake_machine.hpp"

#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

template class std::vector<std::string>;
template class std::vector<lastcpu::cpu_id>;
template class std::function<void()>;

namespace lastcpu::test {

fake_machine::fake_machine() : shadowed_(std::exchange(running_, this)) {
  online.fill(true);
  irqs_on.fill(true);
}

fake_machine::~fake_machine() {
  over_ = true;
  const auto came_back = [](const fiber& f) { return f.end == ending::returned; };
  if (whole_ && !fibers_.empty() && std::all_of(fibers_.begin(), fibers_.end(), came_back))
    judge(promises_.end_at_rest());
  for (fiber& f : fibers_)
    if (f.end == ending::waiting) (void)switch_to(f);
  for (fiber& f : fibers_) f.thread.join();
  running_ = shadowed_;
  if (broken_ != to_be_broken_)
    ADD_FAILURE() << "the test says that it breaks '" << to_be_broken_ << "', and breaks '" << broken_ << "'";
}

void fake_machine::breaks(const char* sentence) {
  to_be_broken_ = sentence;
}

void fake_machine::trace(const trace_event& e) {
  judge(promises_.see(e));
}

// What comes behind the first broken promise is not judged.
void fake_machine::judge(const char* broken) {
  if (broken == nullptr || !judged_) return;
  judged_ = false;
  broken_ = broken;
  if (broken_ == to_be_broken_) return;
  std::string last;
  for (size_t i = log.size() < 12 ? 0 : log.size() - 12; i < log.size(); ++i) last += "\n  " + log[i];
  ADD_FAILURE() << "CPU " << cpu << ": " << broken << "; before it:" << last;
  broken_ = to_be_broken_;  // said
}

long fake_machine::count(const std::string& line) const {
  return std::count(log.begin(), log.end(), line);
}

size_t fake_machine::at(const std::string& line) const {
  return static_cast<size_t>(std::find(log.begin(), log.end(), line) - log.begin());
}

std::vector<std::string> fake_machine::lines_with(const std::vector<std::string>& words) const {
  std::vector<std::string> found;
  for (const std::string& line : log)
    if (std::any_of(words.begin(), words.end(), [&](const std::string& w) { return line.find(w) != line.npos; }))
      found.push_back(line);
  return found;
}

ending fake_machine::as(cpu_id who, std::function<void()> work) {
  fiber& f = fibers_.emplace_back(who, std::move(work));
  f.thread = std::thread([&f] { run(f); });
  return switch_to(f);
}

ending fake_machine::resume(cpu_id who) {
  fiber& f = last_on(who);
  return f.end == ending::waiting ? switch_to(f) : f.end;
}

ending fake_machine::interrupt(cpu_id who, std::function<void()> handler) {
  last_on(who).handler = std::move(handler);
  return resume(who);
}

void fake_machine::when(std::string line, std::function<void()> action) {
  actions_.push_back({std::move(line), std::move(action), false});
}

void fake_machine::inject(cpu_id on, uint32_t after, std::function<void()> action) {
  inject_on_ = on;
  inject_after_ = after;
  injection_ = std::move(action);
  injected_ = false;
}

void fake_machine::always(std::function<void()> check) {
  always_ = std::move(check);
}

void fake_machine::say(const char* what) {
  note(what, "");
  react();
}

void fake_machine::say(const char* what, const char* whom) {
  note(what, whom);
  react();
}

void fake_machine::say(const char* what, uint64_t number) {
  note(what, std::to_string(number));
  react();
}

void fake_machine::before(word_access a) {
  accesses.push_back(a);
  if (++effort_ > patience) leave(ending::spinning);
  between();
}

void fake_machine::between() {
  if (checking_) return;
  if (always_) {
    checking_ = true;
    always_();
    checking_ = false;
  }
  if (injected_ || !injection_ || inject_on_ != cpu || inject_after_-- != 0) return;
  injected_ = true;
  injection_();
}

bool fake_machine::sleep(const std::function<bool()>& same, wait w, uint64_t deadline) {
  if (clock >= deadline) return false;
  if (!same()) return true;
  waits.push_back(w);
  say("waits");
  if (!same()) return true;
  if (deadline != no_deadline) {
    if (early_returns != 0) return early_returns-- != 0;
    clock = deadline;
    return false;
  }
  block();
  return true;
}

void fake_machine::leave(ending e) {
  if (current_ == &main_) {
    fputs("fake_machine: the end of a CPU outside of as()\n", stderr);
    abort();
  }
  if (e == ending::jumped || e == ending::restarted || e == ending::halted)
    judge(promises_.end_by(std::min(cpu, cpus)));
  current_->end = e;
  longjmp(current_->base, 1);
}

void fake_machine::run(fiber& f) {
  f.go.acquire();
  if (setjmp(f.base) == 0) {
    f.work();
    f.end = ending::returned;
  }
  f.caller->go.release();
}

ending fake_machine::switch_to(fiber& to) {
  fiber* const from = current_;
  const cpu_id cpu_before = cpu;
  to.caller = from;
  current_ = &to;
  cpu = to.cpu;
  effort_ = 0;
  to.go.release();
  from->go.acquire();
  current_ = from;
  cpu = cpu_before;
  effort_ = 0;
  return to.end;
}

void fake_machine::block() {
  fiber& me = *current_;
  if (&me == &main_) leave(ending::waiting);
  me.end = ending::waiting;
  me.caller->go.release();
  me.go.acquire();
  if (over_) leave(ending::parked);
  if (me.handler) me.handler();
  me.handler = nullptr;
}

fake_machine::fiber& fake_machine::last_on(cpu_id who) {
  for (auto f = fibers_.rbegin(); f != fibers_.rend(); ++f)
    if (f->cpu == who) return *f;
  fprintf(stderr, "fake_machine: CPU %u has done nothing yet\n", who);
  abort();
}

void fake_machine::note(const char* what, const std::string& whom) {
  log.push_back(std::to_string(cpu) + " " + what + (whom.empty() ? "" : " " + whom));
}

void fake_machine::react() {
  if (over_) return;
  for (reaction& a : actions_) {
    if (a.done || a.line != log.back()) continue;
    a.done = true;
    a.run();
    return;
  }
}

}  // namespace lastcpu::test
