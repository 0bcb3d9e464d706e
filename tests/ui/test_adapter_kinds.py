"""The kinds of adapters in the page: in the form of Adapt, and in the names of what was made."""

from synthstudio.steps.adapt.lora import Lora
from synthstudio.terms import METHODS
from synthstudio.ui.tabs import adapt, controls
from synthstudio.ui.words import adapter_words, node_words


def test_the_form_offers_every_kind_in_words():
    assert adapt._FIRST[0] == "method"
    choices = controls.control(Lora, "method").choices
    assert [value for _, value in choices] == list(METHODS)
    assert all(words.startswith(f"{METHODS[value]}: ") for words, value in choices)


def test_an_adapter_is_called_by_its_kind_and_size():
    told = [adapter_words({"method": method, "rank": 8}) for method in ("lora", "dora", "ia3")]
    assert told == ["rank 8", "DoRA, rank 8", "(IA)³"]
    assert adapter_words({"vectors": 4, "initial_word": "the"}) == "Textual inversion, 4 vectors"


def test_a_plan_names_a_kind_that_is_not_the_published_one():
    said = [node_words("adapter", "adapt.lora", {"training_steps": 9, **more}) for more in ({}, {"method": "lokr"})]
    assert ["LoKr" in line for line in said] == [False, True]
