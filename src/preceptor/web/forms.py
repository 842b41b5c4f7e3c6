"""What a form brings: read whole and bounded, its fields as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.requests import Request

from preceptor.web.refusals import Refused

LONGEST = 1 << 20
"""Bytes of a form: a hundred times the longest text a person types into one."""
FIELDS = 2000
KIND = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Form:
    """Fields by name, each with its values in order."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """A field's first value, with lines ended as everywhere but in forms."""
        return self.values.get(name, (default,))[0].replace("\r\n", "\n")

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(self.values.get(name, ()))

    def number(self, name: str) -> int:
        """A whole number.

        Raises:
            Refused: it is none.
        """
        text = self.text(name).strip()
        if not text.isascii() or not text.isdigit() or len(text) > 12:
            raise Refused(400, f"{text[:50]!r} is not a whole number.")
        return int(text)


async def read(request: Request) -> Form:
    """Raises: Refused: not a form of a page of ours, or too long."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != KIND:
        raise Refused(415, "This is not a form of this page.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST:
            raise Refused(413, "That is more than a form may hold. Shorten the text.")
    try:
        return Form(parse_qs(body.decode("ascii"), True, errors="strict", max_num_fields=FIELDS))
    except ValueError:
        raise Refused(400, "This form could not be read: its text is not valid Unicode.") from None
