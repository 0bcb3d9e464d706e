"""How the page looks: our theme, and the files of `assets/page` that are linked from its head."""

import hashlib

import gradio as gr
from gradio.themes.utils import colors, sizes

from synthstudio.models import ASSETS

PAGE = ASSETS / "page"
_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
_SHARED = ("studio.js", "theme.js", "forms.js")  # what the other scripts build on
_SCRIPTS = (".js", ".css", ".svg")


def theme() -> gr.themes.Base:
    """Calm and dense; system fonts, so that nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue=colors.teal,
        secondary_hue=colors.teal,
        neutral_hue=colors.zinc,
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_md,
        text_size=sizes.text_md,
        font=_SANS,
        font_mono=_MONO,
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",  # white on a lighter one cannot be read
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        color_accent="*primary_700",  # text, too; the dark one stands in style.css, as gradio knows only one
        input_placeholder_color="#62666d",
        input_placeholder_color_dark="#a1a5ad",
        block_shadow="none",
        body_text_color_subdued="#62666d",  # readable on both grounds; gradio's own is too faint for text
        body_text_color_subdued_dark="#a1a5ad",
        body_background_fill="#f7f7f5",
        body_background_fill_dark="#131416",
        block_label_text_size="*text_sm",
        block_title_text_weight="500",
    )


def files() -> dict[str, str]:
    """The page's own files by name, each with a digest of its content."""
    found = sorted(path for path in PAGE.iterdir() if path.suffix in _SCRIPTS)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in found}


def head() -> str:
    """Links to the page's own styles and scripts; the digest lets a browser keep them."""
    links = [f'<link rel="icon" type="image/svg+xml" href="/studio/page/logo.svg?{files()["logo.svg"]}">']
    for name, digest in files().items():
        if name.endswith(".css"):
            links.append(f'<link rel="stylesheet" href="/studio/page/{name}?{digest}">')
    for name in sorted(files(), key=lambda one: (_SHARED.index(one) if one in _SHARED else len(_SHARED), one)):
        if name.endswith(".js"):
            links.append(f'<script defer src="/studio/page/{name}?{files()[name]}"></script>')
    return "\n".join(links)
