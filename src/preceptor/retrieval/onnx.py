"""A sentence encoder from a model folder, run by onnxruntime (extra ``onnx``): no torch, no hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from preceptor.errors import NotFound, UserError
from preceptor.retrieval.embedding import Vectors, unit
from preceptor.storage.canonical import short_id

BATCH = 32
"""Most texts a call; larger ones gain little on a processor and cost memory."""
KNOWN = {"input_ids", "attention_mask", "token_type_ids"}
"""What an encoder may ask for."""
PADDED = 1.25
"""How much longer than a call's shortest text its longest may be: on a processor, padding takes as long as words."""


class OnnxEmbedder:
    """Mean pooling over an encoder's token vectors, unit length.

    Of a text that is too long the *end* is kept: in a conversation the newest words say most, and tokenizers drop them
    by default.
    """

    def __init__(self, folder: Path, most_tokens: int = 256) -> None:
        """`folder` holds ``model.onnx`` (or ``onnx/model.onnx``) and ``tokenizer.json``.

        Raises:
            NotFound: a file is not there.
            UserError: the extra is not installed, or the model is not an encoder of token ids.
        """
        model = _first(folder, "model.onnx", "onnx/model.onnx")
        self._tokenizer = _tokenizer(_first(folder, "tokenizer.json"), most_tokens)
        self._session = _session(model)
        self._inputs = {given.name for given in self._session.get_inputs()}
        if not {"input_ids", "attention_mask"} <= self._inputs <= KNOWN:
            raise UserError(f"{str(model)!r} is no text encoder: it takes {sorted(self._inputs)}.")
        self.dim = int(self._run(["dimension"]).shape[1])
        stat = model.stat()
        self.id = short_id(
            "onnx", [folder.resolve().name, stat.st_size, most_tokens, self._run(["fingerprint"]).tolist()]
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), np.float32)
        # Those of a length together: a short one would be padded, and cost as much as the longest.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for few in _alike(order, texts):
            rows[few] = self._run([texts[place] for place in few])
        return rows

    def _run(self, texts: Sequence[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([e.ids for e in encoded], np.int64)
        mask = np.array([e.attention_mask for e in encoded], np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (tokens, *_) = self._session.run(None, {name: given[name] for name in self._inputs})
        if tokens.ndim != 3:
            raise UserError(f"The model's first output has shape {tokens.shape}, not texts × tokens × numbers.")
        shares = mask[:, :, None].astype(np.float32)
        return unit((tokens * shares).sum(axis=1) / np.maximum(shares.sum(axis=1), 1))


def _alike(order: Sequence[int], texts: Sequence[str]) -> list[list[int]]:
    """Texts, given from the shortest to the longest, in calls of like lengths."""
    calls: list[list[int]] = []
    for place in order:
        if not calls or len(calls[-1]) == BATCH or len(texts[place]) > PADDED * len(texts[calls[-1][0]]):
            calls.append([])
        calls[-1].append(place)
    return calls


def _first(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise NotFound(f"{str(folder)!r} holds no {names[0]}; point retrieval.folder at an exported encoder.")


def _tokenizer(path: Path, most_tokens: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as fault:  # its own exceptions have no class of theirs
        raise UserError(f"{str(path)!r} cannot be read as a tokenizer: {' '.join(str(fault).split())}.") from None
    tokenizer.enable_truncation(most_tokens, direction="left")
    tokenizer.enable_padding()
    return tokenizer


def _session(model: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UserError("The onnx embedder needs onnxruntime: pip install 'preceptor[onnx]'.") from None
    options = onnxruntime.SessionOptions()
    # A short text gains nothing from threads that wait for each other; several callers have threads of their own.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # It would keep what the longest call so far needed, for each thread.
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as fault:  # onnxruntime's own exceptions share no base class
        raise UserError(f"{str(model)!r} cannot be loaded: {' '.join(str(fault).split())}.") from None
