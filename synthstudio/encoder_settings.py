"""What the configuration of an encoder may say, open_clip's and timm's: keys and values by allow-list. Loads nothing.

What is not named here is refused; `modelfolder` reads the files and says what was wrong with them.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_Count = Annotated[int, Field(ge=1, le=1_000_000)]
_Size = Annotated[int, Field(ge=1, le=16_384)]
_Depth = Annotated[int, Field(ge=0, le=512)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Ratio = Annotated[float, Field(gt=0, le=64)]
_Word = Annotated[str, Field(pattern=r"^[a-z0-9_]*$", max_length=40)]
# A name of timm's own table. With a colon or a slash timm would read another folder, or ask the Hub.
_TimmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=120)]
_Channels = tuple[float, float, float]


class _Part(BaseModel):
    """Unknown keys are refused: a model built without them would be another model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NormArguments(_Part):
    """Of the layer norms."""

    eps: Annotated[float, Field(gt=0, le=1)] = 1e-5


class ActivationArguments(_Part):
    """Of the activation."""

    approximate: Literal["none", "tanh"] = "none"


class _Tower(_Part):
    """What both towers have."""

    mlp_ratio: _Ratio = 4.0
    ls_init_value: float | None = None
    pool_type: _Word = "tok"
    final_ln_after_pool: bool = False
    output_tokens: bool = False
    act_kwargs: ActivationArguments | None = None
    norm_kwargs: NormArguments | None = None
    block_type: _Word | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False


class VisionTower(_Tower):
    """`vision_cfg`, as in open_clip's CLIPVisionCfg."""

    layers: _Depth | tuple[_Depth, _Depth, _Depth, _Depth] = 12
    width: _Size = 768
    head_width: _Size = 64
    patch_size: _Size | None = 16
    image_size: _Size | tuple[_Size, _Size] = 224
    patch_dropout: _Share = 0.0
    attentional_pool: bool | Literal["cascade", "parallel"] = False
    attn_pooler_queries: _Size = 256
    attn_pooler_heads: _Size = 8
    no_ln_pre: bool = False
    pos_embed_type: Literal["learnable", "sin_cos_2d"] = "learnable"
    timm_model_name: _TimmName | None = None
    timm_model_pretrained: Annotated[bool, Field(exclude=True)] = False  # never: it would fetch weights from the Hub
    timm_pool: _Word = "avg"
    timm_proj: _Word | None = "linear"
    timm_proj_bias: bool = False
    timm_drop: _Share = 0.0
    timm_drop_path: _Share | None = None


class TextTower(_Tower):
    """`text_cfg`, as in open_clip's CLIPTextCfg without what is read by transformers; the tokenizer is CLIP's own."""

    context_length: Annotated[int, Field(ge=4, le=4096)] = 77
    vocab_size: _Count = 49408
    width: _Size = 512
    heads: _Size = 8
    layers: _Depth = 12
    embed_cls: bool = False
    pad_id: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    eos_id: Annotated[int, Field(ge=0, le=1_000_000)] = 2
    no_causal_mask: bool = False
    pool_type: _Word = "argmax"
    proj_bias: bool = False
    proj_type: _Word | None = "linear"


class TextDecoder(TextTower):
    """`multimodal_cfg` of a CoCa; loaded with the model, used for nothing."""

    dim_head: _Size = 64
    n_queries: _Size = 256
    attn_pooler_heads: _Size = 8


class ClipModel(_Part):
    """`model_cfg`."""

    embed_dim: _Size
    vision_cfg: VisionTower
    text_cfg: TextTower
    multimodal_cfg: TextDecoder | None = None
    quick_gelu: bool = False
    custom_text: bool = False
    init_logit_scale: float | None = None
    init_logit_bias: float | None = None
    nonscalar_logit_scale: bool = False


class Preprocessing(BaseModel):
    """`preprocess_cfg`; what open_clip would ignore is ignored here too."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    mean: _Channels | None = None
    std: _Channels | None = None
    interpolation: Literal["bicubic", "bilinear", "random"] | None = None
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    fill_color: Annotated[int, Field(ge=0, le=255)] | None = None


class OpenClipConfig(BaseModel):
    """`open_clip_config.json`: what of it the engine builds from."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model_cfg: ClipModel
    preprocess_cfg: Preprocessing = Preprocessing()

    def written(self) -> dict[str, Any]:
        """The configuration as JSON values: nothing but what was set and is known."""
        return self.model_dump(mode="json", exclude_unset=True)


class TimmPreprocessing(BaseModel):
    """`pretrained_cfg`: how a picture becomes pixels. Where its weights came from (`url`, `hf_hub_id`) is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    input_size: tuple[Literal[3], Annotated[int, Field(ge=16, le=1024)], Annotated[int, Field(ge=16, le=1024)]] = (
        3, 224, 224,
    )  # fmt: skip
    mean: _Channels = (0.485, 0.456, 0.406)
    std: tuple[_Ratio, _Ratio, _Ratio] = (0.229, 0.224, 0.225)
    interpolation: Literal["bicubic", "bilinear", "nearest", "lanczos"] = "bicubic"
    crop_pct: Annotated[float, Field(gt=0.1, le=1)] = 0.875


class TimmArguments(_Part):
    """`model_args`: those that change the network's shape and nothing else."""

    img_size: _Size | None = None
    global_pool: _Word | None = None


class TimmConfig(BaseModel):
    """`config.json` of a timm model: a name of timm's own table, and how pictures are prepared."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    architecture: _TimmName
    num_classes: Annotated[int, Field(ge=0, le=100_000)] = 1000
    global_pool: _Word | None = None
    model_args: TimmArguments = TimmArguments()
    pretrained_cfg: TimmPreprocessing = TimmPreprocessing()

    def written(self) -> dict[str, Any]:
        """The configuration as JSON values: nothing but what is known, defaults included."""
        body = self.model_dump(mode="json", exclude_none=True)
        if (pool := body.pop("global_pool", None)) is not None:
            body["model_args"].setdefault("global_pool", pool)
        return body

    @property
    def size(self) -> int:
        """The side of the square pictures it is shown, in pixels."""
        return self.pretrained_cfg.input_size[1]
