"""preceptor: a large model coaches a small one, without touching weights.

The names below are what programs may rely on; docs/reference/python.md shows them at work. They are imported when first
used, so that `import preceptor`, and with it every command, starts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preceptor.dialogue.agents import ModelAgent
    from preceptor.dialogue.conversation import Context, Turn
    from preceptor.dialogue.crowd import Customers
    from preceptor.dialogue.domain import Domain
    from preceptor.dialogue.tools.backend import Visit
    from preceptor.dialogue.tools.sandbox.sandbox import Sandbox
    from preceptor.dialogue.tools.sandbox.tables import Tables
    from preceptor.errors import PreceptorError, ToolFailed
    from preceptor.evaluation.evaluate import evaluate
    from preceptor.judging.judge import Judge
    from preceptor.library.store import Library
    from preceptor.llm.client import OpenAIModel
    from preceptor.settings.project import Project
    from preceptor.simulated.model import SimulatedModel
    from preceptor.simulated.world import World
    from preceptor.storage.database import Database
    from preceptor.student.student import Student
    from preceptor.teaching.settings import Teaching
    from preceptor.teaching.teach import teach

_HOMES = {
    "Context": "dialogue.conversation",
    "Customers": "dialogue.crowd",
    "Database": "storage.database",
    "Domain": "dialogue.domain",
    "Judge": "judging.judge",
    "Library": "library.store",
    "ModelAgent": "dialogue.agents",
    "OpenAIModel": "llm.client",
    "PreceptorError": "errors",
    "Project": "settings.project",
    "Sandbox": "dialogue.tools.sandbox.sandbox",
    "SimulatedModel": "simulated.model",
    "Student": "student.student",
    "Tables": "dialogue.tools.sandbox.tables",
    "Teaching": "teaching.settings",
    "ToolFailed": "errors",
    "Turn": "dialogue.conversation",
    "Visit": "dialogue.tools.backend",
    "World": "simulated.world",
    "evaluate": "evaluation.evaluate",
    "teach": "teaching.teach",
}

__all__ = [
    "Context",
    "Customers",
    "Database",
    "Domain",
    "Judge",
    "Library",
    "ModelAgent",
    "OpenAIModel",
    "PreceptorError",
    "Project",
    "Sandbox",
    "SimulatedModel",
    "Student",
    "Tables",
    "Teaching",
    "ToolFailed",
    "Turn",
    "Visit",
    "World",
    "evaluate",
    "teach",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'preceptor' has no attribute {name!r}")
    return getattr(import_module(f"preceptor.{_HOMES[name]}"), name)
