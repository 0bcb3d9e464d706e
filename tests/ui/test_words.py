"""Words and numbers as the page says them."""

from synthstudio.ui import words


def test_whole_numbers_that_a_browser_would_round_are_sent_as_text():
    fields = {"seed": 4530980948881362003, "small": 2**53 - 1, "flip": True, "rate": 1e300, "label": "9"}
    assert words.exact(fields) == {**fields, "seed": "4530980948881362003"}
