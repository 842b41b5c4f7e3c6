"""`preceptor chat`: the student with and without the library, side by side."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.dialogue.conversation import Turn
    from preceptor.library.model import Guidance
    from preceptor.settings.models import Providers
    from preceptor.settings.project import Project
    from preceptor.student.student import Student


def chat(
    release: Annotated[
        str | None, typer.Option(help="A release; the live one, or else what was accepted, when not given.")
    ] = None,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Talk to the student with and without the library.

    Each answer is shown twice: left without the library, right with it. Each side goes on with its own answers. /why
    shows which scenarios matched and what was put into the prompt; /quit ends.
    """
    from preceptor.cli.tables import mark
    from preceptor.settings.models import Providers
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    guidance, name = _guidance(loaded, release)
    providers = Providers(loaded.folder)
    # The loop runs for the answers only, so that Ctrl-C while typing ends the program at once.
    with asyncio.Runner() as runner:
        try:
            talk = Talk.begin(loaded, providers, guidance, runner)
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
            runner.run(providers.aclose())


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


@dataclass
class Side:
    """One of the two conversations."""

    student: "Student"
    turns: "tuple[Turn, ...]" = ()

    async def answer(self, said: str) -> "Turn":
        from preceptor.dialogue.conversation import Context, Turn

        heard = (*self.turns, Turn("customer", said))
        turn = await self.student.reply(Context(heard), seed=0)
        # Only an answered message becomes part of the conversation, so that a failed one can be sent again.
        self.turns = (*heard, turn)
        return turn


@dataclass
class Talk:
    """Both sides at once."""

    alone: Side
    guided: Side
    guidance: "Guidance"
    runner: asyncio.Runner

    @classmethod
    def begin(cls, project: "Project", providers: "Providers", guidance: "Guidance", runner: asyncio.Runner) -> "Talk":
        from preceptor.settings.models import Sampled
        from preceptor.student.student import Student

        section = project.settings.models.student
        student = Student(Sampled(providers.model(section), section), project.domain())
        guided = student.using(guidance, project.embedder()) if guidance.scenarios else student
        return cls(Side(student), Side(guided), guidance, runner)

    def answer(self, said: str) -> None:
        from preceptor.cli import tables
        from preceptor.errors import ProviderError
        from preceptor.judging.judge import shown

        try:
            left, right = self.runner.run(self._both(said))
        except ProviderError as fault:
            typer.echo(f"No answer: {fault}", err=True)
            return
        tables.show(("without the library", "with the library"), [(shown(left), shown(right))])

    async def _both(self, said: str) -> "tuple[Turn, Turn]":
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
