"""What the values of a scorer mean: what they answer, where they end and which way is better.

A scorer declares its `Scale`; the page, its forms and the manual read it there.
"""

from typing import Literal, NamedTuple


class Scale(NamedTuple):
    """What a value says, in a phrase; which way is better; where values end, None where they do not.

    `order`: what an order by the score is called that shows the worst first, where it has a name of its own. Its values
    are then what is lost by leaving an image undecided, so that they may be summed.
    """

    says: str
    better: Literal["higher", "lower"]
    low: float | None = None
    high: float | None = None
    order: str = ""

    @property
    def span(self) -> str:
        """'0 to 1', 'from 0', or nothing."""
        if self.low is None:
            return "" if self.high is None else f"up to {self.high:g}"
        return f"from {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"

    @property
    def sentence(self) -> str:
        """'How sure the eye is …. 0 to 1, higher is better.'"""
        way = f"{self.better} is better"
        if self.order:
            way = f"decide on the {'lowest' if self.better == 'higher' else 'highest'} first"
        return f"{self.says[0].upper()}{self.says[1:]}. {f'{self.span}, {way}' if self.span else way.capitalize()}."

    @property
    def worst_first(self) -> Literal["score_low", "score_high"]:
        """The order of Review that shows the worst first."""
        return "score_low" if self.better == "higher" else "score_high"
