"""Chain of thought: the student thinks before it answers, and the customer sees the answer only."""

from dataclasses import replace

from preceptor.evaluation.arms.slotted import Always, Slotted, held_to, shipped
from preceptor.student.student import Student

THOUGHTS = 600
"""Tokens the student may think for, beside those of its reply."""


def chain_of_thought(student: Student, *, tokens: int | None = None, name: str = "chain of thought") -> Slotted:
    """The student told to think first, between <think> and </think> (prompts/chain_of_thought.txt).

    What stands there is taken out of every reply (`dialogue.agents.turn_of`). A student that thinks and says nothing
    has failed as with any empty reply.

    Raises:
        UserError: the instruction takes more tokens than allowed.
    """
    longer = replace(student.sampling, max_tokens=student.sampling.max_tokens + THOUGHTS)
    text = held_to(tokens, shipped("chain_of_thought"), "The instruction to think first")
    return Slotted(replace(student, sampling=longer), Always(text), name)
