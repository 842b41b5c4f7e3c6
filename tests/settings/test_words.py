"""Runs in words."""

import pkgutil
from importlib import import_module

from preceptor import settings
from preceptor.settings.words import KINDS


def test_every_kind_of_run_has_a_name() -> None:
    modules = (
        import_module(f"{settings.__name__}.{module.name}") for module in pkgutil.iter_modules(settings.__path__)
    )
    kinds = {module.KIND for module in modules if hasattr(module, "KIND")}
    assert kinds
    assert kinds <= KINDS.keys()
