"""Libraries as files: YAML for git, JSON lines for machines (`library.report` makes Markdown for people).

YAML and JSON lines carry everything but releases and trail, and read back to the same library. The YAML has one fact a
line, a stable order, and long texts folded, so that a changed word is a changed line. Each strategy carries a `seal`, a
hash of the text that was measured and decided on: a text corrected in the file comes in as a person's edit, undecided
and to be measured again, whatever the file still says about the old one. (It tells an edit from a copy; it is no
signature. Approving is done with `preceptor library approve`.)
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pydantic
import yaml

from preceptor.errors import NotFound, UserError
from preceptor.library.document import At, Document, Header, Misfit, document_of, snapshot_of
from preceptor.library.layout import layout
from preceptor.library.snapshot import Snapshot

_SECTIONS = {"context": "contexts", "scenario": "scenarios", "strategy": "strategies"}
"""The kinds of lines in JSON lines, and where they stand in the document."""
_HEADER = (
    "# A library of preceptor. Correct texts here if you like; `preceptor library import` takes them in as edits.\n"
)


def to_yaml(snapshot: Snapshot) -> str:
    """One file, made for diffs."""
    document = document_of(snapshot)
    return _HEADER + layout(document.plain())


def to_jsonl(snapshot: Snapshot) -> str:
    """A line each for the library, its contexts, scenarios and strategies."""
    document = document_of(snapshot)
    use = Header(**{name: getattr(document, name) for name in Header.model_fields})
    lines = [{"kind": "library"} | use.plain()]
    for kind, name in _SECTIONS.items():
        lines += [{"kind": kind} | part.plain() for part in getattr(document, name)]
    return "".join(orjson.dumps(line).decode() + "\n" for line in lines)


def load(path: Path) -> Snapshot:
    """Read an exported file: JSON lines if it ends so, otherwise YAML.

    Raises:
        NotFound: there is no such file.
        UserError: what is wrong with it, and in which line.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no file {str(path)!r}. `preceptor library export` writes one.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: cannot be read: {fault}.") from None
    return from_jsonl(text, str(path)) if path.suffix == ".jsonl" else from_yaml(text, str(path))


def from_yaml(text: str, origin: str = "the YAML") -> Snapshot:
    """Read `to_yaml`'s form; `origin` names it in messages.

    Raises:
        UserError: what is wrong, and in which line.
    """
    try:
        # Scalars stay text, so that `no` is a word and 2026-11-21 no date; the model below says what is a number.
        data = yaml.load(text, Loader=_LOADER)  # noqa: S506 (a base loader: makes nothing but text, lists and mappings)
    except (yaml.YAMLError, RecursionError) as fault:
        raise UserError(f"{origin}: not valid YAML: {' '.join(str(fault).split())}.") from None
    return _snapshot(data, lambda at: f"{origin}, line {_yaml_line(text, at)}")


def from_jsonl(text: str, origin: str = "the JSON lines") -> Snapshot:
    """Read `to_jsonl`'s form; `origin` names it in messages.

    Raises:
        UserError: what is wrong, and in which line.
    """
    use: dict[str, Any] = {}
    sections: dict[str, list[Any]] = {name: [] for name in _SECTIONS.values()}
    lines: dict[At, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        kind, part = _json_line(line, f"{origin}, line {number}")
        if kind == "library":
            use = part
        else:
            section = _SECTIONS[kind]
            lines[section, len(sections[section])] = number
            sections[section].append(part)
    return _snapshot(use | sections, lambda at: f"{origin}, line {lines.get(at[:2], 1)}")


def _json_line(line: str, origin: str) -> tuple[str, dict[str, Any]]:
    try:
        part = orjson.loads(line)
    except orjson.JSONDecodeError as fault:
        raise UserError(f"{origin}: not valid JSON: {fault}.") from None
    kind = part.pop("kind", None) if isinstance(part, dict) else None
    if kind not in ("library", *_SECTIONS):
        raise UserError(f"{origin}: 'kind' must be one of library, {', '.join(_SECTIONS)}, not {kind!r}.")
    return kind, part


_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def _snapshot(data: object, where: Callable[[At], str]) -> Snapshot:
    try:
        return snapshot_of(Document.model_validate(data))
    except pydantic.ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        raise UserError(f"{where(first['loc'])}: {_path(first['loc'])}: {first['msg']}.") from None
    except orjson.JSONEncodeError as fault:
        raise UserError(f"{where(())}: a text holds what is no character: {fault}.") from None
    except Misfit as fault:
        raise UserError(f"{where(fault.at)}: {_path(fault.at)}: {fault.message}.") from None


def _path(at: At) -> str:
    return ".".join(map(str, at)) or "the file"


def _yaml_line(text: str, at: At) -> int:
    node = yaml.compose(text, Loader=_LOADER)
    for step in at:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            if step >= len(node.value):
                break
            node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            found = [value for key, value in node.value if key.value == step]
            if not found:
                break
            node = found[0]
    return 1 if node is None else int(node.start_mark.line) + 1
