"""`preceptor chat`: the student with and without the library, side by side."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.dialogue.conversation import Turn
    from preceptor.dialogue.environment import Session
    from preceptor.library.model import Guidance
    from preceptor.settings.models import Providers
    from preceptor.settings.project import Project
    from preceptor.student.student import Student


def chat(
    release: Annotated[
        str | None, typer.Option(help="A release; the live one, or else what was accepted, when not given.")
    ] = None,
    topic: Annotated[
        str | None,
        typer.Option(help="Whom the tools take you for: a customer with this topic; the first if not given."),
    ] = None,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Talk to the student with and without the library.

    Each answer is shown twice: left without the library, right with it. Each side goes on with its own answers. The
    domain's tools are called, by each side for itself; what they change is changed. /why shows which scenarios matched
    and what was put into the prompt; /quit ends.
    """
    from preceptor.cli.tables import mark
    from preceptor.settings.models import Providers
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    guidance, name = _guidance(loaded, release)
    providers = Providers(loaded.folder)
    # The loop runs for the answers only, so that Ctrl-C while typing ends the program at once.
    with asyncio.Runner() as runner:
        ended = AsyncExitStack()
        ended.push_async_callback(providers.aclose)
        try:
            talk = runner.run(Talk.begin(loaded, providers, guidance, runner, topic, ended))
            typer.echo(f"You are a customer of {loaded.domain().name}{mark(loaded.simulated)}; the library: {name}.")
            typer.echo("/why explains the last answer, /quit ends.")
            for said in _said():
                if said == "/why":
                    talk.why()
                elif said.startswith("/"):
                    typer.echo(f"There is no command {said!r}. /why explains the last answer, /quit ends.")
                else:
                    talk.answer(said)
        finally:
            runner.run(ended.aclose())


def _guidance(project: "Project", release: str | None) -> "tuple[Guidance, str]":
    """What the right side is given, and what to call it."""
    with project.database() as db:
        library = project.library(db)
        chosen = library.get_release(release) if release else library.live()
        if chosen:
            return chosen.guidance, f"release {chosen.hash[:12]}"
        return library.guidance("accepted"), "what was accepted (nothing is released yet)"


def _said() -> Iterator[str]:
    """What the person types, until /quit or the end of input."""
    while True:
        try:
            said = input("\n> ").strip()
        except EOFError:
            return
        if not sys.stdin.isatty():
            typer.echo(said)  # nobody's terminal has shown it
        if said == "/quit":
            return
        if said:
            yield said


RESULT = 300
"""Characters of a tool's result that are shown."""


def _shown(done: "Sequence[Turn]") -> str:
    """What a side did: its calls, what they gave, what it said."""
    from preceptor.judging.judge import shown

    lines = []
    for turn in done:
        text = " ".join(turn.text.split())
        cut = f"{text[:RESULT]}…" if len(text) > RESULT else text
        lines.append(f"  = {cut}" if turn.party == "tool" else shown(turn))
    return "\n".join(lines)


@dataclass
class Side:
    """One of the two conversations."""

    student: "Student"
    session: "Session"
    """Its own tools: neither side sees what the other changed, where the tools can keep them apart."""
    turns: "tuple[Turn, ...]" = ()

    async def answer(self, said: str) -> "tuple[Turn, ...]":
        """What it did about what was said, the answer last."""
        from preceptor.dialogue.conversation import Turn
        from preceptor.dialogue.rollout import acting

        heard = (*self.turns, Turn("customer", said))
        done = tuple([turn async for turn in acting(self.student, self.session, heard, seed=0)])
        # Only an answered message becomes part of the conversation, so that a failed one can be sent again.
        self.turns = (*heard, *done)
        return done


@dataclass
class Talk:
    """Both sides at once."""

    alone: Side
    guided: Side
    guidance: "Guidance"
    runner: asyncio.Runner

    @classmethod
    async def begin(
        cls,
        project: "Project",
        providers: "Providers",
        guidance: "Guidance",
        runner: asyncio.Runner,
        topic: str | None,
        ended: AsyncExitStack,
    ) -> "Talk":
        """`topic`: of the customer whom the tools take one for. `ended` closes what is opened here."""
        from preceptor.dialogue.customers import visitor
        from preceptor.settings.models import Sampled
        from preceptor.student.student import Student

        section, domain = project.settings.models.student, project.equipped()
        customer = visitor(domain, topic)
        environment = await ended.enter_async_context(project.environment(domain))
        left, right = [await ended.enter_async_context(environment.open(customer)) for _ in range(2)]
        student = Student(Sampled(providers.model(section), section), domain)
        guided = student.using(guidance, project.embedder()) if guidance.scenarios else student
        return cls(Side(student, left), Side(guided, right), guidance, runner)

    def answer(self, said: str) -> None:
        from preceptor.cli import tables
        from preceptor.errors import ProviderError

        try:
            left, right = self.runner.run(self._both(said))
        except ProviderError as fault:
            typer.echo(f"No answer: {fault}", err=True)
            return
        tables.show(("without the library", "with the library"), [(_shown(left), _shown(right))])

    async def _both(self, said: str) -> "tuple[tuple[Turn, ...], tuple[Turn, ...]]":
        from preceptor.llm.parallel import gather

        left, right = await gather([lambda: self.alone.answer(said), lambda: self.guided.answer(said)])
        return left, right

    def why(self) -> None:
        """Say what was found for the last answer on the right, and what was put into its prompt."""
        from preceptor.dialogue.conversation import Context
        from preceptor.student.slot import render

        finder = self.guided.student.finder
        if finder is None or not self.guided.turns:
            typer.echo("The library is empty." if finder is None else "Nothing was said yet.")
            return
        found = finder.find(Context(self.guided.turns[:-1]))
        names = {scenario.id: scenario.description for scenario in self.guidance.scenarios}
        for scenario, score in found.matches[:5]:
            typer.echo(f"{score:6.1%}  {scenario}  {names.get(scenario, '')}")
        placement = self.guided.student.placement
        put = render(found.strategies)
        typer.echo(
            f"Put into the prompt ({placement}):\n{put}"
            if put
            else "Nothing was put in: "
            + ("no scenario is near enough." if found.abstained else "no strategy is in use for what was found.")
        )
