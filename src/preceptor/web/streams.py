"""Server-sent events."""

KIND = "text/event-stream"


def event(name: str, text: str) -> bytes:
    """One event with a text of any number of lines."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
