"""Where a command listens."""

import ipaddress
import socket


def near(host: str) -> bool:
    """Whether only this machine gets there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening(host: str, port: int) -> socket.socket:
    """Raises: UserError: the port is taken, or the address is not this machine's."""
    from preceptor.errors import UserError
    from preceptor.serving.server import listen

    try:
        return listen(host, port)
    except OSError as fault:
        raise UserError(f"Cannot listen on {host}:{port}: {fault.strerror or fault}. Try another --port.") from None


def url(host: str, taken: socket.socket, path: str = "/") -> str:
    """Where one gets there with a browser."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{taken.getsockname()[1]}{path}"
