"""What the live tests share."""

import pytest

pytest.register_assert_rewrite("tests.studio.live.stages")


@pytest.fixture
def room(tmp_path):
    """A desk turned by hand, which leaves no note sounding when it is closed."""
    from tests.studio.live.desk_room import Room

    made = Room(tmp_path / "takes")
    yield made
    made.desk.close()
    assert not made.ear.unpaired()
