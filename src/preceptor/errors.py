"""What can go wrong, sorted by who can mend it.

    PreceptorError
    ├── UserError           the user's mistake: the message says what, which, and what to do next
    │   ├── SettingsError       a settings, domain or world file
    │   ├── NotFound            a name or id that is not there
    │   ├── Forbidden           not for this person to do, by a rule the owner has set
    │   └── Conflict            somebody else changed it first, or its state forbids it
    ├── ProviderError       the provider's fault: the model could not answer
    │   ├── RateLimited         429; carries how long to wait
    │   ├── Unavailable         unreachable, timed out, 5xx
    │   ├── Rejected            the request was refused (400, 413, 422…); retrying it will not help
    │   ├── Denied              we are refused, whatever we ask (401, 403, 404, no quota): a key, a name, an account
    │   ├── Adjusted            refused for something this model lacks; now known, the same request will do without it
    │   └── BadReply            an answer came, but not one that can be used
    │       └── Garbled             … because it was broken on its way: not JSON, cut off; worth another try
    ├── ToolFailed          a tool of the domain could not do what the agent asked; the agent is told, and goes on
    ├── Stopped             not a fault: the run was told to stop, and can be resumed
    │   └── BudgetExhausted     what is left of the budget does not cover the next call
    └── Defect              ours: a promise of this package was broken

A failure is classified where it happens and acted on in one place. Errors never carry keys.
"""

from dataclasses import dataclass
from typing import Literal

Mishap = Literal["refused", "unknown", "arguments", "late", "unreachable", "broken", "interrupted"]
"""Why a call of a tool failed: the tool said so; there is no such tool; its arguments do not fit; no answer in time;
nobody there; an error in the tool; the run ended while it was under way."""


class PreceptorError(Exception):
    """Any failure this package raises on purpose; its text is a sentence for its reader."""


class UserError(PreceptorError):
    """Something the user can mend."""


class SettingsError(UserError):
    """A settings, domain or world file says something that cannot be used."""


class NotFound(UserError):
    """A name, id or file that is not there."""


class Forbidden(UserError):
    """Another person may do this, but not this one."""


class Conflict(UserError):
    """The thing has changed meanwhile, or its state does not allow this."""


class ProviderError(PreceptorError):
    """A model could not answer."""


@dataclass
class RateLimited(ProviderError):
    """The provider asks us to slow down (HTTP 429)."""

    message: str
    retry_after: float | None = None
    """Seconds to wait before the next try, if the provider said; otherwise back-off applies."""

    def __str__(self) -> str:
        return self.message


@dataclass
class Unavailable(ProviderError):
    """Unreachable, timed out, or failing (HTTP 408, 409, 5xx); worth another try."""

    message: str
    retry_after: float | None = None
    """Seconds to wait before the next try, if the provider said; otherwise back-off applies."""
    reached: bool = True
    """False: no connection was made, so nothing was used up and waiting may be all it takes."""

    def __str__(self) -> str:
        return self.message


@dataclass
class Rejected(ProviderError):
    """The provider refused this request and would refuse it again."""

    message: str
    status: int = 400
    """The HTTP status."""
    param: str | None = None
    """The request field at fault, if the provider named one."""

    def __str__(self) -> str:
        return self.message


@dataclass
class Denied(ProviderError):
    """The provider refuses us, not this request: the key, the model's name, the address or the account is at fault.

    No call will fare better until a person mends it, so a run ends here and is resumed afterwards.
    """

    message: str
    status: int = 401
    """The HTTP status."""

    def __str__(self) -> str:
        return self.message


class Adjusted(ProviderError):
    """Refused for a feature this model lacks. The client took note: the same request, asked again, goes without it."""


class BadReply(ProviderError):
    """A reply that cannot be used: empty, cut off, or not of the form asked for."""


class Garbled(BadReply):
    """A reply that was broken on its way: not JSON, cut off, or no chat completion at all. Worth another try."""


@dataclass
class ToolFailed(PreceptorError):
    """A tool could not do what it was asked. Functions that stand behind tools raise it to tell the agent why."""

    message: str
    """Told to the agent, as the call's result: no secret, and nothing about the inside."""
    why: Mishap = "refused"
    about: str = ""
    """For the people who keep the tool, beside the message; the agent is not told."""

    def __str__(self) -> str:
        return self.message


class Stopped(PreceptorError):
    """The run was told to stop; what is finished is saved."""


class BudgetExhausted(Stopped):
    """What is left of the budget does not cover the worst case of the next call."""


class Defect(PreceptorError):
    """A promise of this package was broken; please report it."""
