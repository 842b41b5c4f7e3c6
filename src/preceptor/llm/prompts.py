"""Prompts are files beside the module that uses them: readable, diffable, hashed into the record of a run.

A prompt file is Markdown with a heading per message (``# system``, ``# user``). Placeholders such as ``{conversation}``
are filled in a single pass, so text that itself contains ``{strategy}`` stays as it is. Values are *data*: ``&``, ``<``
and ``>`` in them are escaped, so that what a customer wrote can never close the marked block it stands in.
Lines between ``{if tools}`` and ``{/if}`` stand only where there is something to fill in: without, the prompt is byte
for byte what it was before anybody thought of it.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import cast

from preceptor.errors import Defect
from preceptor.llm.messages import Message, Role
from preceptor.storage.canonical import content_hash

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_IF = re.compile(r"^\{if ([a-z_]+)\}\n(.*?)^\{/if\}\n", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^# (system|user|assistant)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Prompt:
    """A prompt template.

    `text` is the whole file; `messages` fills it.
    """

    text: str

    @classmethod
    def load(cls, package: str, name: str) -> "Prompt":
        """Read ``prompts/NAME.md`` beside a package's modules."""
        return cls(resources.files(package).joinpath("prompts", f"{name}.md").read_text("utf-8"))

    @property
    def names(self) -> frozenset[str]:
        """The placeholders."""
        asked = (name for name, _ in _IF.findall(self.text))
        return frozenset(_PLACEHOLDER.findall(self.text)).union(asked)

    @cached_property
    def hash(self) -> str:
        return content_hash(self.text)

    def messages(self, **values: str) -> tuple[Message, ...]:
        """The filled prompt. Every placeholder needs a value and every value a placeholder."""
        if values.keys() != self.names:
            raise Defect(f"Prompt expects {sorted(self.names)}, was given {sorted(values)}.")
        text = _IF.sub(lambda found: found[2] if values[found[1]] else "", self.text)
        parts = _HEADING.split(text)
        roles, bodies = parts[1::2], parts[2::2]
        return tuple(
            Message(cast(Role, role), _fill(body, values).strip()) for role, body in zip(roles, bodies, strict=True)
        )


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: html.escape(values[match[1]], quote=False), template)
