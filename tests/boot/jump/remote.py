# SPDX-License-Identifier: BSL-1.0
"""Holds a machine in QEMU at an instruction, by the protocol that gdb speaks: a gdb takes longer to start than the machine
to boot."""
import socket
import time

RIP = 16 * 8  # where it stands among the registers, in bytes
SECONDS = 60  # for one answer


class Remote:
    """One connection to `-gdb unix:PATH`. The machine stands still but in run()."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._connect(path)
        self._read = self._socket.makefile("rb")

    def _connect(self, path):
        """The file is there a moment before QEMU listens."""
        until = time.monotonic() + SECONDS
        while True:
            try:
                return self._socket.connect(path)
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._read.close()
        self._socket.close()

    def _send(self, text):
        self._socket.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) % 256))

    def _answer(self):
        while (byte := self._read.read(1)) != b"$":
            if byte == b"":
                raise EOFError("QEMU has hung up")
        text = b""
        while (byte := self._read.read(1)) not in (b"#", b""):
            text += byte
        self._read.read(2)
        self._socket.sendall(b"+")
        return text.decode()

    def ask(self, text, wanted):
        self._send(text)
        answer = self._answer()
        if not answer.startswith(wanted):
            raise ValueError(f"QEMU answers {text} with '{answer}', not '{wanted}'")
        return answer

    def step(self):
        self.ask("s", "T05")

    def run_to(self, address):
        """To the next time that the machine comes there, not the one at which it is."""
        self.step()
        self.ask(f"Z1,{address:x},1", "OK")
        self.ask("c", "T05")
        self.ask(f"z1,{address:x},1", "OK")

    def program_counter(self):
        registers = bytes.fromhex(self.ask("g", ""))
        if len(registers) < RIP + 8:
            raise ValueError(f"QEMU answers g with {len(registers)} bytes")
        return int.from_bytes(registers[RIP:RIP + 8], "little")

    def make_pending(self, what):
        """A command of QEMU's monitor."""
        self.ask(f"qRcmd,{what.encode().hex()}", "OK")

    def run(self):
        self._send("c")
