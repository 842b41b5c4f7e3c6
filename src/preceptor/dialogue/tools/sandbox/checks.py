"""What came of a conversation in a sandbox, held against its task."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.outcome import Check, Outcome
from preceptor.dialogue.tools.sandbox.changes import Changes, differences, same, told
from preceptor.dialogue.tools.sandbox.information import said
from preceptor.dialogue.tools.sandbox.tasks import Action, Task
from preceptor.llm.messages import ToolCall

END_STATE, INFORMATION, POLICY = "end state", "information given", "policy"


def judged(task: Task, conversation: Conversation, found: Changes, wanted: Changes | None) -> Outcome | None:
    """The checks that the task asks for; None where it asks for none.

    Args:
        found: what the conversation changed.
        wanted: what the gold actions change; None where any end state will do.
    """
    checks = tuple(_checks(task, conversation, found, wanted))
    return Outcome(checks) if checks else None


def _checks(task: Task, conversation: Conversation, found: Changes, wanted: Changes | None) -> Iterator[Check]:
    if wanted is not None:
        yield Check(END_STATE, not differences(found, wanted), told(found, wanted))
    if task.information:
        messages = [turn.text for turn in conversation.turns if turn.party == "agent"]
        missing = sum(not said(piece, messages) for piece in task.information)
        detail = f"{missing} of {len(task.information)} not said" if missing else ""
        yield Check(INFORMATION, not missing, detail)
    if task.required or task.forbidden:
        detail = _broken(task, [call for turn in conversation.turns for call in turn.tool_calls])
        yield Check(POLICY, not detail, detail)


def _broken(task: Task, calls: list[ToolCall]) -> str:
    missing = [action.tool for action in task.required if not any(_made(action, call) for call in calls)]
    called = sorted({call.name for call in calls} & set(task.forbidden))
    parts = (f"not called as required: {', '.join(missing)}", f"called against policy: {', '.join(called)}")
    return "; ".join(part for part, there in zip(parts, (missing, called), strict=True) if there)


def _made(action: Action, call: ToolCall) -> bool:
    if action.tool != call.name:
        return False
    try:
        given = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return False
    return isinstance(given, Mapping) and all(_given(given, name, value) for name, value in action.arguments.items())


def _given(arguments: Mapping[str, Any], name: str, value: Any) -> bool:
    return name in arguments and same(arguments[name], value)
