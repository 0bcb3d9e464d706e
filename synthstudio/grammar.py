"""Sentences about a class, without a language model: an offline grammar.

It stands in for the word-to-sentence models that papers use (He et al. 2023, arXiv:2210.07574): it knows nothing of the
class, so that many of its sentences fit badly, and a filter has to follow. What is made with it says so.
"""

NAME = "offline grammar"
_BEFORE = ("a", "one", "a single", "a small", "a large", "a plain", "an old", "a new")
_HOW = (
    *("lying on", "standing on", "in front of", "next to", "seen through", "held over", "leaning against"),
    *("in the shadow of", "half hidden by", "placed on"),
)
_WHAT = (
    *("a wooden table", "a stone wall", "green grass", "a window", "a busy street", "a white sheet", "dry leaves"),
    *("a brick house", "wet sand", "a garden path", "a shelf", "a carpet", "a blue sky", "a crowd", "an empty room"),
)
_WHEN = (
    *("in the morning", "at noon", "at dusk", "at night", "on a cloudy day", "in bright sunlight", "under a lamp"),
    *("in winter", "in the rain", "from above", "from close by", "from far away"),
)
COUNT = len(_BEFORE) * len(_HOW) * len(_WHAT) * len(_WHEN)


def sentence(name: str, luck: float) -> str:
    """One of `COUNT` sentences about what is called so; `luck` in [0, 1) chooses."""
    number = int(luck * COUNT)
    chosen = []
    for words in (_BEFORE, _HOW, _WHAT, _WHEN):
        number, place = divmod(number, len(words))
        chosen.append(words[place])
    before, how, what, when = chosen
    return f"{before} {name} {how} {what} {when}"
