from __future__ import annotations

import socket

import pytest

from engine.loopback import HOST, PORTS, free_ports


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_one_protocol_has_is_given_to_nobody(kind: socket.SocketKind) -> None:
    (port,) = free_ports(1)
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((HOST, port))
        assert port not in free_ports(len(PORTS) // 2) + free_ports(len(PORTS) // 2)


def test_no_port_is_given_twice_in_a_row_nor_is_one_that_the_kernel_gives_away() -> None:
    given = free_ports(20) + free_ports(20)
    assert len(set(given)) == 40
    assert not any(32_768 <= port <= 60_999 for port in given)


def test_more_than_there_are_is_an_error() -> None:
    with pytest.raises(OSError, match="no 6000 free ports"):
        free_ports(6000)
