"""The vocabulary. Each word of the field is declared once, with its range and its help.

A step only chooses a default. `Slider` says how wide a control should be: taste, not validity.
"""

import re
import string
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

MAX_LABEL = 120
MAX_WORDS = 200


@dataclass(frozen=True)
class Slider:
    """The comfortable range of a number, for a form; values outside it may still be valid."""

    low: float
    high: float
    step: float


@dataclass(frozen=True)
class Names:
    """Marks a field that names something by digest, so that such fields are found by their type."""

    what: str


def one_line(text: str) -> str:
    """A text of strangers as one line: NFC, no control characters, single spaces; '' where nothing is visible."""
    kept = "".join(" " if unicodedata.category(c).startswith("Z") else c for c in unicodedata.normalize("NFC", text))
    kept = "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") or c in "\u200d")
    return " ".join(kept.split())


def clean_label(text: str) -> str:
    """A class name as one line; ValueError says what is wrong."""
    name = one_line(text)
    if not name:
        raise ValueError("a class name is empty; give the class a name of at least one visible character")
    if len(name) > MAX_LABEL:
        raise ValueError(f"the class name {name[:40]!r}… has {len(name)} characters; shorten it to {MAX_LABEL}")
    return name


def clean_words(text: str) -> str:
    """What images are looked for by, as one line; ValueError says what is wrong."""
    words = one_line(" ".join(text.split()))  # what was pasted may have tabs and lines between its words
    if not words:
        raise ValueError("write at least one word of what the images should show")
    if len(words) > MAX_WORDS:
        raise ValueError(f"these words have {len(words)} characters; shorten them to {MAX_WORDS}")
    return words


def fill(template: str, label: str, domain: str = "", **more: str) -> str:
    """A prompt from its template; `more` are the words of other holes. Nothing is evaluated: all other braces stay."""
    words = {"label": label, "domain": domain, **more}
    return re.sub(r"\{(\w+)\}", lambda hole: words.get(hole[1], hole[0]), template)


def _prompt(text: str, info: ValidationInfo) -> str:
    """The template itself; ValueError unless its only braces are {label} and {domain}, plainly."""
    return with_holes(text, info, ("label", "domain"))


def with_holes(text: str, info: ValidationInfo, holes: tuple[str, ...], naming: tuple[str, ...] = ("label",)) -> str:
    """The template itself; ValueError unless its only braces are these holes, plainly, and one of `naming` is there.

    It is read, never formatted: `{label:>3000000000}` would be three gigabytes and `{label.__class__}` a look inside.
    What an earlier version stored is taken as it is, for `fill` leaves what it does not know.
    """
    if (info.context or {}).get("stored"):
        return text
    if not any(f"{{{hole}}}" in text for hole in naming):
        raise ValueError("a prompt needs {label}, the place where the class name goes")
    if not _plain_braces(text, holes):
        *first, last = (f"{{{hole}}}" for hole in holes)
        raise ValueError(f"only {', '.join(first)} and {last} may stand in braces, just as they are written here")
    return text


def _plain_braces(text: str, holes: tuple[str, ...]) -> bool:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return False
    plain = all(name in (*holes, None) and not (form or turned) for _, name, form, turned in parts)
    # `{{` is a brace to a formatter and two to a reader; `{label:}` and its like are what is left over.
    return plain and not set("{}") & set(re.sub("|".join(rf"\{{{hole}\}}" for hole in holes), "", text))


Label = Annotated[
    str, Field(max_length=10_000, description="A class name; plain text, never a path."), AfterValidator(clean_label)
]
Labels = Annotated[tuple[Label, ...], Field(min_length=1, max_length=10_000, description="The classes, in order.")]

Words = Annotated[
    str, Field(max_length=1000, description="What images should show, in a few words."), AfterValidator(clean_words)
]

Verdict = Literal["keep", "reject", "relabel", "clear"]  # what a person decides about an image; clear takes it back

DatasetFormat = Annotated[
    Literal["imagefolder", "webdataset", "kohya", "coco", "fiftyone", "csv"],
    Field(
        description="imagefolder: for datasets and torchvision; webdataset: tar shards; kohya: to train a LoRA; "
        "coco: its JSON; fiftyone: a classification dataset; csv: one table."
    ),
]

DIGEST = "[0-9a-f]{64}"
PoolId = Annotated[str, Field(pattern=f"^pool:{DIGEST}$", description="Imported images, not yet split.")]
ImageSetId = Annotated[str, Field(pattern=f"^set:{DIGEST}$", description="A frozen list of images; never test images.")]
TestSetId = Annotated[
    str, Field(pattern=f"^test:{DIGEST}$", description="Untouched real images; only evaluate reads them.")
]
AdapterId = Annotated[str, Field(pattern=f"^adapter:{DIGEST}$", description="A trained adapter, or one per class.")]
ClassifierId = Annotated[str, Field(pattern=f"^classifier:{DIGEST}$", description="A trained classifier.")]
ScoresId = Annotated[str, Field(pattern=f"^scores:{DIGEST}$", description="One scorer's numbers for a set of images.")]
ReportId = Annotated[str, Field(pattern=f"^report:{DIGEST}$", description="An evaluation report.")]
DecisionsId = Annotated[
    str, Field(pattern=f"^decisions:{DIGEST}$", description="What people had decided at a moment, image by image.")
]
SourceId = Annotated[
    str, Field(pattern=r"^source:([0-9a-f]{64}|digits)$", description="The digest of the files to import.")
]
ModelRef = Annotated[
    str,
    Field(
        pattern=r"^[^@\s]+@[0-9a-f]{12,64}$",
        max_length=400,
        description="A model folder: its name @ the digest of its content.",
    ),
    Names("model"),
]

Shots = Annotated[
    int | None,
    Field(ge=1, le=10_000, description="Real images per class the method may see; none: all that are not held out."),
    Slider(1, 50, 1),
]
Fold = Annotated[
    int, Field(ge=0, le=999, description="Which few-shot draw, counted from 0 (what people read counts from 1).")
]
Seed = Annotated[int, Field(ge=0, lt=2**63, description="Start of all randomness of this step.")]
Fraction = Annotated[float, Field(gt=0, lt=1, description="A share between 0 and 1.")]

Prompt = Annotated[
    str,
    AfterValidator(_prompt),
    Field(min_length=7, max_length=500, description="Prompt template; {label} is the class, {domain} a domain word."),
]
NegativePrompt = Annotated[str, Field(max_length=500, description="What guidance moves away from.")]
Domains = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=80)], ...],
    Field(max_length=50, description="Domain words for {domain}, shared evenly: photo, drawing, sketch, …"),
]
GuidanceScale = Annotated[
    float,
    Field(
        ge=1,
        le=50,
        description="Classifier-free guidance: how hard images are pulled to the prompt. 1: not at all, varied; "
        "2: for training data; 7: all alike.",
    ),
    Slider(1, 10, 0.5),
]
Strength = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        description="SDEdit's t0: how much of the source is noised away. 0.3: close to it; 0.7: only its layout; "
        "1: forgets it.",
    ),
    Slider(0.1, 1, 0.05),
]
InferenceSteps = Annotated[int, Field(ge=1, le=1000, description="Denoising steps per image."), Slider(1, 100, 1)]
Sampler = Annotated[
    Literal["dpm++", "dpm++sde", "unipc", "ddim", "ddpm", "euler", "euler_a", "heun", "pndm", "lcm", "own"],
    Field(
        description="The solver of the reverse process. own: the checkpoint's; lcm: for models made for few steps; "
        "heun asks the model twice a step."
    ),
]
ImagesPerClass = Annotated[
    int, Field(ge=1, le=1_000_000, description="Synthetic images made per class."), Slider(1, 500, 1)
]
Templates = Annotated[
    tuple[Prompt, ...],
    Field(max_length=100, description="More prompt templates beside `prompt`; each image is shown or made with one."),
]
AdapterScale = Annotated[
    float, Field(ge=0, le=2, description="Weight of the adapter at sampling; 0: the frozen model."), Slider(0, 1, 0.05)
]

Scope = Annotated[
    Literal["dset", "cls", "image"],
    Field(
        description="One adapter for all classes (dset), one per class (cls), or one per image (image): sampling fuses "
        "two of a class."
    ),
]
METHODS = {  # what each is called
    "lora": "LoRA",
    "rslora": "rsLoRA",
    "pissa": "PiSSA",
    "olora": "OLoRA",
    "dora": "DoRA",
    "loha": "LoHa",
    "lokr": "LoKr",
    "oft": "OFT",
    "vera": "VeRA",
    "ia3": "(IA)³",
}
FUSED_METHODS = frozenset({"lora", "rslora", "pissa", "olora"})  # plain products, which may be added up
LOW_RANK_METHODS = frozenset({"lora", "rslora", "pissa", "olora", "dora"})  # one LoRA file holds them
ABOUT = {  # choices that need more than their name, as forms offer them
    "dset": "One for all classes",
    "cls": "One per class",
    "image": "One per photo",
    "lora": "LoRA: two small matrices a layer",
    "rslora": "rsLoRA: LoRA that keeps its strength at a high rank",
    "pissa": "PiSSA: LoRA started from the largest parts of the weights",
    "olora": "OLoRA: LoRA started from orthogonal parts of the weights",
    "dora": "DoRA: LoRA with direction and size trained apart (slow)",
    "loha": "LoHa: a product of two LoRAs, higher rank at the same size",
    "lokr": "LoKr: a Kronecker product, small files",
    "oft": "OFT: rotates the weights",
    "vera": "VeRA: shared random matrices, very small files",
    "ia3": "(IA)³: scales what layers give, the smallest files",
}
Method = Annotated[
    Literal["lora", "rslora", "pissa", "olora", "dora", "loha", "lokr", "oft", "vera", "ia3"],
    Field(
        description="How the adapter changes the weights. LoRA is the published choice and the fastest; VeRA and (IA)³ "
        "make the smallest files and want a higher learning rate."
    ),
]
TEXTUAL_INVERSION = "textual_inversion"  # an adapter that is words the model has learned
INVERTED_VECTORS = "inverted_vectors"  # an adapter that is vectors of every photo
ADAPTERS = {**METHODS, TEXTUAL_INVERSION: "Textual inversion", INVERTED_VECTORS: "Diffusion Inversion"}
Vectors = Annotated[
    int,
    Field(ge=1, le=16, description="Vectors that a learned word has; more hold more, and take room in the prompt."),
    Slider(1, 8, 1),
]
InitialWord = Annotated[
    str, Field(min_length=1, max_length=80, description="What a learned word begins as: a plain word of the model.")
]
Rank = Annotated[
    int,
    Field(ge=1, le=512, description="Rank r: how much an adapter can change. The block size of OFT; (IA)³ has none."),
    Slider(2, 64, 2),
]
Alpha = Annotated[
    float, Field(gt=0, le=1024, description="The update is scaled by alpha / rank. OFT, VeRA and (IA)³ have none.")
]
Targets = Annotated[
    Literal["attention", "all"],
    Field(
        description="Layers that are adapted: attention (as in the paper), or convolutions and linear layers too. "
        "PiSSA, OLoRA, OFT and VeRA leave convolutions as they are."
    ),
]
TrainingSteps = Annotated[
    int | None, Field(ge=1, le=1_000_000, description="Optimiser updates; none: use epochs."), Slider(50, 5000, 50)
]
Epochs = Annotated[float, Field(gt=0, le=100_000, description="Passes over the images, when training_steps is none.")]
LearningRate = Annotated[float, Field(gt=0, le=1, description="Peak learning rate of AdamW.")]
WeightDecay = Annotated[float, Field(ge=0, le=10, description="Decoupled weight decay of AdamW.")]
WarmupSteps = Annotated[int, Field(ge=0, le=100_000, description="Steps of linear warm-up before the cosine.")]
TrainingBatch = Annotated[int, Field(ge=1, le=4096, description="Images per optimiser update.")]
Resolution = Annotated[
    int | None, Field(ge=16, le=4096, description="Side of the square images in pixels; none: the backbone's own size.")
]
PromptDropout = Annotated[
    float, Field(ge=0, lt=1, description="Share of training examples shown without their prompt, which helps guidance.")
]
MinSnrGamma = Annotated[
    float | None, Field(gt=0, le=100, description="Min-SNR weighting of the timesteps; none: all weigh the same.")
]
Representativeness = Annotated[
    float, Field(ge=0, le=1, description="Minimax: pull towards the least alike photo; 0: off, published 0.002.")
]
Diversity = Annotated[
    float, Field(ge=0, le=1, description="Minimax: push from the most alike earlier image; 0: off, published 0.008.")
]
Crop = Annotated[
    Literal["random", "centre", "pad"],
    Field(description="How a photo becomes square: random crop, centre crop or padding."),
]
RealWeight = Annotated[
    float, Field(ge=0, le=1, description="λ: weight of the real loss when real and synthetic are mixed.")
]
Dropout = Annotated[float, Field(ge=0, lt=1, description="Dropout inside the LoRA branches.")]
Augmentation = Annotated[
    Literal["none", "light", "strong"],
    Field(description="none: resize only; light: crops (and flips where safe); strong: also colour, grey, blur."),
]
Flip = Annotated[
    bool, Field(description="Also show mirrored images. Only where a mirror image keeps its class, not for digits.")
]
Views = Annotated[
    int,
    Field(ge=0, le=1000, description="Augmented views drawn once per image and reused; 0: a fresh one every step."),
]
Depth = Annotated[
    int | None,
    Field(ge=1, le=1000, description="How many of the last blocks of the image tower are trained; none: all of them."),
]
Penalty = Annotated[
    float | None,
    Field(
        gt=0, le=1e6,
        description="L2 penalty that holds a probe near its start; smaller trusts the images; none: cross-validated.",
    ),
]  # fmt: skip
Prior = Annotated[
    Literal["text", "none"],
    Field(description="text: the probe starts from the class names where the encoder knows words; none: from 0."),
]
TrainingUpdates = Annotated[
    int,
    Field(ge=1, le=1_000_000, description="Optimiser updates; the same for every arm of a comparison."),
    Slider(50, 2000, 50),
]

TrainedPart = Annotated[
    Literal["head", "blocks", "all"],
    Field(description="What of a network is trained: its head only, its last blocks too, or all of it."),
]
Blocks = Annotated[int, Field(ge=1, le=1000, description="How many of the last blocks are trained.")]
Mix = Annotated[
    Literal["none", "mixup", "cutmix"],
    Field(description="Train on mixtures of two images: faded into each other, or one cut into the other."),
]
MixAlpha = Annotated[float, Field(gt=0, le=10, description="Beta(α, α) draws the shares of a mixture; 1: any alike.")]

PerClass = Annotated[int, Field(ge=1, le=10_000, description="Images kept or made per class."), Slider(1, 50, 1)]
Rule = Annotated[
    Literal["random", "herding", "k_center", "k_means", "class_mean", "mean_latent"],
    Field(description="How a few images stand for a class: four ways to choose, and two kinds of mean."),
]
Architecture = Annotated[
    Literal["convnet", "alexnet", "resnet18", "vgg11", "vit"],
    Field(description="A small network trained from scratch; the depth of convnet follows the image size."),
]
ImageSize = Annotated[
    int, Field(ge=8, le=256, description="Side in pixels at which small networks see the images."), Slider(16, 64, 16)
]
Width = Annotated[
    int, Field(ge=4, le=512, description="Channels of convnet; every network is scaled alike, 128 as published."),
    Slider(16, 128, 16),
]  # fmt: skip
ExpertsId = Annotated[
    str, Field(pattern=f"^experts:{DIGEST}$", description="Networks trained on real images, epoch by epoch.")
]
Operations = Annotated[
    tuple[Literal["color", "crop", "cutout", "flip", "scale", "rotate"], ...],
    Field(
        max_length=50, description="Augmentations, one drawn per step; flip only where a mirror image keeps its class."
    ),
]
