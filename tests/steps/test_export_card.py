"""The card of an exported small set."""

from synthstudio.steps.export import card


def number(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.03}


def test_the_card_of_a_small_set_holds_the_judges_numbers_and_never_those_of_another_evaluation():
    arms = [
        {"title": title, "images": 20, "unseen": {"plain": number(value), "augmented": number(value + 0.1)}}
        for title, value in (("dm", 0.4), ("class mean", 0.3))
    ]
    report = {"arms": arms, "images_per_class": 1, "test_images": 90, "unseen": ["vgg11"], "sentence": "A sentence."}
    contents = card.Contents("one", {"a": "a", "b": "b"}, {("train", "synthetic", "a"): 1}, [])
    text = card.write(contents, report)
    assert "Accuracy on 90 test images of networks trained from scratch on 1 image per class, mean over vgg11" in text
    assert "| dm | 20 | 0.500 (0.480 to 0.530) | 0.400 (0.380 to 0.430) |" in text
    assert "A sentence." in text
    assert "0 folds" not in text
