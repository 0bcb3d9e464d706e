import pytest

from tests.campaign import damage
from tests.campaign.attacks import NEEDS_A_DISK, carry_out, kept
from tests.campaign.world import LIGHT, World, kinds_without_a_link

_QUICK = ("log", "catalog", "journal", "artifact", "kill data", "decisions on a full disk",
          "fuzz pictures", "fuzz archives", "fuzz tables", "fuzz words")  # fmt: skip
_LIGHT_KILLS = tuple(f"kill {name}" for name in LIGHT)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("campaign"), LIGHT)


def test_every_kind_of_step_is_attacked():
    assert kinds_without_a_link() == []


@pytest.mark.parametrize(
    ("name", "seed"),
    [(name, "test") for name in _QUICK]
    + [(name, seed) for name, seed in kept() if name in _QUICK or name.startswith(_LIGHT_KILLS)],
)
def test_an_attack_does_no_harm(world, name, seed):
    if name in NEEDS_A_DISK and not damage.can_mount():
        pytest.skip("mounting a disk needs root")
    assert carry_out(name, seed, world).harm == ""
