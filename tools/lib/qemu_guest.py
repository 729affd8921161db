# SPDX-License-Identifier: BSL-1.0
"""A guest in QEMU that is to die: waits for that, and has QEMU write its memory. Every wait has an end with a name."""
import json
import os
import select
import signal
import socket
import subprocess
import time

from vmcore import HEADER, PROGRAM_HEADER, PT_LOAD

ANSWER_SECONDS = 30   # for QEMU to answer a command
DUMP_SECONDS = 600    # to write the dump
ELF64 = 2
RESTARTED, PANICKED, SWITCHED_OFF, BY_HAND, DEADLINE = ("restarted", "said that it panicked", "switched itself off",
                                                        "was stopped by hand", "deadline")
REASONS = {"guest-reset": RESTARTED, "guest-shutdown": SWITCHED_OFF, "guest-panic": PANICKED}


class Failed(Exception):
    """Why there is no dump; a sentence."""


class Guest:
    """A running QEMU. It stays where the guest restarts, panics (pvpanic) or switches itself off."""

    def __init__(self, command):
        ours, theirs = socket.socketpair()
        more = ["-no-reboot", "-no-shutdown", "-action", "panic=pause",
                "-chardev", f"socket,id=vmcore,fd={theirs.fileno()}", "-mon", "chardev=vmcore,mode=control"]
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is ours to take; QEMU would end at once
        try:
            # It is ended in __exit__.  pylint: disable-next=consider-using-with
            self.qemu = subprocess.Popen([*command, *more], pass_fds=(theirs.fileno(),))
        except OSError as error:
            raise Failed(f"{command[0]} can't be started: {error.strerror}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            theirs.close()
        self.socket, self.unread, self.events = ours, b"", []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()

    def begin(self):
        """Before anything else."""
        self._read(time.monotonic() + ANSWER_SECONDS)  # its greeting
        self.ask("qmp_capabilities")

    def wait_for_its_end(self, seconds):
        """How it ended: one of the words above. Ctrl-C ends it, too."""
        try:
            end = self._end(time.monotonic() + seconds)
        except KeyboardInterrupt:
            end = BY_HAND
        if end in (DEADLINE, BY_HAND):
            self.ask("stop")
        return end

    def _end(self, until):
        end = None
        while True:
            event = self.events.pop(0) if self.events else self._read(until)
            if event is None:
                return DEADLINE
            if event.get("event") == "GUEST_PANICKED":
                end = PANICKED
            elif event.get("event") == "SHUTDOWN":
                end = end or REASONS.get(event["data"]["reason"], BY_HAND)
            elif event.get("event") == "STOP" and end is not None:
                return end

    def dump(self, path):
        self.ask("dump-guest-memory", DUMP_SECONDS, paging=True, protocol=f"file:{path}")

    def blocks(self):
        """[(physical address, bytes)]: the blocks of memory that a dump has, in its order. QEMU lists them ahead of a dump
        without virtual addresses: one is begun, into a pipe, and cut off there."""
        reading, writing = os.pipe()
        with open(reading, "rb") as pipe:
            try:
                self.ask("getfd", fds=[writing], fdname="blocks")
            finally:
                os.close(writing)
            self._send("dump-guest-memory", paging=False, protocol="fd:blocks")
            head = HEADER.unpack(self._read_pipe(pipe, HEADER.size))
            if head[0][4] != ELF64:
                raise Failed("the guest has 32 bits, and only x86-64 is known here")
            rows_at, count = head[5], head[10]
            self._read_pipe(pipe, rows_at - HEADER.size)
            rows = self._read_pipe(pipe, PROGRAM_HEADER.size * count)
        self._answer("dump-guest-memory", ANSWER_SECONDS)  # mostly an error: nobody reads on
        return [(row[4], row[5]) for row in PROGRAM_HEADER.iter_unpack(rows) if row[0] == PT_LOAD]

    @staticmethod
    def _read_pipe(pipe, count):
        if not select.select([pipe], [], [], ANSWER_SECONDS)[0]:
            raise Failed(f"QEMU does not list the guest's memory within {ANSWER_SECONDS} s")
        data = pipe.read(count)
        if len(data) != count:
            raise Failed("QEMU does not list the guest's memory")
        return data

    def quit(self):
        self.ask("quit")
        try:
            self.qemu.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"QEMU does not end within {ANSWER_SECONDS} s") from None

    def ask(self, command, seconds=ANSWER_SECONDS, fds=(), **arguments):
        self._send(command, fds, **arguments)
        answer = self._answer(command, seconds)
        if "error" in answer:
            raise Failed(f"QEMU refuses {command}: {answer['error']['desc']}")
        return answer["return"]

    def _answer(self, command, seconds):
        until = time.monotonic() + seconds
        while True:
            answer = self._read(until)
            if answer is None:
                raise Failed(f"QEMU does not answer to {command} within {seconds} s")
            if "error" in answer or "return" in answer:
                return answer
            self.events.append(answer)

    def _send(self, command, fds=(), **arguments):
        line = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        try:
            socket.send_fds(self.socket, [line], fds)
        except OSError:
            raise self._ended() from None

    def _read(self, until):
        """The next line from QEMU, None if none came in time."""
        while b"\n" not in self.unread:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                more = self.socket.recv(1 << 16)
            except OSError:
                more = b""
            if not more:
                raise self._ended()
            self.unread += more
        line, _, self.unread = self.unread.partition(b"\n")
        return json.loads(line)

    def _ended(self):
        try:
            status = self.qemu.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            return Failed("QEMU has closed its monitor")
        return Failed(f"QEMU has ended with status {status}, before the guest died: there is nothing to dump (a kernel that ends "
                      "QEMU itself, by isa-debug-exit, must restart the machine instead)")


def dump(command, path, seconds):
    """Runs the guest to its end and writes the dump. (how it ended, after how many seconds, seconds that the dump took, the
    blocks of memory in it)"""
    if "-daemonize" in command:
        raise Failed("-daemonize: QEMU must stay a child of this program; leave it out")
    with Guest(command) as guest:
        began = time.monotonic()
        guest.begin()
        end = guest.wait_for_its_end(seconds)
        ended = time.monotonic()
        guest.dump(os.path.abspath(path))
        took = time.monotonic() - ended
        blocks = guest.blocks()
        guest.quit()
    return end, ended - began, took, blocks
