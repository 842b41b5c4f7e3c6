"""An encoder small enough to be written by hand: a table of word vectors, looked up."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from preceptor.errors import NotFound, UserError
from preceptor.retrieval.onnx import OnnxEmbedder

TABLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
WORDS = {"[PAD]": 0, "card": 1, "train": 2, "stolen": 3}
FLOAT, INT64 = 1, 7


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + varint(value // 128)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def part(field: int, body: bytes | str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor_of(name: str, kind: int, sizes: tuple[str | int, ...]) -> bytes:
    """onnx.proto's ValueInfoProto; a size that is a name is free."""
    each = (part(2, size) if isinstance(size, str) else number(1, size) for size in sizes)
    shape = b"".join(part(1, dimension) for dimension in each)
    return part(1, name) + part(2, part(1, number(1, kind) + part(2, shape)))


def encoder(inputs: tuple[str, ...] = ("input_ids", "attention_mask")) -> bytes:
    """onnx.proto's ModelProto: the rows of `TABLE` for the token ids."""
    gather = part(1, "table") + part(1, inputs[0]) + part(2, "tokens") + part(4, "Gather")
    table = number(1, 4) + number(1, 3) + number(2, FLOAT) + part(8, "table") + part(9, TABLE.tobytes())
    given = b"".join(part(11, tensor_of(name, INT64, ("texts", "tokens"))) for name in inputs)
    graph = part(1, gather) + part(2, "lookup") + part(5, table) + given
    graph += part(12, tensor_of("tokens", FLOAT, ("texts", "tokens", 3)))
    return number(1, 8) + part(7, graph) + part(8, number(2, 13))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[PAD]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.onnx").write_bytes(encoder())
    return tmp_path


def test_texts_are_pooled_without_their_padding_and_scaled(folder: Path) -> None:
    embedder = OnnxEmbedder(folder)
    rows = embedder.embed(["card", "card stolen train train", ""])
    assert embedder.dim == 3
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[1, 0, 0], np.array([1, 2, 1]) / np.sqrt(6), [0, 0, 0]], atol=1e-6)
    assert embedder.embed([]).shape == (0, 3)


def test_of_a_long_text_the_end_is_kept(folder: Path) -> None:
    np.testing.assert_allclose(OnnxEmbedder(folder, most_tokens=2).embed(["card card stolen stolen"]), [[0, 0, 1]])


def test_many_texts_are_the_same_as_one_by_one(folder: Path) -> None:
    embedder = OnnxEmbedder(folder)
    texts = [" ".join(["card", "train", "stolen"][: 1 + at % 3]) for at in range(70)]
    np.testing.assert_allclose(embedder.embed(texts), np.vstack([embedder.embed([text]) for text in texts]), atol=1e-6)


def test_the_id_names_what_the_vectors_depend_on(folder: Path) -> None:
    assert OnnxEmbedder(folder).id == OnnxEmbedder(folder).id
    assert OnnxEmbedder(folder).id != OnnxEmbedder(folder, most_tokens=2).id


def test_what_is_no_encoder_is_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(encoder(("pixels",)))
    with pytest.raises(UserError, match=r"no text encoder: it takes \['pixels'\]"):
        OnnxEmbedder(folder)
    (folder / "model.onnx").write_bytes(encoder(("input_ids", "attention_mask", "position_ids")))
    with pytest.raises(UserError, match=r"no text encoder: it takes .*position_ids"):
        OnnxEmbedder(folder)
    (folder / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(UserError, match="cannot be loaded"):
        OnnxEmbedder(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(NotFound, match=r"holds no model\.onnx"):
        OnnxEmbedder(folder)


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_text("{")
    with pytest.raises(UserError, match=r"tokenizer\.json' cannot be read as a tokenizer: "):
        OnnxEmbedder(tmp_path)
