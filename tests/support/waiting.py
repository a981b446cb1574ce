"""What tests wait for while a run goes on."""

from __future__ import annotations

import json
from pathlib import Path


def begun(manifest: Path) -> bool:
    """Whether a run knows where its records begin in the topic: from then on it sends."""
    return manifest.exists() and json.loads(manifest.read_text(encoding="utf-8"))["begin_offsets"] is not None
