"""Typing keys: every note that begins ends, whatever is pressed, shifted or lost in between."""

from hypothesis import given
from hypothesis import strategies as st

from studio.ui.typingkeys import (
    HIGH_ROW,
    LOW_ROW,
    OCTAVE_KEYS,
    PLAYING,
    VELOCITY_KEYS,
    Press,
    Release,
    TypingKeys,
)

SPACE, ESCAPE, F1, TAB, ENTER = 44, 41, 58, 43, 40
DEEDS = st.one_of(
    st.tuples(st.just("down"), st.sampled_from([*sorted(PLAYING), SPACE])),
    st.tuples(st.just("up"), st.sampled_from([*sorted(PLAYING), SPACE])),
    st.tuples(st.just("adjust"), st.sampled_from(sorted(OCTAVE_KEYS | VELOCITY_KEYS))),
    st.tuples(st.just("lost"), st.just(0)),
)


@given(st.lists(DEEDS, max_size=80), st.integers(0, 8), st.integers(1, 127))
def test_every_note_begins_once_and_ends_once(deeds, octave, velocity):
    keys = TypingKeys(octave, velocity)
    sounding = set()

    def take(what):
        if isinstance(what, Press):
            assert 0 <= what.pitch <= 127
            assert 1 <= what.velocity <= 127
            assert what.pitch not in sounding
            sounding.add(what.pitch)
        elif isinstance(what, Release):
            sounding.remove(what.pitch)

    for deed, scancode in deeds:
        if deed == "down":
            take(keys.down(scancode))
        elif deed == "up":
            take(keys.up(scancode))
        elif deed == "adjust":
            assert keys.adjust(scancode)
        else:
            for release in keys.release_all():
                take(release)
        assert set(keys.held) == sounding
    for release in keys.release_all():
        take(release)
    assert not sounding


def test_rows_are_a_piano():
    keys = TypingKeys(octave=4)
    z, s, x, q, two, slash = 29, 22, 27, 20, 31, 56
    assert [keys.down(key).pitch for key in (z, s, x, two, slash)] == [60, 61, 62, 73, 76]
    # Q is the C that the low row's comma plays too.
    assert keys.down(q) == Press(72, keys.velocity)
    assert keys.down(54) is None
    assert keys.up(q) is None
    assert keys.up(54) == Release(72)
    assert sorted(LOW_ROW.values()) == list(range(17))
    assert sorted(HIGH_ROW.values()) == list(range(12, 29))


def test_a_held_note_ends_where_it_began():
    keys = TypingKeys(octave=4)
    assert keys.down(29) == Press(60, 88)
    assert keys.adjust(48)
    assert keys.octave == 5
    assert keys.up(29) == Release(60)
    assert keys.down(29) == Press(72, 88)


def test_no_key_has_two_meanings():
    groups = [
        set(LOW_ROW),
        set(HIGH_ROW),
        set(OCTAVE_KEYS),
        set(VELOCITY_KEYS),
        {SPACE, ESCAPE, F1, TAB, ENTER},
    ]
    assert sum(len(group) for group in groups) == len(set().union(*groups))


def test_velocity_and_octave_stay_in_range():
    keys = TypingKeys(octave=8, velocity=127)
    for _ in range(20):
        keys.adjust(46)
        keys.adjust(48)
    assert (keys.velocity, keys.octave) == (127, 8)
    # Beyond the highest MIDI note nothing sounds, and nothing must be released.
    assert keys.down(19) is None
    assert keys.up(19) is None
    for _ in range(30):
        keys.adjust(45)
        keys.adjust(47)
    assert (keys.velocity, keys.octave) == (8, 0)
