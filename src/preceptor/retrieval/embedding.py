"""Texts to vectors: one small protocol, and the embedded default that needs neither torch nor a hub nor a server.

An embedder's `id` names everything its vectors depend on; caches and thresholds are keyed by it.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

# Most of a gateway's memory, were it loaded where words alone decide.
if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import Model

from preceptor.errors import BadReply, Defect

Vectors = NDArray[np.float32]
"""n × dim, float32, each row of length one (or zero where the text says nothing)."""

_PIECE = 4_096
"""Tokens whose vectors are looked up at a time."""
_PACKAGE = "wordllama"
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_WORD = 64
"""Characters of the longest word that is remembered: what is longer is hardly met again."""
_SPACE = "▁"
"""How the tokenizer writes a space."""
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


class LexicalEmbedder:
    """No vectors at all: words alone decide what is alike. Needs neither word vectors nor their tokenizer."""

    id = "lexical"
    dim = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), 0), np.float32)


class StaticEmbedder:
    """Word vectors: the sum of a text's token vectors (WordLlama by D. L. Miller, MIT licence; 32,000 × 256).

    Read straight from the files in the installed wheel, without importing the package, whose loader asks the network;
    vectors are left in their file until they are needed.
    The vectors' lengths already say how much a token matters ("the" 1.6, "doctor" 14).
    """

    id = "wordllama-l2-supercat-256"
    dim = 256

    def __init__(self, memory: int = 32_768) -> None:
        """`memory`: words whose tokens are remembered; some 200 bytes each."""
        self._memory = memory
        self._tokens: dict[str, list[int]] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            ids = self._ids(text)
            # Piece by piece: the vectors of a megabyte's tokens are 300 MB.
            for start in range(0, len(ids), _PIECE):
                row += self._table[ids[start : start + _PIECE]].sum(axis=0, dtype=np.float32)
        return unit(rows)

    def _ids(self, text: str) -> list[int]:
        words = text.split(" ")
        # No token reaches across a single space, so a text's tokens are its words'. Runs of spaces are tokens, and what
        # looks like a control token is one.
        if "" in words or "<" in text or _SPACE in text:
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        known = self._tokens
        return [token for word in words for token in (known.get(word) or self._of_word(word))]

    def _of_word(self, word: str) -> list[int]:
        if len(self._tokens) >= self._memory:
            self._tokens = {}
        # The model without its tokenizer around it: a tenth of the time.
        found = [token.id for token in self._model.tokenize(_SPACE + word)]
        if len(word) <= _WORD:
            self._tokens[word] = found
        return found

    @cached_property
    def _table(self) -> NDArray[np.float16]:
        # As it lies in the file (format: a length, that much JSON, numbers), so that pages nobody needs are never read.
        path = _packaged(_WEIGHTS)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            (about,) = json.loads(file.read(length)).values()
        offset, shape = 8 + length + about["data_offsets"][0], tuple(about["shape"])
        return np.memmap(path, np.float16, "r", offset, shape)

    @cached_property
    def _model(self) -> "Model":
        model: Model = self._tokenizer.model
        return model

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(_packaged(_TOKENIZER).read_text("utf-8"))
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


def _packaged(path: str) -> Path:
    # Finding a package does not import it; importing this one would pull in its HTTP client.
    spec = find_spec(_PACKAGE)
    (folder,) = spec.submodule_search_locations if spec and spec.submodule_search_locations else ("",)
    found = Path(folder) / path
    if not found.is_file():
        raise Defect(f"{_PACKAGE!r} is not installed, or carries no {path!r}; install what pyproject.toml names.")
    return found
