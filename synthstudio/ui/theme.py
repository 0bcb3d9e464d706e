"""How the page looks to gradio; `assets/page/style.css` says the rest."""

import gradio as gr
from gradio.themes.utils import colors, sizes

_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


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
