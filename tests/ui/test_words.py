"""Words and numbers as the page says them."""

from synthstudio.ui import words


def test_whole_numbers_that_a_browser_would_round_are_sent_as_text():
    fields = {"seed": 4530980948881362003, "small": 2**53 - 1, "flip": True, "rate": 1e300, "label": "9"}
    assert words.exact(fields) == {**fields, "seed": "4530980948881362003"}


def test_a_second_round_says_what_it_is_drawn_for():
    plain = words.node_words("sample", "sample.text", {"images_per_class": 15, "guidance_scale": 4})
    guided = {"images_per_class": 15, "guidance_scale": 4, "lack": "$first", "lack_strength": 5}
    assert words.node_words("practice", "sample.text", guided) == f"{plain}, where the classifier is unsure"
