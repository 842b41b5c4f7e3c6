"""One fixed instruction for every context: what a good prompt achieves without a teacher."""

from preceptor.evaluation.arms.slotted import Always, Slotted, held_to, shipped
from preceptor.student.student import Student


def instruction(
    student: Student, text: str | None = None, *, tokens: int | None = None, name: str = "instruction"
) -> Slotted:
    """The student with a generic instruction; without `text`, the one that ships (prompts/instruction.txt).

    Raises:
        UserError: it takes more tokens than allowed.
    """
    return Slotted(student, Always(held_to(tokens, (text or shipped("instruction")).strip(), "The instruction")), name)
