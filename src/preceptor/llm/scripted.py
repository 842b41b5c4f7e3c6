"""A model that answers what it was told to. Shipped, so that tests need no patching."""

import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from preceptor.errors import Defect
from preceptor.llm.messages import Message, Reply, Request

Answer = Reply | str | Exception
"""What to say; an exception is raised instead."""
Script = Callable[[Request], Answer | Awaitable[Answer]]


class ScriptedModel:
    """Answers from a queue, or by a function of the request, and keeps what it was asked in `requests`."""

    def __init__(self, name: str, replies: Iterable[Answer] | Script) -> None:
        self._name = name
        self._answer = replies if callable(replies) else _Queue(name, replies)
        self.requests: list[Request] = []

    @property
    def name(self) -> str:
        return self._name

    async def ask(self, request: Request) -> Reply:
        """Raises: Defect: the queue is empty. Whatever the script says to raise."""
        self.requests.append(request)
        answer = self._answer(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return Reply(Message("assistant", answer)) if isinstance(answer, str) else answer


class _Queue:
    def __init__(self, name: str, answers: Iterable[Answer]) -> None:
        self._name = name
        self._answers = deque(answers)

    def __call__(self, request: Request) -> Answer:
        if not self._answers:
            raise Defect(f"The scripted model {self._name!r} was asked more often than it has replies.")
        return self._answers.popleft()
