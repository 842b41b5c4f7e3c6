"""Two hosts on this machine: network namespaces, each with a line of its own to us that can be cut.

Linux only, and only for who may make namespaces (root, or CAP_SYS_ADMIN and CAP_NET_ADMIN).
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class NoNamespaces(Exception):
    """None can be made here."""


@dataclass(frozen=True)
class Host:
    name: str
    ours: str
    """The address at which it reaches us."""
    line: str
    """Our end of the line to it."""

    @property
    def enter(self) -> tuple[str, ...]:
        """What a command is run by to run there."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Nothing gets there or back, and neither side is told."""
        _ip("link", "set", self.line, "down")

    def mend(self) -> None:
        _ip("link", "set", self.line, "up")


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Hosts that are there for the length of the block.

    Raises:
        NoNamespaces
    """
    if shutil.which("ip") is None:
        raise NoNamespaces("there is no `ip` command (Debian: apt-get install iproute2)")
    made: list[Host] = []
    try:
        for number in range(count):
            made.append(_made(f"pw{os.getpid() % 100_000}-{number}", number))
        yield made
    finally:
        for host in made:
            subprocess.run(["ip", "netns", "del", host.name], check=False, capture_output=True)


def _made(name: str, number: int) -> Host:
    # Of the block that is set aside for benchmarks between networks (RFC 2544), so hardly in use.
    ours, theirs = f"198.18.{number}.1", f"198.18.{number}.2"
    line = f"{name}a"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", line, "type", "veth", "peer", "name", f"{name}b", "netns", name)
        _ip("addr", "add", f"{ours}/30", "dev", line)
        _ip("link", "set", line, "up")
        for words in (
            ("addr", "add", f"{theirs}/30", "dev", f"{name}b"),
            ("link", "set", f"{name}b", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", name, *words)
    except NoNamespaces:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        raise
    return Host(name, ours, line)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise NoNamespaces(f"`ip {' '.join(words)}`: {done.stderr.strip()}")
