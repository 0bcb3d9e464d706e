"""Why images were rejected: what is told, what one press rejects, what one undo takes back, what is sampled again."""

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog.decisions import Act
from synthstudio.catalog.review import Query
from synthstudio.cause_terms import Condition
from synthstudio.errors import BadInput
from synthstudio.jobs.curating import causes, refill
from synthstudio.jobs.running.log import EventLog
from synthstudio.steps.sample.variation import Variation
from tests.catalog.projects import opened, tables
from tests.jobs.reviewed import BACKBONE, decide, found, sampled, until, words

CARTOON = (Condition(field="domain", text="cartoon"),)
CATALOG = "projects/default/catalog.duckdb"
HOSTILE = "<img src=x onerror=alert(1)>'; drop table acts; --"


@pytest.fixture
def studio(tmp_path):
    with opened(tmp_path) as one:
        yield one


def query(studio, **filters):
    return studio.catalog.review.settle(Query(**filters))


def told(studio, **filters):
    return [one.conditions for one in causes.found(studio, query(studio, **filters))]


def review(studio, rows, bad, upto=None):
    """Walk through the first images: reject the bad ones, keep every other one."""
    walked = list(rows.items())[:upto]
    decide(studio.catalog, "reject", [digest for digest, row in walked if bad(row)])
    decide(studio.catalog, "keep", [digest for digest, row in walked[::2] if not bad(row)])


def test_a_sentence_says_what_rejects_share_and_how_many_pending_images_are_left(studio):
    rows = sampled(studio.catalog, words())
    review(studio, rows, lambda row: row.domain == "cartoon", 90)
    (cause,) = causes.found(studio, query(studio))
    assert cause.conditions == CARTOON and cause.pending == 30
    assert cause.sentence == "100 % of rejects share domain = cartoon; 0 % of the rest do."


def test_what_nobody_came_to_is_not_compared(studio):
    rows = sampled(studio.catalog, words(images_per_class=400))
    decide(studio.catalog, "reject", list(rows)[:60:3])  # every third image of the first class: every first domain
    seen = studio.catalog.made_with.looked_at(query(studio))
    assert len(seen.numbers) == 58 and told(studio) == [(Condition(field="domain", text="photo"),)]
    assert not any(one.field == "label" for cause in told(studio) for one in cause)


def test_the_view_says_in_which_order_images_were_passed_by(studio):
    rows = sampled(studio.catalog, words(images_per_class=400))
    decide(studio.catalog, "reject", [list(rows)[0], list(rows)[799]])
    assert len(studio.catalog.made_with.looked_at(query(studio)).numbers) == 2
    near = query(studio, sort="shuffled")
    places = studio.catalog.review.page(near, 0, 80)
    decide(studio.catalog, "reject", [places[0]["digest"], places[79]["digest"]])
    assert len(studio.catalog.made_with.looked_at(query(studio, sort="shuffled")).numbers) >= 80


def test_a_branch_is_rejected_without_what_people_decided_and_comes_back_with_one_undo(studio):
    rows = sampled(studio.catalog, words())
    cartoons = {digest for digest, row in rows.items() if row.domain == "cartoon"}
    kept, moved, gone = sorted(cartoons)[:3]
    decide(studio.catalog, "keep", [kept])
    decide(studio.catalog, "relabel", [moved])
    decide(studio.catalog, "reject", [gone])
    before = studio.catalog.decisions.standing()
    outcome = causes.reject(studio, query(studio), CARTOON, "me", tab="grid")
    assert outcome.changed == len(cartoons) - 3
    assert found(studio.catalog, standings=("rejected",)) == cartoons - {kept, moved}
    (branch,) = causes.standing(studio)
    assert (branch.act, branch.says, branch.standing) == (outcome.id, "domain = cartoon", len(cartoons) - 3)
    lines = (studio.workspace.root / "journal.jsonl").read_text().splitlines()
    assert sum(outcome.id in line for line in lines) == 1
    studio.catalog.decisions.decide([Act("undo", "grid", undoes=outcome.id)], "me")
    assert studio.catalog.decisions.standing() == before and causes.standing(studio) == []
    studio.catalog.decisions.decide([Act("redo", "grid", undoes="undo")], "me")
    assert [one.act for one in causes.standing(studio)] == ["redo"]


def test_a_branch_is_that_of_its_view_and_never_a_test_image(studio):
    rows = sampled(studio.catalog, words())
    held = next(digest for digest, row in rows.items() if row.domain == "cartoon" and row.label == "cat")
    studio.catalog.images.add_set(ImageSet.of("test", [Member("cat", held)]), "r1")
    causes.reject(studio, query(studio, labels=("cat",)), CARTOON, "me")
    mine = {d for d, row in rows.items() if row.domain == "cartoon" and row.label == "cat"} - {held}
    assert found(studio.catalog, standings=("rejected",)) == mine


def test_a_rejected_branch_proves_nothing(studio):
    rows = sampled(studio.catalog, words())
    review(studio, rows, lambda row: row.domain == "cartoon", 90)
    (before,) = causes.found(studio, query(studio))
    causes.reject(studio, query(studio), CARTOON, "me")
    (after,) = causes.found(studio, query(studio))
    assert (after.rule.hits, after.rule.rest, after.pending) == (before.rule.hits, before.rule.rest, 0)


def test_a_catalog_that_is_made_again_knows_what_was_rejected_as_a_whole(tmp_path):
    with opened(tmp_path) as studio:
        folder = studio.workspace.run_folder("r1")
        folder.mkdir(parents=True)
        rows = sampled(studio.catalog, words(), log=EventLog(folder))
        review(studio, rows, lambda row: row.domain == "cartoon", 90)
        causes.reject(studio, query(studio), CARTOON, "me")
        before, known = tables(studio.catalog), causes.standing(studio)
        assert known
    (tmp_path / CATALOG).unlink()
    with opened(tmp_path) as studio:
        after = tables(studio.catalog)
        assert {name: after[name] for name in ("acts", "decisions", "review")} == {
            name: before[name] for name in ("acts", "decisions", "review")
        }
        assert causes.standing(studio) == known


def test_templates_and_words_that_images_drew_are_causes_too(studio):
    step = words(
        prompt="a photo of a {label}", templates=("a {word} toy {label}", "a plush {label}"), domains=(),
        vocabulary=("red", "blue", "green"), images_per_class=300,
    )  # fmt: skip
    rows = sampled(studio.catalog, step)
    review(studio, rows, lambda row: row.prompt.startswith("a plush"), 300)
    plush = (Condition(field="template", text="a plush {label}"),)
    assert told(studio) == [plush]
    causes.reject(studio, query(studio), plush, "me")
    expected = {digest for digest, row in rows.items() if row.prompt.startswith("a plush")}
    assert found(studio.catalog, standings=("rejected",)) == expected
    green = (Condition(field="word", text="green"),)
    causes.reject(studio, query(studio), green, "me")
    expected |= {d for d, row in rows.items() if "green" in row.prompt} - found(studio.catalog, standings=("accepted",))
    assert found(studio.catalog, standings=("rejected",)) == expected


def test_hostile_words_are_words(studio):
    rows = sampled(studio.catalog, words(domains=("photo", HOSTILE)))
    review(studio, rows, lambda row: row.domain == HOSTILE, 60)
    (cause,) = causes.found(studio, query(studio))
    assert cause.conditions[0].text == HOSTILE and HOSTILE in cause.sentence
    causes.reject(studio, query(studio), cause.conditions, "me")
    assert found(studio.catalog, standings=("rejected",)) == {d for d, row in rows.items() if row.domain == HOSTILE}


def test_nothing_is_told_of_photos_of_few_rejects_and_of_an_empty_view(studio):
    assert told(studio) == []
    rows = sampled(studio.catalog, words())
    decide(studio.catalog, "reject", list(rows)[:4])
    assert told(studio) == [] and told(studio, labels=("owl",)) == []


def again(studio, *conditions, **filters):
    return refill.without(studio, query(studio, **filters), conditions).step.fields


def test_a_domain_is_left_out_and_as_many_images_are_asked_for_as_were_rejected(studio):
    rows = sampled(studio.catalog, words(domain_shares=("cartoon = 3",)))
    review(studio, rows, lambda row: row.domain == "cartoon" and row.label == "cat")
    rejected = len(found(studio.catalog, standings=("rejected",)))
    filled = refill.without(studio, query(studio), CARTOON)
    fields = filled.step.fields
    assert (fields["domains"], fields["domain_shares"]) == (["photo", "sketch"], [])
    assert (fields["labels"], fields["images_per_class"]) == (["cat"], rejected)
    assert fields["seed"] != 0 and filled.says.startswith(f"{rejected} images without domain = cartoon")


def test_what_else_was_rejected_as_a_whole_is_left_out_too(studio):
    sampled(studio.catalog, words())
    causes.reject(studio, query(studio), CARTOON, "me")
    high = Condition(field="guidance_scale", op="at_least", number=7.0, beyond=6.9)
    causes.reject(studio, query(studio), [high], "me")
    fields = again(studio, high)
    assert (fields["guidance_scale"], fields["guidance_to"], fields["domains"]) == (1.0, 6.9, ["photo", "sketch"])


@pytest.mark.parametrize(
    ("given", "condition", "left"),
    [
        ({}, {"field": "guidance_scale", "op": "at_most", "number": 2.0, "beyond": 2.5}, {"guidance_scale": 2.5}),
        (
            {"guidance_to": None, "guidance_scale": 9.0},
            {"field": "guidance_scale", "op": "at_least", "number": 9.0, "beyond": 4.0},
            {"guidance_scale": 4.0, "guidance_to": None},
        ),
        (
            {"guidance_per_label": ("cat = 8", "dog = 2")},
            {"field": "guidance_scale", "op": "at_least", "number": 8.0, "beyond": 7.5},
            {"guidance_per_label": ["cat = 7.5", "dog = 2"], "guidance_to": 7.5},
        ),
        ({}, {"field": "label", "text": "dog"}, {"labels": ["cat"]}),
        (
            {"prompt": "a {caption}", "domains": (), "captions": ("* = one", "* = two")},
            {"field": "caption", "text": "one"},
            {"captions": ["* = two"]},
        ),
        (
            {"templates": ("a {label}",), "domains": ("photo", "sketch")},
            {"field": "template", "text": "a {domain} of a {label}"},
            {"prompt": "a {label}", "templates": [], "domains": []},
        ),
    ],
    ids=["low guidance", "one guidance", "guidance of a class", "a class", "a caption", "the first template"],
)
def test_a_form_goes_as_far_as_it_may_without(given, condition, left):
    fields = refill.left_out(words(**given).fields, Condition(**condition))
    assert {name: fields[name] for name in left} == left
    words(**fields)  # it can be asked for


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"strength": 0.2, "strength_to": 0.9}, (0.2, 0.6, ())),
        ({"strengths": (0.25, 0.5, 1.0)}, (0.5, None, (0.25, 0.5))),
        ({"strength_by_shots": True}, (0.6, None, ())),
        ({"strength": 0.9}, (0.6, None, ())),
    ],
)
def test_t0_ends_below_the_bound(given, left):
    step = Variation(backbone=BACKBONE, labels=("cat",), sources="set:" + "0" * 64, **given)
    high = Condition(field="strength", op="at_least", number=0.7, beyond=0.6)
    found = Variation(**refill.left_out(step.fields, high))
    assert (found.strength, found.strength_to, found.strengths) == left


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "run", "text": "r1"}, {"field": "domain", "text": "oil painting"}, {"field": "word", "text": "red"},
        {"field": "strength", "op": "at_least", "number": 0.5, "beyond": 0.4},
    ],
)  # fmt: skip
def test_what_a_form_cannot_leave_out_is_refused_in_a_sentence(studio, condition):
    rows = sampled(studio.catalog, words())
    decide(studio.catalog, "reject", list(rows))
    with pytest.raises(BadInput, match=r"\.$"):
        refill.without(studio, query(studio), [Condition(**condition)])


def test_the_only_domain_cannot_be_left_out(studio):
    rows = sampled(studio.catalog, words(domains=("cartoon",)))
    decide(studio.catalog, "reject", list(rows)[:9])
    with pytest.raises(BadInput, match="There is nothing but domain = cartoon"):
        refill.without(studio, query(studio), CARTOON)


def test_images_drawn_until_enough_were_accepted_tell_their_words_and_are_sampled_again_without_filters(studio):
    step = until(prompt="a photo of a {label}", templates=("a sketch of a {label}",), domains=())
    rows = sampled(studio.catalog, step)
    review(studio, rows, lambda row: "sketch" in row.prompt)
    (cause,) = causes.found(studio, query(studio))
    assert cause.conditions == (Condition(field="template", text="a sketch of a {label}"),)
    again = refill.without(studio, query(studio), cause.conditions).step
    assert again.kind == "sample.text" and again.templates == () and again.prompt == "a photo of a {label}"
