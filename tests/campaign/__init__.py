"""Attacks on a project, its files and its page, each with one question: was anything lost, doubled or harmed?

Every attack is a function of a `World` and of a random generator, so a seed repeats it. `tests/benchmarks/campaign.py`
makes rounds of them for as long as it is told to; `test_campaign.py` makes one round of the quick ones, and again
whatever `kept.json` remembers to have done harm.
"""
