"""YAML that a person wrote, as plain data: whatever is in it, reading ends in data or in one fault.

PyYAML checks the form, and lets what is wrong with a value out as whatever exception its making met: a date on 31 June,
a tag on what it does not fit, a mapping as a key, nesting without end.
"""

from typing import Any

import yaml


def from_yaml(text: str, loader: Any = yaml.SafeLoader) -> Any:
    """`loader`: one of PyYAML's safe ones.

    Raises:
        ValueError: why it cannot be read, in one line.
    """
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - callers give safe ones
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as fault:
        raise ValueError(" ".join(str(fault).split())) from None
