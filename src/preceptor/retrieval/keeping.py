"""What was fitted, on disk: so that a start need not fit again.

A file holds arrays and names (safetensors: nothing in it is executed), after a digest of them. It is named by
everything that the fit depends on: the guidance's scenarios, the embedder, this package's version, `FORMAT`. A file
that is damaged, or another's, is as good as none.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preceptor.library.model import Guidance
from preceptor.retrieval.asking import Lens
from preceptor.retrieval.calibration import Calibration
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.features import Vocabulary, Weights
from preceptor.retrieval.known import Known
from preceptor.retrieval.matcher import Matcher
from preceptor.retrieval.scoring import Compiled
from preceptor.retrieval.sparse import Sparse
from preceptor.retrieval.windows import Reader
from preceptor.storage.canonical import content_hash

FORMAT = 3
"""To be raised with every change of what is fitted or how it is used."""
MOST = 8
"""Files kept, the latest used."""
_SUFFIX = ".fitted"
_DIGEST = 32
Arrays = dict[str, NDArray[Any]]


class Fitted:
    """A folder of what was fitted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, guidance: Guidance, embedder: Embedder) -> Matcher | None:
        """What was fitted to a library's scenarios with this embedder; None: nothing that can be used."""
        name = _name(guidance, embedder.id)
        path = self._folder / name
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with suppress(OSError):  # a folder that may only be read serves as well
            os.utime(path)
        body = memoryview(data)[_DIGEST:]
        if blake2b(body, digest_size=_DIGEST).digest() != data[:_DIGEST]:
            return None
        with suppress(ValueError, KeyError, TypeError, IndexError, UnicodeDecodeError):
            return _opened(bytes(body), name, embedder)
        return None

    def put(self, guidance: Guidance, embedder: Embedder, matcher: Matcher) -> None:
        """Keep a matcher. One of a library too large for a classifier on all of it is not kept, nor is anything that
        the disk has no place for."""
        name = _name(guidance, embedder.id)
        body = _packed(matcher, name)
        if body is None:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            beside = self._folder / f"{name}.{os.getpid()}"
            try:
                beside.write_bytes(blake2b(body, digest_size=_DIGEST).digest() + body)
                beside.replace(self._folder / name)
            finally:
                beside.unlink(missing_ok=True)
            for old in sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: -path.stat().st_mtime)[MOST:]:
                old.unlink()


def _name(guidance: Guidance, embedder: str) -> str:
    scenarios = sorted((s.id, s.description, [c.key for c in s.examples]) for s in guidance.scenarios)
    depends = [FORMAT, version("preceptor"), embedder, guidance.false_injections, guidance.foreign, scenarios]
    return content_hash(depends)[:32] + _SUFFIX


def _packed(matcher: Matcher, name: str) -> bytes | None:
    from safetensors.numpy import save

    fitted = {"first": matcher.first, "scorer": matcher.scorer}
    arrays: Arrays = {"idf": matcher.lens.vocabulary.idf, "common": matcher.lens.vocabulary.common}
    for part, one in fitted.items():
        if one is None:
            continue
        if not isinstance(one, Compiled):
            return None
        arrays |= {f"{part}.{key}": value for key, value in _arrays(one).items()}
    weights = matcher.weights
    about = {
        "name": name,
        "labels": matcher.labels,
        "words": list(matcher.reader.words),
        "telling": sorted(matcher.reader.telling or ()),
        "calibration": [matcher.calibration.threshold, matcher.calibration.temperature],
        "weights": [weights.windows, weights.lexical, weights.opening, weights.history],
    }
    # Told as numbers, because what stands beside arrays in such a file is only text.
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return save({key: np.ascontiguousarray(value) for key, value in arrays.items()})


def _opened(body: bytes, name: str, embedder: Embedder) -> Matcher:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(body)
    except SafetensorError as fault:
        raise ValueError from fault
    about = json.loads(arrays["about"].tobytes())
    if about["name"] != name:
        raise ValueError(name)
    windows, lexical, opening, history = about["weights"]
    lens = Lens(Vocabulary(arrays["idf"], arrays["common"]), Weights(tuple(windows), lexical, opening, history))
    words, labels = {word: number for number, word in enumerate(about["words"])}, tuple(about["labels"])
    if arrays["idf"].shape[1] != len(words) + 1 or arrays["scorer.by_label"].shape[0] != len(labels):
        raise ValueError(name)
    return Matcher(
        labels,
        embedder.id,
        Calibration(*about["calibration"]),
        _compiled(arrays, "first.") if "first.order" in arrays else None,
        _compiled(arrays, "scorer."),
        Reader(embedder, words, telling=frozenset(about["telling"])),
        lens,
    )


def _arrays(one: Compiled) -> Arrays:
    known = one.known
    return {
        "order": known.order,
        "plain": known.plain,
        "other": known.other,
        "more": known.more,
        "ends": known.words.ends,
        "columns": known.words.columns,
        "values": known.words.values,
        "by_label": one.by_label,
        "members": one.members,
        "begins": one.begins,
    }


def _compiled(arrays: Mapping[str, NDArray[Any]], part: str) -> Compiled:
    order, plain, other, more, ends, columns, values, by_label, members, begins = (
        arrays[part + key]
        for key in ("order", "plain", "other", "more", "ends", "columns", "values", "by_label", "members", "begins")
    )
    known = Known(order, plain, other, more, Sparse(ends, columns, values, len(order)))
    return Compiled(known, by_label, members, begins)
