"""The words of sampling beyond `terms`: prompts with more holes, guidance, where an image starts."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from synthstudio.terms import DIGEST, Slider, with_holes


def per_name(lines: tuple[str, ...]) -> dict[str, float]:
    """{'cat': 3.0} of ('cat = 3',)."""
    return {name.strip(): float(number) for name, _, number in (line.rpartition("=") for line in lines)}


def _lines(given: object) -> object:
    """Names with numbers as lines, where they come as a table."""
    return [f"{name} = {number}" for name, number in given.items()] if isinstance(given, dict) else given


def _numbered(low: float, high: float, whole: bool) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """A check of lines like 'cat = 3': every name once, every number within bounds; in order of names."""
    kind = "a whole number" if whole else "a number"

    def check(lines: tuple[str, ...]) -> tuple[str, ...]:
        found: dict[str, str] = {}
        for line in lines:
            name, _, text = (part.strip() for part in line.rpartition("="))
            number = _as_number(text)
            if not name or number is None or not low <= number <= high or (whole and number != int(number)):
                raise ValueError(f"{line[:60]!r} must be a name, = and {kind} from {low:g} to {high:g}, as in cat = 3")
            if name in found:
                raise ValueError(f"{name!r} is named twice")
            found[name] = f"{name} = {number:g}"
        return tuple(found[name] for name in sorted(found))

    return check


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sampling_prompt(text: str, info: ValidationInfo) -> str:
    """As `_prompt`, with holes for a prefix, a word of the vocabulary, a sentence, and what tables tell of a class."""
    told = ("sentence", "caption", "hypernym", "definition")
    return with_holes(text, info, ("label", "domain", "prefix", "word", *told), ("label", "sentence", "caption"))


SamplingPrompt = Annotated[
    str,
    AfterValidator(_sampling_prompt),
    Field(
        min_length=7,
        max_length=500,
        description="Prompt template; {label} is the class, {domain} a domain word, {prefix} the prefix, {word} a word "
        "of the vocabulary, {caption}, {hypernym} and {definition} what tables say; {sentence} comes from a grammar.",
    ),
]
SamplingTemplates = Annotated[
    tuple[SamplingPrompt, ...],
    Field(max_length=100, description="More prompt templates beside the first; each image draws one of all."),
]
Prefix = Annotated[
    str, Field(max_length=80, description="Words for {prefix} that suit the whole dataset: satellite, texture, …")
]
Vocabulary = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=80)], ...],
    Field(max_length=5000, description="Words for {word}, of which each image draws one."),
]
OTHERS = "*"  # in a table: every class that it does not name


def texts_of(lines: tuple[str, ...]) -> dict[str, list[str]]:
    """{'cat': ['a cat asleep']} of ('cat = a cat asleep',)."""
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, text = line.partition("=")
        found.setdefault(name.strip(), []).append(text.strip())
    return found


def _table(given: object) -> object:
    """Names with texts as lines, where they come as a table; a name may have several."""
    if not isinstance(given, dict):
        return given
    return [f"{name} = {one}" for name, some in given.items() for one in (some if isinstance(some, list) else [some])]


def _told(several: bool) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """A check of lines like 'cat = a small animal': every line has both, and every name one text or several."""

    def check(lines: tuple[str, ...]) -> tuple[str, ...]:
        for line in lines:
            name, equals, text = (part.strip() for part in line.partition("="))
            if not (name and equals and text):
                raise ValueError(f"{line[:60]!r} must be a class, = and a text, as in cat = a small animal")
        table = texts_of(lines)
        twice = [name for name, texts in table.items() if len(texts) > 1]
        if twice and not several:
            raise ValueError(f"{twice[0]!r} is named twice")
        return tuple(f"{name} = {text}" for name in sorted(table) for text in table[name])

    return check


_ClassAndText = Annotated[str, Field(max_length=600)]
Captions = Annotated[
    tuple[_ClassAndText, ...],
    Field(
        max_length=10_000,
        description="Captions of photos for {caption}, as cat = a cat asleep on a sofa; each image draws one of its "
        "class; * = … for all others.",
    ),
    AfterValidator(_told(several=True)),
    BeforeValidator(_table),
]
Hypernyms = Annotated[
    tuple[_ClassAndText, ...],
    Field(max_length=10_000, description="What kind of thing a class is, for {hypernym}, as iron = home appliance."),
    AfterValidator(_told(several=False)),
    BeforeValidator(_table),
]
Definitions = Annotated[
    tuple[_ClassAndText, ...],
    Field(max_length=10_000, description="What a class is, for {definition}, as crane = a large wading bird."),
    AfterValidator(_told(several=False)),
    BeforeValidator(_table),
]
_NameAndNumber = Annotated[str, Field(max_length=200)]
DomainShares = Annotated[
    tuple[_NameAndNumber, ...],
    Field(max_length=50, description="Turns a domain has in every round, as photo = 3; those not named have one."),
    AfterValidator(_numbered(1, 100, whole=True)),
    BeforeValidator(_lines),
]
GuidanceTo = Annotated[
    float | None,
    Field(ge=1, le=50, description="Each image draws its guidance between guidance_scale and this; none: all alike."),
]
GuidanceBegin = Annotated[
    float, Field(ge=0, lt=1, description="Share of the schedule, from noise to image, after which guidance begins.")
]
GuidanceEnd = Annotated[
    float, Field(gt=0, le=1, description="Share of the schedule after which guidance ends; then an image costs half.")
]
GuidancePerLabel = Annotated[
    tuple[_NameAndNumber, ...],
    Field(max_length=10_000, description="Guidance of single classes, as cat = 3; the others have guidance_scale."),
    AfterValidator(_numbered(1, 50, whole=False)),
    BeforeValidator(_lines),
]
StrengthTo = Annotated[
    float | None, Field(gt=0, le=1, description="Each image draws its t0 between strength and this; none: all alike.")
]
Strengths = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], ...],
    Field(max_length=20, description="Each image draws one of these t0, as 0.25, 0.5, 0.75, 1; empty: see strength."),
]
StrengthByShots = Annotated[
    bool, Field(description="t0 by the shots of a class (Real Guidance): 1 has 0.5, 2: 0.4, 4: 0.35, 8: 0.2, 16: 0.15.")
]
MixShare = Annotated[
    float,
    Field(ge=0, lt=1, description="Share of a second shot of the class, mixed into the first one's latents; 0: none."),
    Slider(0, 0.9, 0.1),
]
LackStrength = Annotated[
    float,
    Field(
        ge=0, le=1000,
        description="How hard images are pulled to where the classifier in lack is unsure; 0: not at all.",
    ),
]  # fmt: skip
VectorsOfAPhoto = Annotated[
    int, Field(ge=1, le=16, description="Vectors that hold a photo, in the place of its prompt."), Slider(3, 8, 1)
]
Interpolation = Annotated[
    float,
    Field(ge=0, le=1, description="How far a photo's vectors move towards those of another of its class; 0: not."),
    Slider(0, 0.5, 0.05),
]
VectorNoise = Annotated[
    float,
    Field(ge=0, le=2, description="Deviation of the noise that is added to the vectors; 0: none."),
    Slider(0, 0.5, 0.05),
]
Only = Annotated[
    int | None,
    Field(
        ge=0, lt=10**9, description="Make only the image of this number in the plan (from 0), as the whole run would."
    ),
]
WordsId = Annotated[
    str, Field(pattern=f"^adapter:{DIGEST}$", description="Learned words (textual inversion) beside the adapter.")
]
LackId = Annotated[
    str,
    Field(
        pattern=f"^classifier:{DIGEST}$",
        description="A classifier whose uncertainty guides images, see lack_strength; none: no such guidance.",
    ),
]
