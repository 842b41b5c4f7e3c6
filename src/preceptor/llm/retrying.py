"""The one owner of retries. Everybody below classifies what went wrong; what to do about it is decided here.

What is waited for: a rate limit, a server that fails, a reply broken on its way, a server that is away. A server's own
word on how long comes first; else back-off doubles from one second to a minute, with jitter, so that callers who failed
together do not return together.

A call that fails while others are answered, or is answered with what cannot be read, is given up after some attempts:
it is the call. When nobody is answered it is an outage, whatever it looks like (no connection, 503, 429, silence), and
is waited for.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal

from preceptor.errors import Adjusted, BadReply, Denied, Garbled, ProviderError, RateLimited, Rejected, Unavailable
from preceptor.llm.clock import Clock, SystemClock
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.stopping import Stop

_LONGEST = 60.0
_GREETINGS = 3
_FIRST_WORDS = 6
"""Broken replies after which a server that never sent a sound one is taken for something that is no model. Half a
minute of waiting; a line that breaks three replies in ten does so to one first call in 1,400."""
Cause = Literal["rate limited", "failing", "broken reply", "unreachable"]


@dataclass(frozen=True)
class Patience:
    """How long to go on trying."""

    attempts: int = 12
    """Of one call while the server is there. With 30 % bad replies, three would lose 2.7 % of the calls; twelve lose
    none that matter."""
    outage: float = 1800.0
    """Seconds to wait for a server that has answered before and answers nobody now, or asks to be left alone for so
    long. One that never answered gets a few tries only: its address is more likely wrong."""

    @property
    def first_words(self) -> int:
        """Broken replies after which to give up a server that never sent a sound one."""
        return min(_FIRST_WORDS, self.attempts)


PATIENT = Patience()


class Retrying:
    """Asks again while that can help."""

    def __init__(
        self,
        model: Model,
        stop: Stop | None = None,
        patience: Patience = PATIENT,
        clock: Clock | None = None,
        seed: int = 0,
    ) -> None:
        self._model = model
        self._stop = stop or Stop()
        self._patience = patience
        self._clock = clock or SystemClock()
        self._random = Random(seed)
        self._waits: dict[object, tuple[float, Cause]] = {}
        self._answers = 0
        """Sound ones."""
        self._answered_at = 0.0

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def state(self) -> str:
        """For displays, such as ``3 waiting, next in 8 s: rate limited``; empty when nothing waits."""
        if not self._waits:
            return ""
        until, cause = min(self._waits.values())
        return f"{len(self._waits)} waiting, next in {max(0.0, until - self._clock.now()):.0f} s: {cause}"

    async def ask(self, request: Request) -> Reply:
        """Raises: what the model raises when trying on is no use, Denied when it never sent a sound reply, and Stopped
        from a wait."""
        trouble = _Trouble(self._clock.now(), self._answers)
        while True:
            try:
                reply = await self._model.ask(request)
            except Adjusted:
                continue
            except (RateLimited, Unavailable, Garbled) as fault:
                trouble.again(fault, self._answers)
                self._give_up(fault, trouble)
                await self._wait(fault, trouble.failures)
            except (BadReply, Rejected):
                self._answered()
                raise
            else:
                self._answered()
                return reply

    def _answered(self) -> None:
        self._answers += 1
        self._answered_at = self._clock.now()

    def _give_up(self, fault: RateLimited | Unavailable | Garbled, trouble: "_Trouble") -> None:
        """Raises: the fault, or Denied: trying on is no use."""
        if not isinstance(fault, Garbled) and (fault.retry_after or 0.0) > self._patience.outage:
            fault.message += f" It asks to wait for {fault.retry_after:,.0f} s; resume then."
            raise fault
        if not self._answers:
            self._give_up_stranger(fault, trouble.failures)
        elif (
            trouble.its_own >= self._patience.attempts
            or self._clock.now() - max(trouble.began, self._answered_at) >= self._patience.outage
        ):
            raise fault

    def _give_up_stranger(self, fault: RateLimited | Unavailable | Garbled, failures: int) -> None:
        if isinstance(fault, Garbled) and failures >= self._patience.first_words:
            told = f"{self.name} sent {failures} replies and none that is sound: {fault} Check base_url."
            raise Denied(told, status=200) from None
        unreached = isinstance(fault, Unavailable) and not fault.reached
        if failures >= (_GREETINGS if unreached else self._patience.attempts):
            raise fault

    async def _wait(self, fault: RateLimited | Unavailable | Garbled, failures: int) -> None:
        seconds = self._seconds(fault, failures)
        token = object()
        self._waits[token] = (self._clock.now() + seconds, _cause(fault))
        try:
            await self._stop.pause(self._clock, seconds)
        finally:
            del self._waits[token]

    def _seconds(self, fault: RateLimited | Unavailable | Garbled, failures: int) -> float:
        if not isinstance(fault, Garbled) and fault.retry_after is not None:
            return fault.retry_after
        # Capped in the exponent too: an outage can have very many failures.
        full = min(_LONGEST, 2.0 ** min(failures - 1, 10))
        return full * self._random.uniform(0.5, 1.0)


@dataclass
class _Trouble:
    """What one call has met with."""

    began: float
    answers: int
    """The model's, to anybody, when this call last failed."""
    failures: int = 0
    its_own: int = 0
    """Failures in which the server was there: for others, or with a reply that cannot be read."""

    def again(self, fault: ProviderError, answers: int) -> None:
        self.failures += 1
        self.its_own += answers > self.answers or isinstance(fault, Garbled)
        self.answers = answers


def _cause(fault: RateLimited | Unavailable | Garbled) -> Cause:
    if isinstance(fault, RateLimited):
        return "rate limited"
    if isinstance(fault, Garbled):
        return "broken reply"
    return "failing" if fault.reached else "unreachable"
