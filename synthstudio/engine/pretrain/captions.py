"""What a picture is called: templates over names, and for glyphs the words that are true of their look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthstudio.engine.pretrain.names import other_names

PLAIN = "a photo of a {}"
TEMPLATES = (PLAIN, PLAIN, PLAIN, "a picture of a {}", "a small photo of a {}", "a {}", "{}", "an image of a {}")
NOUNS = ("photo", "photo", "picture", "image")
GLYPH_TEMPLATES = (*TEMPLATES, "a drawing of a {}")
DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Caption:
    """A caption, the name it is about, and the style words it claims."""

    text: str
    name: str
    claims: frozenset[str] = frozenset()

    def fits(self, name: str, looks: frozenset[str]) -> bool:
        """Whether it is true of a picture of `name` that looks like `looks`."""
        return self.name == name and self.claims <= looks


def looks_of(look: str | None) -> frozenset[str]:
    """Style words of a pool row."""
    return frozenset(look.split("|")) - {""} if look else frozenset()


def glyph_names(name: str) -> tuple[str, ...]:
    """The bare name most often, as an app's class folders have it."""
    if name.isdigit():
        return (
            name,
            name,
            name,
            name,
            DIGIT_WORDS[int(name)],
            f"digit {name}",
            f"number {name}",
            f"handwritten digit {name}",
        )
    return (name, name, name, f"letter {name}", f"letter {name}")


def glyph_caption(name: str, looks: frozenset[str], rng: np.random.Generator) -> Caption:
    """Half of the captions claim some of the look."""
    names = [n for n in glyph_names(name) if "handwritten" not in n or "handwritten" in looks]
    said = names[rng.integers(len(names))]
    claims = {"handwritten"} if "handwritten" in said else set()
    if looks and rng.random() < 0.5:
        words = sorted(looks)
        chosen = {words[i] for i in rng.permutation(len(words))[: rng.integers(1, len(words) + 1)]}
        before = sorted(w for w in chosen - claims if " " not in w)
        after = sorted(w for w in chosen if " " in w)
        said = " ".join([*before, said, *after])
        claims |= chosen
    return Caption(GLYPH_TEMPLATES[rng.integers(len(GLYPH_TEMPLATES))].format(said), name, frozenset(claims))


def caption(name: str, look: str | None, rng: np.random.Generator) -> Caption:
    """A random true caption. `look` is None for photographs."""
    if look is not None:
        return glyph_caption(name, looks_of(look), rng)
    return Caption(TEMPLATES[rng.integers(len(TEMPLATES))].format(name), name)


def photo_caption(name: str, setting: str, rng: np.random.Generator) -> Caption:
    """A caption that in three of ten cases says another name, and in half of them some of the setting's words."""
    others = other_names(name)
    said = others[rng.integers(len(others))] if others and rng.random() < 0.3 else name
    words = sorted(looks_of(setting))
    if not words or rng.random() < 0.5:
        return Caption(TEMPLATES[rng.integers(len(TEMPLATES))].format(said), name)
    chosen = [words[i] for i in sorted(rng.permutation(len(words))[: rng.integers(1, len(words) + 1)])]
    before = [word for word in chosen if not word.startswith("on ")]
    after = [word for word in chosen if word.startswith("on ")]
    text = " ".join(["a", *before, NOUNS[rng.integers(len(NOUNS))], "of a", said, *after])
    return Caption(text, name, frozenset(chosen))


def rich_caption(name: str, look: str | None, setting: str, rng: np.random.Generator) -> Caption:
    """A random true caption of a glyph by its look, of a photograph by its setting."""
    return photo_caption(name, setting, rng) if look is None else glyph_caption(name, looks_of(look), rng)
