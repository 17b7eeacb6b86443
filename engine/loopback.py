"""This machine's own address, and ports of it that are free: for the demonstration, benchmarks and tests."""

from __future__ import annotations

import random
import socket
from itertools import cycle, islice

HOST = "127.0.0.1"
# Linux gives none of these to whoever connects, so what is free stays so until it is used; nor is any of them in a
# range of RTP ports.
PORTS = (*range(32_001, 32_768), *range(61_000, 65_536))
_turn = cycle(random.sample(PORTS, len(PORTS)))


def free_ports(count: int) -> list[int]:
    """Different ports that nobody has just now, neither for TCP nor for UDP: a SIP port is both."""
    found = list(islice(filter(_is_free, islice(_turn, len(PORTS))), count))
    if len(found) < count:
        raise OSError(f"{HOST} has no {count} free ports left: end what holds them, or wait a minute")
    return found


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as one:
            try:
                one.bind((HOST, port))
            except OSError:
                return False
    return True
