"""From the settings to an embedder."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from preceptor.retrieval.embedding import Embedder, EndpointEmbedder, LexicalEmbedder, StaticEmbedder, Vectors
from preceptor.settings.models import key
from preceptor.settings.schema import RetrievalSection
from preceptor.storage import vectors


def build(section: RetrievalSection, folder: Path) -> Embedder:
    """The embedder; an endpoint is asked for one vector. Paths are relative to `folder`.

    Raises:
        NotFound, UserError, ProviderError: it cannot be used.
    """
    match section.embedder:
        case "static":
            return StaticEmbedder()
        case "lexical":
            return LexicalEmbedder()
        case "endpoint":
            endpoint = _Endpoint(str(section.base_url), str(section.model), key(section.key_env))
            return EndpointEmbedder.probing(endpoint.embed, f"{section.base_url} {section.model}")
        case "onnx":
            # Here, because it needs the tokenizers' library, which most do without.
            from preceptor.retrieval.onnx import OnnxEmbedder

            return OnnxEmbedder(folder / str(section.folder))


@dataclass(frozen=True)
class Kept:
    """The database's vectors as the embedders' store."""

    vectors: vectors.Vectors

    def get_many(self, embedder_id: str, texts: Sequence[str]) -> Mapping[str, Vectors]:
        found = self.vectors.get_many(embedder_id, texts)
        return {text: vector for text, vector in zip(texts, found, strict=True) if vector is not None}

    def put_many(self, embedder_id: str, vectors: Mapping[str, Vectors]) -> None:
        self.vectors.put_many(embedder_id, list(vectors), list(vectors.values()))


@dataclass(frozen=True, repr=False)
class _Endpoint:
    """The asynchronous client as the plain function embedders are: each call has a thread and a loop of its own."""

    base_url: str
    model: str
    key: str

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._embed(texts)).result()

    async def _embed(self, texts: Sequence[str]) -> list[list[float]]:
        # Takes half a second to import.
        from preceptor.llm.embeddings import OpenAIEmbeddings

        async with OpenAIEmbeddings(self.base_url, self.model, self.key) as client:
            return await client.embed(texts)
