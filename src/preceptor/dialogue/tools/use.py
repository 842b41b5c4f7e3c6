"""How a run's tools were used, for people."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from preceptor.errors import Mishap, ToolFailed

WORDS: Mapping[Mishap, str] = {
    "refused": "refused by the tool",
    "unknown": "no such tool",
    "arguments": "arguments that do not fit",
    "late": "no answer in time",
    "unreachable": "not reached",
    "broken": "an error in the tool",
    "interrupted": "under way when the run ended",
}
"""Why calls fail."""


@dataclass
class Use:
    """Counts of calls and failures; ``str()`` tells them."""

    calls: Counter[str] = field(default_factory=Counter)
    """By tool."""
    failed: Counter[tuple[str, Mishap]] = field(default_factory=Counter)
    """By tool and why."""
    about: dict[tuple[str, Mishap], str] = field(default_factory=dict)
    """What else is known of the first failure of a kind."""

    def note(self, tool: str, fault: ToolFailed | None) -> None:
        self.calls[tool] += 1
        if fault is not None:
            self.failed[tool, fault.why] += 1
            if fault.about:
                self.about.setdefault((tool, fault.why), fault.about.rstrip("."))

    def __str__(self) -> str:
        """A sentence; empty where nothing failed."""
        if not self.failed:
            return ""
        told = [
            f"{tool} {count:,} ({WORDS[why]}{': ' + self.about[tool, why] if (tool, why) in self.about else ''})"
            for (tool, why), count in self.failed.most_common(6)
        ]
        rest = len(self.failed) - len(told)
        more = f" and {rest} more kinds" if rest else ""
        return f"Of {self.calls.total():,} tool calls {self.failed.total():,} failed: {', '.join(told)}{more}."
