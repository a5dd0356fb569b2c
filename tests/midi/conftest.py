"""Two fake devices, one of them opened, and a clock set by hand."""

import pytest

from midi.clock import ManualClock
from midi.ports import FakeSystem, open_output


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def system():
    return FakeSystem("Grand Piano:Keys", "Drum Box:Pads")


@pytest.fixture
def output(system, clock):
    return open_output(system, "piano", clock)
