"""Never late: five minutes at 120 bpm with the shipped partner, its process killed twice."""

import pytest

from studio.partners import find_partner
from tests.live.never_late import perform

SECONDS = 300.0
GOAL_ISR = 0.99

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 120)]


def test_five_minutes_are_never_late_though_the_model_dies_twice(tmp_path, record_property):
    if find_partner(None) is None:
        pytest.skip("no partner is installed (`make train-starters`)")
    found = perform(tmp_path, seconds=SECONDS, kills=2)
    for name, value in found.items():
        record_property(name, value)
    assert found["killed"] == found["model_restarts"] == 2
    assert found["isr"] >= GOAL_ISR
    assert found["scheduled_in_past"] == found["hanging_notes"] == found["unpaired_notes"] == 0
    # Every key of the file was played, and is heard from the very next block's first frame on.
    assert found["keys_in_block"] == found["player_notes"] > 300
    assert found["key_blocks"] <= 1
    assert found["keys_off_block_start"] == 0
    assert found["partner_notes"] > 300
