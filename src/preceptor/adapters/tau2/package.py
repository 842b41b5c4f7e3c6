"""The package `tau2`, where it is installed."""

import importlib
from typing import Any

from preceptor.errors import UserError


def part(name: str) -> Any:
    """A module of tau2-bench, such as ``registry``.

    Raises:
        UserError: it is not installed, or the `tau2` that is installed is another one.
    """
    try:
        return importlib.import_module(f"tau2.{name}")
    except ImportError as fault:
        raise UserError(
            f"tau2-bench is not installed, or is too old: {fault}. Install it from its repository "
            "(github.com/sierra-research/tau2-bench); the package `tau2` on the registry is another one."
        ) from None
