"""What the page's own modules know, asked from a test: they are the very ones that the page has imported."""

from synthstudio.ui.scripts import address


def inside(module: str, expression: str) -> str:
    """A function to evaluate in the page: `expression` is about `it`, a module of `assets/page`, and about `given`."""
    return f"async (given) => {{ const it = await import('{address(module)}'); return {expression}; }}"
