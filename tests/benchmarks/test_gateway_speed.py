"""The table of the gateway's speed in the docs comes from what the benchmark prints."""

import importlib.util
import json
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_is_filled_from_a_log() -> None:
    spec = importlib.util.spec_from_file_location("gateway_speed", DOCS / "gateway_speed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    growing = {"cpu_ms": 0.25, "per_second": 2600.4, "p50_ms": 12.0}
    figures = {
        "start": {"ready_s": 1.04, "resident_mb": 79.6},
        "growing bare": growing,
        "growing ours": growing,
        "growing litellm": {**growing, "cpu_ms": 10.75},
        "streams ours": {"cpu_ms": 1.5, "per_second": 60.0},
        "start litellm": {"ready_s": 7.4, "resident_mb": 344.0},
    }
    log = "a table\n" + json.dumps({"figures": figures, "litellm": "1.2.3", "quick": False})
    page = module.filled((DOCS / "gateway.md").read_text(encoding="utf-8"), log)
    assert "| `preceptor serve` | 0.25 | 2,600 | 12.0 | 1.50 | 60 | 1.0 | 80 |\n" in page
    assert "| LiteLLM's proxy 1.2.3 | 10.75 | 2,600 | 12.0 | – | – | 7.4 | 344 |\n" in page
    assert "| bare pass-through | 0.25 | 2,600 | 12.0 | – | – | – | – |\n" in page
    assert "Not measured yet" not in page
    # Measured again, it is written over.
    assert module.filled(page, log) == page
