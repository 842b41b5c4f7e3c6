"""What ends a run: a model that cannot be asked, or whose answers are never of use.

One unusable answer is a failed measurement, recorded and gone on from. A model none of whose answers can be used (the
wrong model, a server that takes no notice of forms, a length limit too short for its thinking) would make a whole run
of them, paid for and worth nothing. So the run ends, as with a wrong key, until a person has mended it. What is in
flight at other models finishes, as after any stop: were it lost, it would have to be paid for again.
"""

from collections import Counter

from preceptor.errors import BadReply, Denied, ProviderError, Rejected
from preceptor.llm.messages import Reply, Request
from preceptor.llm.model import Model
from preceptor.llm.stopping import Stop

ENOUGH = 30
"""Unusable answers of one kind, and not one usable before them, that end a run: a model of whose answers one in four
can be used is ended so once in five thousand runs."""
FEW = 4
"""The same over all forms when a run is over: two questions, each asked again."""
SPEECH = ""
"""The kind of answers that have no form."""


class Watched:
    """A role's model, with an account of its answers. Outermost: `Task` reports to it what it could read."""

    def __init__(self, model: Model, role: str, stop: Stop) -> None:
        """`stop`: set, with the fault, when the run cannot go on."""
        self._model = model
        self._role = role
        self._stop = stop
        self.used: Counter[str] = Counter()
        """Usable answers by kind: the task's name, or `SPEECH`."""
        self.unused: Counter[str] = Counter()
        """Unusable ones."""
        self._last: dict[str, BadReply] = {}

    @property
    def name(self) -> str:
        return self._model.name

    async def ask(self, request: Request) -> Reply:
        """Raises: BadReply, Rejected; Stopped for every other fault, and as `missed`."""
        kind = request.schema.name if request.schema else SPEECH
        try:
            reply = await self._model.ask(request)
        except BadReply as fault:
            self.missed(kind, fault)
            raise
        except Rejected:
            raise
        except ProviderError as fault:
            raise self._stop.fail(fault) from fault
        if kind == SPEECH:
            self.read(kind)
        return reply

    def read(self, kind: str) -> None:
        """An answer of this kind could be used."""
        self.used[kind] += 1

    def missed(self, kind: str, fault: BadReply) -> None:
        """An answer of this kind could not be used.

        Raises:
            Stopped: so it was with very many, and with none before them.
        """
        self.unused[kind] += 1
        self._last[kind] = fault
        if self.unused[kind] >= ENOUGH and not self.used[kind]:
            raise self._stop.fail(self._hopeless([kind]))

    def check(self) -> None:
        """To be asked when a run is over.

        Raises:
            Denied: there were too few answers to end it before, and none could be used.
        """
        forms = sorted(self.unused.keys() - {SPEECH})
        for kinds in ([SPEECH], forms):
            tried = [kind for kind in kinds if self.unused[kind]]
            if sum(self.unused[kind] for kind in tried) >= FEW and not any(self.used[kind] for kind in kinds):
                raise self._hopeless(tried)

    def _hopeless(self, kinds: list[str]) -> Denied:
        count = sum(self.unused[kind] for kind in kinds)
        return Denied(
            f"Not one of {count} answers of the {self._role} ({self.name}) could be used. The last: "
            f"{self._last[kinds[-1]]} Name another model for it and resume; or mend this one (`preceptor doctor`) and "
            "begin anew, because what it answered is kept.",
            status=200,
        )
