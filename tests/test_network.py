"""Tests reach this machine and nothing else."""

import socket

import pytest
from pytest_socket import SocketConnectBlockedError


def test_the_network_is_refused() -> None:
    with socket.socket() as outside, pytest.raises(SocketConnectBlockedError), pytest.warns(match="192.0.2.1"):
        outside.connect(("192.0.2.1", 80))
