"""What the page's own modules know, asked from a test: they are the very ones that the page has imported."""

from synthstudio.ui.scripts import address


def inside(module: str, expression: str) -> str:
    """A function to evaluate in the page: `expression` is about `it`, a module of `assets/page`, and about `given`."""
    return f"async (given) => {{ const it = await import('{address(module)}'); return {expression}; }}"


def wait_inside(page, module: str, expression: str, given: object = None, **how: float) -> None:
    """Wait until `expression` holds: of what is asked again and again, a promise would pass for true."""
    it = page.evaluate_handle("(address) => import(address)", address(module))
    page.wait_for_function(f"([it, given]) => {expression}", arg=[it, given], **how)
