"""What a request is given before it goes out: the slot of the release that is for it, or nothing, and why.

Promises: only strategies of the one release the caller gets; nothing here ever keeps a request from its upstream, but
for a request that asks for something there is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import orjson
import pydantic

from preceptor.errors import Conflict, NotFound, PreceptorError
from preceptor.serving.access import Caller
from preceptor.serving.guide import Finder, Finding, Guide
from preceptor.serving.protocols.asked import FIELD, Asked, Speech, Wishes
from preceptor.serving.refusals import Refused
from preceptor.serving.releases import Releases
from preceptor.serving.splice import Edit, edited
from preceptor.serving.trial import Arm, Trial, conversation_of
from preceptor.student.slot import render

State = Literal["on", "abstained", "held-out", "off", "none", "unavailable"]
"""``on``: the slot stands. ``abstained``: the release has nothing for this conversation.
``held-out``: it has, but the conversation goes untaught, to be compared with. ``off``: asked for. ``none``:
no release is live. ``unavailable``: the library or the embedder is down or late."""
Headers = list[tuple[bytes, bytes]]
NO_TRIAL = Trial()


@dataclass(frozen=True)
class Given:
    """A request as it goes out."""

    edits: tuple[Edit, ...]
    """None of them: the body goes out as it came."""
    state: State
    release: str = ""
    """The hash of the release; empty where none was used."""
    finding: Finding | None = None
    reason: str = ""
    """Why teaching was unavailable."""
    conversation: str = ""
    """Our name for it."""
    arm: Arm | None = None
    """Of the trial; None: not in it."""

    @property
    def found(self) -> bool:
        """There was something to teach, whether or not it was."""
        return self.finding is not None and bool(self.finding.found.strategies)

    def headers(self, *, explain: bool) -> Headers:
        """What is said of it in the answer."""
        said: Headers = [(b"x-preceptor-teaching", self.state.encode())]
        if self.conversation:
            said.append((b"x-preceptor-conversation", self.conversation.encode()))
        if self.release:
            said.append((b"x-preceptor-release", self.release.encode()))
        if self.reason:
            said.append((b"x-preceptor-reason", self.reason.encode("ascii", "replace")[:200]))
        if self.finding and self.finding.late:
            said.append((b"x-preceptor-embedder", b"fallback"))
        if explain:
            said.append((b"x-preceptor-explain", self._explanation()))
        return said

    def _explanation(self) -> bytes:
        finding = self.finding
        if finding is None:
            return orjson.dumps({"teaching": self.state})
        return orjson.dumps(
            {
                "teaching": self.state,
                "scenarios": [[name, round(score, 4)] for name, score in finding.found.matches],
                "strategies": [strategy.id for strategy in finding.found.strategies],
                "embedder": finding.embedder,
                "late": finding.late,
                "remembered": finding.remembered,
                "ms": round(1000 * finding.seconds, 3),
            }
        )


class Coach:
    """Gives requests what the release in force has for them."""

    def __init__(self, releases: Releases, finder: Finder, trial: Trial = NO_TRIAL) -> None:
        self.releases = releases
        self.finder = finder
        self.trial = trial

    async def give(self, speech: Speech, asked: Asked, caller: Caller, wishes: Wishes) -> Given:
        """What to do to a request.

        Raises:
            Refused: it names a release there is not.
        """
        own = tuple(asked.document.without(FIELD)) if asked.wishes is not None else ()
        name = conversation_of(asked, caller, wishes.conversation)
        if wishes.teaching == "off":
            return Given(own, "off", conversation=name)
        arm: Arm | None = None
        try:
            guide = await self._guide(caller, wishes)
            if guide is None:
                return Given(own, "none", conversation=name)
            guide, arm = await self._drawn(guide, asked, caller, wishes, name)
            if not asked.teachable:
                return Given(own, "abstained", guide.release, conversation=name)
            finding = await self.finder.find(guide, asked.turns)
        except Refused:
            raise
        except Exception as fault:
            # Whatever is wrong with us is no reason to leave a customer without an answer.
            reason = str(fault) if isinstance(fault, PreceptorError) else type(fault).__name__
            return Given(own, "unavailable", reason=" ".join(reason.split()), conversation=name, arm=arm)
        slot = render(finding.found.strategies)
        if not slot:
            return Given(own, "abstained", guide.release, finding, conversation=name, arm=arm)
        if arm == "untaught":
            return Given(own, "held-out", guide.release, finding, conversation=name, arm=arm)
        edits = (*own, *speech.insert(asked, slot, guide.placement))
        return Given(edits, "on", guide.release, finding, conversation=name, arm=arm)

    async def _drawn(
        self, live: Guide, asked: Asked, caller: Caller, wishes: Wishes, name: str
    ) -> tuple[Guide, Arm | None]:
        """What the trial has for a conversation. Whoever names a release, by key or by request, is not in it."""
        if not self.trial.on or wishes.release or caller.release or not asked.teachable:
            return live, None
        arm = self.trial.arm(name)
        if arm != "other" or self.trial.other is None:
            return live, arm
        try:
            return await self.releases.named(caller.library, self.trial.other), arm
        except (NotFound, Conflict):
            # It is another library's.
            return live, None

    async def _guide(self, caller: Caller, wishes: Wishes) -> Guide | None:
        if wishes.release is None:
            if caller.release is None:
                return self.releases.current(caller.library)
            return await self.releases.named(caller.library, caller.release)
        try:
            return await self.releases.named(caller.library, wishes.release)
        except (NotFound, Conflict) as fault:
            raise Refused(404, str(fault), "release", "release_not_found") from None


def body_of(asked: Asked, body: bytes, edits: tuple[Edit, ...]) -> bytes:
    """The body with edits in it; the very same bytes when there are none."""
    return edited(asked.document.text, edits) if edits else body


def wishes_in(headers: Mapping[bytes, bytes], asked: Wishes | None) -> Wishes:
    """What a request asks of the gateway: in its field, or else in headers.

    Raises:
        Refused: a header says something that cannot be meant.
    """
    told = {name: value.decode("latin-1") for header, name in _TOLD if (value := headers.get(header)) is not None}
    explain = headers.get(b"x-preceptor-explain")
    if not told and explain is None:
        return asked or _NOTHING
    try:
        flag = {} if explain is None else {"explain": explain.decode("latin-1")}
        said = Wishes.model_validate({**told, **flag})
        return said.model_copy(update=asked.model_dump(exclude_unset=True)) if asked else said
    except pydantic.ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        name = "x-preceptor-" + ".".join(map(str, first["loc"]))
        raise Refused(400, f"Header {name!r}: {first['msg']}.", name) from None


_NOTHING = Wishes()
_TOLD = tuple((f"x-preceptor-{name}".encode(), name) for name in ("teaching", "release", "conversation"))
