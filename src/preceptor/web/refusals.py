"""A page that cannot be given, and why, in words for its reader."""

from dataclasses import dataclass

from preceptor.errors import Conflict, Forbidden, NotFound, PreceptorError, ProviderError, UserError


@dataclass
class Refused(Exception):
    """What a page raises when there is nothing more to say than this."""

    status: int
    text: str
    """A sentence."""


TITLES = {
    400: "That did not work",
    403: "That is not yours to do",
    404: "There is nothing here",
    405: "That cannot be done here",
    409: "Somebody was faster",
    413: "Too long",
    415: "That did not work",
    429: "Not so fast",
    500: "That went wrong, and the fault is ours",
    502: "A model could not be asked",
}


def status_of(fault: PreceptorError) -> int:
    """The HTTP status of a failure."""
    match fault:
        case NotFound():
            return 404
        case Forbidden():
            return 403
        case Conflict():
            return 409
        case UserError():
            return 400
        case ProviderError():
            return 502
        case _:
            return 500
