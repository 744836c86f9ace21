"""Everything locked is installed from wheels on each Python and machine that we name: nobody needs a compiler."""

import pytest

from tests.wheels import PLATFORMS, PYTHONS, SOURCES, environment, locked, pinned, recorded, tags_of


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS, ids=str)
def test_each_locked_library_has_a_wheel(python: tuple[int, int], platform: str) -> None:
    names, system, machine = PLATFORMS[platform]
    tags, wheels = tags_of(python, names), recorded()
    asked = environment(python, system, machine)
    needed = [one for one in locked() if one.marker is None or one.marker.evaluate(dict(asked))]
    assert len(needed) > 40
    without = [str(one) for one in needed if one.name not in SOURCES and not tags & wheels[pinned(one)]]
    assert not without, f"`make lock` found no wheel for Python {python} on {platform}"
