"""Texts to vectors: one small protocol, and the embedded default that needs neither torch nor a hub nor a server.

An embedder's `id` names everything its vectors depend on; caches and thresholds are keyed by it.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load
from tokenizers import Tokenizer

from preceptor.errors import BadReply, Defect

Vectors = NDArray[np.float32]
"""n × dim, float32, each row of length one (or zero where the text says nothing)."""

_PIECE = 4_096
"""Tokens whose vectors are looked up at a time."""
_PACKAGE = "wordllama"
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"


@runtime_checkable
class Embedder(Protocol):
    """Whatever turns texts into unit vectors, so that likeness of meaning is their dot product."""

    @property
    def id(self) -> str:
        """Names the vectors: the same id, the same vectors for the same text."""

    @property
    def dim(self) -> int:
        """Numbers per vector."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row per text.

        Raises:
            UserError, ProviderError: the embedder cannot be used.
        """


class Store(Protocol):
    """Vectors kept by content, such as `storage.vectors`."""

    def get_many(self, embedder_id: str, texts: Sequence[str]) -> Mapping[str, Vectors]:
        """The vectors (dim,) of those texts that are known."""

    def put_many(self, embedder_id: str, vectors: Mapping[str, Vectors]) -> None: ...


class StaticEmbedder:
    """Word vectors: the sum of a text's token vectors (WordLlama by D. L. Miller, MIT licence; 32,000 × 256).

    Read straight from the files in the installed wheel, without importing the package, whose loader asks the network.
    The vectors' lengths already say how much a token matters ("the" 1.6, "doctor" 14).
    """

    id = "wordllama-l2-supercat-256"
    dim = 256

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), np.float32)
        # Fast: without the places of tokens in the text, which take as long as finding the tokens.
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        for row, encoding in zip(rows, encodings, strict=True):
            ids = encoding.ids
            # Piece by piece: the vectors of a megabyte's tokens are 300 MB.
            for start in range(0, len(ids), _PIECE):
                row += self._table[ids[start : start + _PIECE]].sum(axis=0)
        return unit(rows)

    @cached_property
    def _table(self) -> Vectors:
        (table,) = load(_packaged(_WEIGHTS)).values()
        return np.asarray(table, np.float32)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(_packaged(_TOKENIZER).decode("utf-8"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


class EndpointEmbedder:
    """Any OpenAI-compatible embeddings endpoint, reached through a callable such as `llm.OpenAIEmbeddings.embed`."""

    def __init__(self, embed: Callable[[Sequence[str]], Sequence[Sequence[float]]], name: str, dim: int) -> None:
        """`name` should say endpoint and model; `dim` is the length of the vectors it returns."""
        self.id = f"endpoint {name} {dim}"
        self.dim = dim
        self._embed = embed

    @classmethod
    def probing(cls, embed: Callable[[Sequence[str]], Sequence[Sequence[float]]], name: str) -> "EndpointEmbedder":
        """Learn the vectors' length by embedding one word.

        Raises:
            BadReply, ProviderError
        """
        reply = embed(["hello"])
        if len(reply) != 1 or not len(reply[0]):
            raise BadReply(f"The embeddings endpoint {name!r} returned no vector; check that the model embeds texts.")
        return cls(embed, name, len(reply[0]))

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        # Endpoints refuse empty strings; a blank line stands in for them and is zeroed below.
        rows = np.asarray(self._embed([text if text.strip() else "." for text in texts]), np.float32)
        if rows.shape != (len(texts), self.dim):
            raise BadReply(
                f"{self.id!r} returned vectors of shape {rows.shape}, not {(len(texts), self.dim)}; "
                "has the model behind the name changed?"
            )
        rows[[index for index, text in enumerate(texts) if not text.strip()]] = 0.0
        return unit(rows)


class CachedEmbedder:
    """An embedder that never embeds a text twice while it remembers it: newest in memory, all in a store if given.

    Threads may share it.
    """

    def __init__(self, embedder: Embedder, store: Store | None = None, memory: int = 20_000) -> None:
        """`memory`: texts held in memory; about 1 kB each for 256 numbers."""
        self.id = embedder.id
        self.dim = embedder.dim
        self._embedder = embedder
        self._store = store
        self._memory = memory
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        wanted = dict.fromkeys(texts)
        with self._lock:
            found = {text: self._known[text] for text in wanted if text in self._known}
        found |= self._missing([text for text in wanted if text not in found])
        with self._lock:
            self._remember(found)
        return np.array([found[text] for text in texts], np.float32).reshape(len(texts), self.dim)

    def _missing(self, texts: list[str]) -> dict[str, Vectors]:
        stored = dict(self._store.get_many(self.id, texts)) if self._store and texts else {}
        new = [text for text in texts if text not in stored]
        if not new:
            return stored
        fresh = dict(zip(new, self._embedder.embed(new), strict=True))
        if self._store:
            self._store.put_many(self.id, fresh)
        return stored | fresh

    def _remember(self, found: Mapping[str, Vectors]) -> None:
        for text, vector in found.items():
            self._known[text] = vector
            self._known.move_to_end(text)
        while len(self._known) > self._memory:
            self._known.popitem(last=False)


def unit(rows: NDArray[np.float32]) -> Vectors:
    """Rows scaled to length one; zero rows stay zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0), np.float32)


def _packaged(path: str) -> bytes:
    # Finding a package does not import it; importing this one would pull in its HTTP client.
    spec = find_spec(_PACKAGE)
    try:
        (folder,) = spec.submodule_search_locations if spec and spec.submodule_search_locations else ("",)
        return (Path(folder) / path).read_bytes()
    except FileNotFoundError:
        raise Defect(
            f"{_PACKAGE!r} is not installed, or carries no {path!r}; install what pyproject.toml names."
        ) from None
