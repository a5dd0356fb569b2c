import pygame
import pytest

from models.sequence.plan import PlannedNote, Steering
from studio.live.messages import Voice
from studio.ui.play.chords import readable
from studio.ui.play.geometry import RollGeometry
from studio.ui.play.notes import drum_row
from studio.ui.play.score import ZOOM, Score, visible
from studio.ui.theme import GHOST, PARTNER, PLAYER
from tests.studio.ui.play_fakes import FakeUi, at, drawn, idle_view, playing, replace, roll_note

SIZE = (960, 560)


def is_like(color, accent, far=100):
    return sum(abs(a - b) for a, b in zip(color[:3], accent, strict=True)) < far


@pytest.fixture
def ui():
    return FakeUi()


def show(ui, **fields):
    snapshot = playing(16.0, time_s=1.0, commit_ticks=24, lookahead_ticks=60, **fields.pop("snapshot", {}))
    ui.view = replace(idle_view(), snapshot=snapshot, **fields)
    score = Score(ui)
    return score, drawn(score, ui, SIZE)


def middle(score, from_tick, to_tick, pitch):
    roll = score.geometry()
    rect = roll.note_rect(from_tick, to_tick, pitch)
    return rect.center


def test_heard_notes_wear_the_accent_of_their_voice(ui):
    mine = roll_note(60, 340, 364)
    theirs = roll_note(67, 340, 364, voice=Voice.PARTNER)
    score, surface = show(ui, roll=(mine, theirs))
    assert is_like(surface.get_at(middle(score, 340, 364, 60)), PLAYER)
    assert is_like(surface.get_at(middle(score, 340, 364, 67)), PARTNER)
    assert not is_like(surface.get_at(middle(score, 310, 334, 60)), PLAYER)


def test_louder_notes_are_brighter(ui):
    score, surface = show(
        ui, roll=(roll_note(60, 300, 324, velocity=20), roll_note(64, 300, 324, velocity=127))
    )
    soft, loud = (surface.get_at(middle(score, 300, 324, pitch)) for pitch in (60, 64))
    assert sum(loud[:3]) > sum(soft[:3]) + 80


def test_a_sounding_note_reaches_the_now_line_and_no_further(ui):
    score, surface = show(ui, roll=(roll_note(60, 350, None),))
    y = middle(score, 350, 380, 60)[1]
    now_x = score.geometry().now_x
    assert is_like(surface.get_at((now_x - 2, y)), PLAYER)
    assert not is_like(surface.get_at((now_x + 6, y)), PLAYER)


def test_committed_notes_are_solid_and_ghosts_hollow(ui):
    solid, ghost = PlannedNote(390, 16, 60, 100, 0), PlannedNote(412, 24, 67, 100, 0)
    score, surface = show(
        ui, roll=(roll_note(50, 300, 320),), snapshot={"committed": (solid,), "ghosts": (ghost,)}
    )
    roll = score.geometry()
    inside = surface.get_at(middle(score, 390, 406, 60))
    assert inside[0] > 110
    assert inside[0] > inside[2] + 40
    hollow = roll.note_rect(412, 436, 67)
    assert surface.get_at(hollow.center)[0] < 50
    assert is_like(surface.get_at((hollow.centerx, hollow.top)), GHOST, 40)
    outline = surface.get_at((roll.note_rect(390, 406, 60).centerx, roll.note_rect(390, 406, 60).top))
    assert sum(outline[:3]) > sum(inside[:3])


def test_of_a_sounding_committed_note_only_what_is_ahead_is_planned(ui):
    note = PlannedNote(372, 48, 60, 100, 0)
    score, surface = show(ui, snapshot={"committed": (note,)}, roll=(roll_note(50, 300, 320),))
    x, y = middle(score, 372, 380, 60)
    assert not is_like(surface.get_at((x, y)), PARTNER, 150)
    assert surface.get_at(middle(score, 390, 410, 60))[0] > 110


def test_drums_stand_in_their_own_lane(ui):
    hit = roll_note(36, 348, 350, voice=Voice.PARTNER, instrument=15)
    score, surface = show(ui, roll=(hit, roll_note(60, 300, 320)))
    roll = score.geometry()
    lane = score.drum_lane(roll)
    assert lane.height > 0
    x = roll.tick_x(348)
    column = [surface.get_at((x, y)) for y in range(lane.top + 2, lane.bottom)]
    assert any(is_like(color, PARTNER) for color in column)
    in_lanes = roll.note_rect(348, 352, 36)
    assert not roll.rect.colliderect(in_lanes) or not is_like(surface.get_at(in_lanes.center), PARTNER)


def test_without_drums_there_is_no_drum_lane(ui):
    score, _ = show(ui, roll=(roll_note(60, 300, 320),))
    assert score.drum_lane(score.geometry()).height == 0
    ui.view = replace(ui.view, snapshot=replace(ui.view.snapshot, steering=Steering(instruments=(0, 15))))
    assert score.drum_lane(score.geometry()).height > 0


def test_drum_rows_go_from_kick_to_metal():
    assert [drum_row(pitch) for pitch in (36, 38, 47, 42)] == [0, 1, 2, 3]


def test_what_has_scrolled_away_is_not_drawn():
    roll = RollGeometry(pygame.Rect(0, 0, 960, 400), 96.0, 2000.0, 40.0, 10.0)
    gone, seen, held = roll_note(60, 100, 200), roll_note(60, 1900, 1990), roll_note(62, 100, None)
    gone_drum = roll_note(36, 100, 105, instrument=15)
    assert list(visible((gone, held, gone_drum, seen), roll)) == [held, seen]


def test_the_wheel_zooms_within_bounds(ui):
    score, _ = show(ui)
    for _ in range(40):
        assert score.pointer(at("wheel", 100, 100, wheel=1.0))
    assert score.zoom == ZOOM[1]
    for _ in range(60):
        score.pointer(at("wheel", 100, 100, wheel=-1.0))
    assert score.zoom == ZOOM[0]
    assert not score.pointer(at("down", 100, 100))


def test_a_standing_score_is_drawn_once(ui):
    ui.view = replace(idle_view(), roll=(roll_note(60, 0, 24),))
    score = Score(ui)
    drawn(score, ui, SIZE)
    score.is_dirty = False
    score.look(ui.view)
    assert not score.is_dirty
    ui.view = replace(ui.view, roll=(*ui.view.roll, roll_note(62, 24, None)))
    score.look(ui.view)
    assert score.is_dirty


def test_a_running_score_is_drawn_every_frame(ui):
    score, _ = show(ui, roll=(roll_note(60, 300, 320),))
    score.is_dirty = False
    score.look(ui.view)
    assert score.is_dirty


def test_the_empty_score_invites(ui):
    score = Score(ui)
    empty = drawn(score, ui, SIZE)
    bright = pygame.mask.from_threshold(empty, (232, 235, 242), (40, 40, 40))
    assert bright.count() > 200
    assert score.is_empty


def test_scrolling_moves_by_the_tempo(ui):
    score, _ = show(ui, roll=(roll_note(60, 300, 340),))
    before = score.geometry().tick_x(300)
    ui.now_s = 0.25
    drawn(score, ui, SIZE)
    assert before - score.geometry().tick_x(300) == pytest.approx(0.5 * score.beat_px, abs=1.5)


def strip_columns(surface, score):
    """Columns of the chord strip in which letters stand."""
    roll = score.geometry()
    found = set()
    for x in range(roll.rect.left, roll.rect.right):
        if abs(x - roll.now_x) > 3 and any(sum(surface.get_at((x, y))[:3]) > 330 for y in range(8, 30)):
            found.add(x)
    return found


def test_chords_heard_while_another_screen_was_open_stand_where_they_began(ui):
    score, surface = show(
        ui, roll=(roll_note(60, 300, 320),), chord="Am", chords=((288, "C"), (330, "G"), (360, "Am"))
    )
    columns = strip_columns(surface, score)
    for tick in (288, 330, 360):
        x = score.geometry().tick_x(tick)
        assert any(x <= column <= x + 14 for column in columns), tick
    empty, bare = show(ui, roll=(roll_note(60, 300, 320),))
    assert not strip_columns(bare, empty)


def test_a_chord_that_goes_on_stays_at_the_edge(ui):
    score, surface = show(ui, roll=(roll_note(60, 300, 320),), chords=((0, "Fmaj7"), (350, "C")))
    left = score.geometry().rect.left
    assert any(left <= column <= left + 40 for column in strip_columns(surface, score))


@pytest.mark.parametrize(
    ("plain", "shown"), [("C#m7b5", "C♯m7♭5"), ("Bb", "B♭"), ("Ebmaj7", "E♭maj7"), ("Bm", "Bm"), ("", "")]
)
def test_chord_names_get_real_accidentals(plain, shown):
    assert readable(plain) == shown
