"""Which port a name means, and which ports are one device."""

import pytest

from midi.errors import UserError
from midi.ports import Direction, is_loopback, list_ports, match_port, open_output


@pytest.mark.parametrize("wanted", ["piano", "GRAND", "grand piano:keys", " keys "])
def test_a_port_is_found_by_part_of_its_name(wanted, system):
    assert match_port(wanted, system.names(Direction.INPUT), Direction.INPUT) == "Grand Piano:Keys"


def test_an_exact_name_wins_over_longer_ones_with_or_without_alsa_numbers():
    names = ("Keys 20:0", "Keys Two 24:0")
    assert match_port("keys", names, Direction.INPUT) == "Keys 20:0"
    assert match_port("Keys Two 24:0", names, Direction.INPUT) == "Keys Two 24:0"


def test_an_ambiguous_part_lists_only_what_it_fits():
    with pytest.raises(UserError, match="fits 2") as caught:
        match_port("box", ("Box A", "Box B", "Piano"), Direction.OUTPUT)
    assert "'Box A'" in str(caught.value)
    assert "Piano" not in str(caught.value)


def test_an_absent_port_lists_what_there_is(system, clock):
    with pytest.raises(UserError, match="named 'organ'") as caught:
        open_output(system, "organ", clock)
    assert "'Drum Box:Pads'" in caught.value.hint


def test_no_ports_at_all_is_said_so():
    with pytest.raises(UserError, match="none at all"):
        match_port("organ", (), Direction.INPUT)


def test_an_empty_name_fits_nothing(system):
    with pytest.raises(UserError):
        match_port("", system.names(Direction.INPUT), Direction.INPUT)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Antiphon:in", "Antiphon-01:out", True),
        ("Midi Through:Port-0 14:0", "Midi Through:Port-0 14:0", True),
        ("Keys:out", "Synth:in", False),
    ],
)
def test_loopback_is_known_by_the_device(first, second, same):
    assert is_loopback(first, second) is same


def test_list_ports_of_a_system(system):
    found = list_ports(system)
    assert found.inputs == found.outputs == ("Grand Piano:Keys", "Drum Box:Pads")
    assert (found.api, found.problem) == ("fake", None)
