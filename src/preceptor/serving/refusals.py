"""What the gateway itself says no to. Each protocol has its own shape for it; the status and the words are the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from preceptor.errors import UserError


@dataclass
class Refused(UserError):
    """A request that is not passed on, or that no upstream could be had for."""

    status: int
    """The HTTP status."""
    message: str
    param: str | None = None
    """The request's field at fault."""
    code: str | None = None
    """A name for programs, such as ``rate_limited``."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """More headers of the answer, such as ``retry-after``."""

    def __str__(self) -> str:
        return self.message

    @property
    def kind(self) -> str:
        """What both OpenAI and Anthropic call a fault of this status, as far as they agree."""
        return _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")


_KINDS: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
