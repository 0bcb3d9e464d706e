"""What must be set before gradio is imported: nothing leaves this machine, nothing we do not use is on."""

import os
from pathlib import Path

_SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Gradio sums up its past events after each event; with its defaults that grows to several ms per click.
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000",
    "GRADIO_ANALYTICS_MAX_EVENTS": "50",
}


def prepare(home: Path) -> None:
    """Set gradio's environment; its temporary files go below the home, not into a folder that all users share."""
    os.environ.update(_SETTINGS)
    os.environ.pop("GRADIO_VIBE_MODE", None)
    os.environ["GRADIO_TEMP_DIR"] = str(Path(home).absolute() / "tmp" / "gradio")
