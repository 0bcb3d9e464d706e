"""Textual inversion: words that a frozen model learns, stored as diffusers reads them."""

import warnings
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from synthstudio.engine import diffusion, lora
from synthstudio.engine.adapters import files, learned, merging
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.errors import BadInput
from tests.engine.drawing import QUICK, furthest, loaded, photos, trained, values
from tests.engine.test_diffusion import ROUNDING, as_bytes, pipeline_with
from tests.engine.tiny import SIZE
from tests.matrix import first_of

SHORT = Settings(guidance_scale=3.0, inference_steps=4, resolution=SIZE)
TWO = replace(QUICK, method=lora.WORDS, word="<cat>", vectors=2, learning_rate=0.1, steps=10, batch_size=4)
CAT = Request("a photo of a <cat> outside", "", 7)


@pytest.fixture(scope="module")
def plain(tiny_sd):
    return loaded(tiny_sd)


@pytest.fixture(scope="module")
def xl(tiny_sdxl):
    return loaded(tiny_sdxl)


@pytest.fixture(params=first_of(["plain", "xl"]))
def either(request):
    backbone = request.getfixturevalue(request.param)
    learned.use_words(backbone, None, ())
    merging.use_adapter(backbone, None, None, 1.0)
    return backbone


def shots(backbone, **more):
    return replace(photos(backbone, labels=("<cat>",)), **more)


def of_training(backbone, folder, recipe=TWO):
    """The file of a word."""
    folder.mkdir(exist_ok=True)
    trained(backbone, folder, recipe, shots(backbone))
    return folder / "weights.safetensors"


def weights(backbone):
    """Every weight of the model, by name."""
    return {
        f"{part}.{name.replace('.frozen', '')}": one.clone()
        for part, module in backbone.modules.items() for name, one in module.named_parameters()
    }  # fmt: skip


def test_the_loss_falls_and_nothing_but_the_words_vectors_changes(either, tmp_path):
    before = weights(either)
    training = lora.Training(either, shots(either), replace(TWO, steps=20, batch_size=8), tmp_path)
    started, first = training.flat.detach().clone(), training.probe()
    *_, last = training.run(100)
    assert last.probe < 0.998 * first and not torch.equal(training.flat, started)
    during = weights(either)
    training.close()
    assert all(torch.equal(one, during[name]) for name, one in before.items())
    assert weights(either).keys() == before.keys()


def test_a_word_begins_as_the_words_it_is_told_to_begin_as(plain, tmp_path):
    recipe = replace(TWO, initial_word="black cat")
    training = lora.Training(plain, shots(plain), recipe, tmp_path)
    as_learned = plain.embed(["a photo of a <cat> outside"])
    training.close()
    assert torch.allclose(as_learned, plain.embed(["a photo of a black cat outside"]), atol=1e-6)


def test_a_stopped_training_ends_as_an_unbroken_one(either, tmp_path):
    whole = of_training(either, tmp_path / "whole").read_bytes()
    first = lora.Training(either, shots(either), TWO, tmp_path / "stopped")
    running = first.run(100)
    for _ in range(4):
        next(running)
    running.close()
    first.close()
    assert of_training(either, tmp_path / "stopped").read_bytes() == whole


def test_each_example_is_shown_with_one_of_several_prompts(plain, tmp_path):
    several = (("a photo of a <cat>", "a drawing of a <cat>"),) * 4
    training = lora.Training(plain, shots(plain, several=several), TWO, tmp_path)
    shown = [prompt for step in range(4) for prompt in training._batch(step).prompts]
    training.close()
    assert set(shown) == set(several[0])


@pytest.mark.parametrize("vectors", [1, 3])
def test_the_plain_pipeline_reads_a_word_and_draws_the_same(either, tmp_path, vectors):
    file = of_training(either, tmp_path / "word", replace(TWO, vectors=vectors, steps=3))
    unknown = diffusion.sample(either, [CAT], SHORT)
    word = learned.read_word(file)
    learned.use_words(either, "x", [word])
    ours = diffusion.sample(either, [CAT], SHORT)
    pipe = pipeline_with(either.folder, "dpm++")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(word.vectors) == 1:
            pipe.load_textual_inversion(file.parent, weight_name=file.name)
        else:
            read = load_file(file)
            pipe.load_textual_inversion(read["clip_l"], token="<cat>")
            second = {"text_encoder": pipe.text_encoder_2, "tokenizer": pipe.tokenizer_2}
            pipe.load_textual_inversion(read["clip_g"], token="<cat>", **second)
        chance = torch.Generator().manual_seed(7)
        theirs = pipe(CAT.prompt, guidance_scale=3.0, num_inference_steps=4, generator=chance)
    assert furthest(ours[0], as_bytes(theirs.images[0])) <= ROUNDING
    assert abs(values(ours[0]) - values(unknown[0])).max() > ROUNDING


def test_a_word_and_a_lora_are_used_together(plain, tmp_path):
    word = learned.read_word(of_training(plain, tmp_path / "word"))
    low_rank = replace(QUICK, learning_rate=0.05)
    (tmp_path / "lora").mkdir()
    trained(plain, tmp_path / "lora", low_rank)
    adapter = files.read_adapter(tmp_path / "lora" / "weights.safetensors")
    made = {}
    for words in ((), (word,)):
        for one in (None, adapter):
            learned.use_words(plain, words or None, words)
            merging.use_adapter(plain, one and "lora", one, 1.0)
            made[len(words), one is None] = diffusion.sample(plain, [CAT], SHORT)[0]
    pipe = pipeline_with(plain.folder, "dpm++")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe.load_textual_inversion(tmp_path / "word", weight_name="weights.safetensors")
        pipe.load_lora_weights(tmp_path / "lora", weight_name="weights.safetensors")
        chance = torch.Generator().manual_seed(7)
        theirs = pipe(CAT.prompt, guidance_scale=3.0, num_inference_steps=4, generator=chance)
    assert len(set(made.values())) == 4
    assert furthest(made[1, False], as_bytes(theirs.images[0])) <= ROUNDING


def test_taking_words_out_restores_every_bit(either, tmp_path):
    before = diffusion.sample(either, [CAT], SHORT)
    word = learned.read_word(of_training(either, tmp_path))
    learned.use_words(either, "x", [word])
    learned.use_words(either, "y", [word, replace(word, word="<dog>")])
    learned.use_words(either, None, ())
    assert diffusion.sample(either, [CAT], SHORT) == before


def test_several_words_stand_in_one_prompt_in_any_case(plain):
    rows = {name: torch.full((count, 16), float(count)) for name, count in (("<a>", 1), ("<b>", 2))}
    learned.use_words(plain, "x", [learned.LearnedWord(name, {"text_encoder": row}) for name, row in rows.items()])
    ids = plain.tokenizer._ids("a <A> on<b>s")
    known = plain.text_encoder.get_input_embeddings().frozen.num_embeddings
    learned.use_words(plain, None, ())
    assert [one - known for one in ids if one >= known] == [0, 1, 2] and len(ids) == 6


def test_the_vectors_of_a_word_take_their_room_in_a_prompt(plain):
    many = learned.LearnedWord("<a>", {"text_encoder": torch.zeros(16, 16)})
    assert not plain.too_long("<a> " * 5)
    learned.use_words(plain, "x", [many])
    long = [plain.too_long("<a> " * times) for times in (4, 5)]
    tokens = plain.tokenizer.tokens(["<a> " * 5], plain.device)
    learned.use_words(plain, None, ())
    assert long == [False, True] and tokens.shape == (1, 77) and tokens[0, -1] == plain.tokenizer.inside.eos_token_id


def test_words_of_another_model_are_refused(plain, xl, tmp_path):
    word = learned.read_word(of_training(plain, tmp_path))
    with pytest.raises(BadInput, match="learned by another model"):
        learned.use_words(xl, "x", [word])
    with pytest.raises(BadInput, match="learned by another model"):
        learned.use_words(plain, "x", [replace(word, vectors={"text_encoder": torch.zeros(2, 9)})])
    assert xl.learned is None and plain.learned is None


def test_a_model_without_clip_says_that_it_learns_no_words(tiny_klein, tmp_path):
    klein = loaded(tiny_klein)
    with pytest.raises(BadInput, match="cannot learn words"):
        lora.Training(klein, shots(klein), TWO, tmp_path)


def test_a_file_without_a_word_is_refused(plain, tmp_path):
    trained(plain, tmp_path)
    with pytest.raises(BadInput, match="holds no learned word"):
        learned.read_word(tmp_path / "weights.safetensors")
