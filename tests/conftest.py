"""For all tests: no network but this machine's own, and asyncio under anyio."""

import pytest
import pytest_socket


def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
