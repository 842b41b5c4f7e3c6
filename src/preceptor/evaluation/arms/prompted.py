"""The student with any other system message, from a file a person wrote."""

import re
from dataclasses import dataclass, replace

from preceptor.dialogue.agents import system_message
from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import UserError
from preceptor.evaluation.arms.slotted import held_to
from preceptor.retrieval.selector import about_tokens
from preceptor.student.student import Student

_PART = re.compile(r"\{(role|goal|policy)\}")


@dataclass(frozen=True)
class Prompted:
    """A student whose system message is a text instead of the domain's role, goal and policy."""

    student: Student
    text: str
    name: str

    async def reply(self, context: Context, seed: int) -> Turn:
        """Raises what `Student.reply` raises."""
        return await self.student.reply_given(context, "", seed)

    def inserted(self, context: Context) -> str:
        """The whole system message."""
        return self.text


def other_prompt(student: Student, text: str, *, tokens: int | None = None, name: str = "other prompt") -> Prompted:
    """The student with `text` as its system message; ``{role}``, ``{goal}`` and ``{policy}`` in it are filled in.

    Raises:
        UserError: it is empty, or longer than the student's own by more tokens than allowed.
    """
    domain = student.domain
    filled = _PART.sub(lambda part: str(getattr(domain, part[1])).strip(), text).strip()
    if not filled:
        raise UserError("The other prompt is empty.")
    own = about_tokens(system_message(domain).content)
    held_to(None if tokens is None else own + tokens, filled, "The other prompt")
    other = domain.model_copy(update={"role": filled, "goal": "", "policy": ""})
    return Prompted(replace(student, domain=other), filled, name)
