"""From a section of the settings to a model that can be asked. The only place that reads secrets."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from preceptor.errors import NotFound, SettingsError
from preceptor.llm.messages import Reply, Request, Sampling
from preceptor.llm.model import Model
from preceptor.llm.prices import Price
from preceptor.llm.retrying import Patience
from preceptor.settings.schema import AnyModel, Endpoint, Simulated
from preceptor.simulated.faults import Faults, Faulty
from preceptor.simulated.model import models
from preceptor.simulated.world import World, shipped_names

# The client takes half a second to import, and what only serves has no use for it.
if TYPE_CHECKING:
    import httpx2

    from preceptor.llm.client import OpenAIModel


@dataclass(frozen=True)
class Sampled:
    """A model asked with the settings' sampling, where they give one."""

    model: Model
    section: AnyModel

    @property
    def name(self) -> str:
        return self.model.name

    async def ask(self, request: Request) -> Reply:
        return await self.model.ask(replace(request, sampling=self._sampling(request.sampling)))

    def _sampling(self, asked: Sampling) -> Sampling:
        mine = self.section
        return Sampling(
            asked.temperature if mine.temperature is None else mine.temperature,
            asked.top_p if mine.top_p is None else mine.top_p,
            mine.max_tokens or asked.max_tokens,
            asked.seed,
        )


class Providers:
    """Bare models (one request, one call) by section. Two sections that mean the same model get the same one, so that
    what it lacks is found out once."""

    def __init__(self, folder: Path, environ: Mapping[str, str] = os.environ) -> None:
        """Paths are relative to `folder`."""
        self._folder = folder
        self._environ = environ
        self._endpoints: dict[str, OpenAIModel] = {}
        self._worlds: dict[str, Mapping[str, Model]] = {}

    def model(self, section: Endpoint | Simulated) -> Model:
        """Raises: NotFound, SettingsError: no such world or model in it; a key that is not set."""
        match section:
            case Simulated():
                return self._simulated(section)
            case Endpoint():
                return self._endpoint(section)

    async def aclose(self) -> None:
        for model in self._endpoints.values():
            await model.aclose()

    @cached_property
    def _connections(self) -> "httpx2.AsyncClient":
        from preceptor.llm.client import connections

        return connections()

    def _simulated(self, section: Simulated) -> Model:
        if section.world not in self._worlds:
            self._worlds[section.world] = models(world(section.world, self._folder))
        known = self._worlds[section.world]
        if section.model not in known:
            raise NotFound(f"World {section.world!r} has no model {section.model!r}; it has: {', '.join(known)}.")
        model = known[section.model]
        return Faulty(model, Faults(), section.latency) if section.latency else model

    def _endpoint(self, section: Endpoint) -> Model:
        identity = section.model_dump_json(exclude=set(AnyModel.model_fields))
        if identity not in self._endpoints:
            from preceptor.llm.client import OpenAIModel

            self._endpoints[identity] = OpenAIModel(
                f"{section.base_url} {section.model}",
                section.base_url,
                section.model,
                key(section.key_env, self._environ),
                section.timeout,
                self._connections,
                section.context_length,
            )
        return self._endpoints[identity]


def world(name: str, folder: Path) -> World:
    """A world by the name of a shipped one, or by its file's path.

    Raises:
        NotFound, SettingsError
    """
    return World.shipped(name) if name in shipped_names() else World.load(folder / name)


def key(variable: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """The key in an environment variable; empty when none is asked for.

    Raises:
        SettingsError: it is not set.
    """
    if variable is None:
        return ""
    if not environ.get(variable):
        raise SettingsError(f"The environment variable {variable!r} (key_env) is not set: put the model's key in it.")
    return environ[variable]


def price(section: AnyModel) -> Price:
    return Price(section.price_input, section.price_output)


def patience(section: AnyModel) -> Patience:
    return Patience(section.attempts, section.outage)
