"""Chorale pupils: how their pieces are made, what they are taught, and that they learn it."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from midi.errors import UserError
from models.sequence.chorale import ChoraleConfig, ChoraleModel
from models.sequence.choraleinputs import BAR_STEPS, REST, VOICES, inputs_of, shifted
from models.sequence.choralepupil import N_LIKELY, LessonConfig, Lessons, PupilTask, write_lessons
from models.sequence.network import TrunkConfig
from models.training.contract import LoopConfig
from tests.models.test_chorale import random_piece

CONFIG = ChoraleConfig(TrunkConfig(16, 1, 2, 256, 0.0), head_width=16, head_layers=1, batch=2, window=16)
PLAIN = LessonConfig(count=1, spliced=0.0, wrong=0.0, transpose=0, softness=1.0)
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])


def network(seed: int) -> ChoraleModel:
    torch.manual_seed(seed)
    return ChoraleModel(CONFIG).eval()


def in_c(seed: int, bars: int) -> np.ndarray:
    """A piece of white keys, new chords every quarter."""
    rng = np.random.default_rng(seed)
    chords = 48 + 12 * rng.integers(0, 2, (bars * 4, VOICES)) + SCALE[rng.integers(0, 7, (bars * 4, VOICES))]
    return np.repeat(chords, 4, axis=0)


def pieces_of(tmp_path, pieces, config) -> list[np.ndarray]:
    """The pieces that lessons were made of, found again by what a voice is told of its last pitch."""
    write_lessons(tmp_path / "lessons", [network(0)], pieces, config)
    lessons, rng = Lessons(tmp_path / "lessons"), np.random.default_rng(0)
    return [lessons.read(n, rng, 10_000)["categories"][1:, :, 0].astype(int) for n in range(len(lessons))]


class TestPieces:
    def test_splices_begin_as_one_piece_and_go_on_as_another_in_its_key(self, tmp_path):
        pieces = [in_c(1, 3), shifted(in_c(2, 4), 5)]
        keys = [{(int(tone) + turn) % 12 for tone in SCALE} for turn in (0, 5)]

        def splices(one: int, other: int) -> list[bytes]:
            ends = range(BAR_STEPS, len(pieces[one]) + 1, BAR_STEPS)
            rests = [shifted(pieces[other][start:], turn)
                     for start in range(0, len(pieces[other]), BAR_STEPS) for turn in (0, 5, -5)]  # fmt: skip
            return [
                np.concatenate([pieces[one][:end], rest])[:-1].tobytes() for end in ends for rest in rests
            ]

        known = {key: one for one in (0, 1) for other in (0, 1) for key in splices(one, other)}
        begun = set()
        for made in pieces_of(tmp_path, pieces, replace(PLAIN, count=30, spliced=1.0)):
            begun.add(one := known[made.tobytes()])
            assert {pitch % 12 for pitch in made.ravel().tolist()} <= keys[one]
        assert begun == {0, 1}

    def test_wrong_notes_are_whole_notes_and_rests_stay(self, tmp_path):
        piece = in_c(3, 8)
        piece[:8, 2] = REST
        (made,) = pieces_of(tmp_path, [piece], replace(PLAIN, wrong=1.0, wrong_notes=(0.3,)))
        wrong = made != piece[: len(made)]
        assert 0.15 < wrong.mean() < 0.45
        assert not wrong[:8, 2].any()
        for voice in range(VOICES):
            for start in range(0, len(made) - 4, 4):
                assert len(set(wrong[start : start + 4, voice].tolist())) == 1

    def test_every_key_and_no_more_steps_than_said(self, tmp_path):
        config = replace(PLAIN, count=120, transpose=6, most_steps=20)
        made = pieces_of(tmp_path, [in_c(1, 4)], config)
        assert {int(piece[0, 0] - in_c(1, 4)[0, 0]) for piece in made} == set(range(-6, 7))
        assert {len(piece) for piece in made} == {19}


class TestLessons:
    def test_hold_the_mean_of_what_the_teachers_expect(self, tmp_path):
        piece, teachers = random_piece(4, 12), [network(1), network(2)]
        write_lessons(tmp_path / "lessons", teachers, [piece], PLAIN)
        rows = Lessons(tmp_path / "lessons").read(0, np.random.default_rng(0), 50)
        told = inputs_of(piece)
        with torch.no_grad():
            inputs = [torch.from_numpy(array)[None] for array in (told.categories, told.histograms)]
            mean = sum(teacher(*inputs)[0].softmax(-1) for teacher in teachers) / 2
        likely = mean.topk(N_LIKELY, -1)
        np.testing.assert_array_equal(rows["categories"], told.categories)
        np.testing.assert_allclose(rows["histograms"], told.histograms, atol=1e-3)
        shares = likely.values / likely.values.sum(-1, keepdim=True)
        np.testing.assert_allclose(rows["shares"], shares.numpy(), atol=1e-3)
        found = np.take_along_axis(mean.numpy(), rows["pitches"].astype(np.int64), -1)
        np.testing.assert_allclose(found, likely.values.numpy(), atol=1e-6)

    def test_softness_evens_the_shares_out(self, tmp_path):
        for name, softness in (("plain", 1.0), ("soft", 2.0)):
            write_lessons(
                tmp_path / name, [network(1)], [random_piece(4, 12)], replace(PLAIN, softness=softness)
            )
        largest = [
            Lessons(tmp_path / name).read(0, np.random.default_rng(0), 50)["shares"][..., 0].mean()
            for name in ("plain", "soft")
        ]
        assert largest[1] < largest[0]

    def test_interrupted_they_are_not_there_and_can_be_made(self, tmp_path):
        def stop(_done, _total):
            raise KeyboardInterrupt

        folder = tmp_path / "lessons"
        with pytest.raises(KeyboardInterrupt):
            write_lessons(folder, [network(0)], [random_piece(1, 8)], PLAIN, stop)
        assert not folder.exists()
        with pytest.raises(UserError, match=r"lessons in .* cannot be read"):
            Lessons(folder)
        write_lessons(folder, [network(0)], [random_piece(1, 8)], PLAIN)
        assert len(Lessons(folder)) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["lessons"]

    @pytest.mark.skipif(sys.platform == "win32", reason="limits are of Unix")
    def test_a_full_disk_is_told_in_a_sentence(self, tmp_path):
        import resource

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            with pytest.raises(UserError, match="can't be written: File too large"):
                write_lessons(tmp_path / "lessons", [network(0)], [random_piece(1, 200)], PLAIN)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(tmp_path.iterdir()) == []


def test_a_pupil_comes_to_expect_what_its_teacher_does(tmp_path):
    teacher, pieces = network(7), [random_piece(seed, 12) for seed in range(3)]
    with torch.no_grad():
        for weight in teacher.parameters():
            weight.mul_(3.0)  # or it expects nothing in particular
    write_lessons(tmp_path / "lessons", [teacher], pieces, replace(PLAIN, count=6))
    task = PupilTask(CONFIG, network(8).train(), Lessons(tmp_path / "lessons"), [inputs_of(pieces[0])])
    source = task.source(0, 1)
    (optimizer,) = task.optimizers(LoopConfig(tmp_path, max_steps=1, learning_rate=1e-2)).values()
    batch = next(source)
    assert batch.shares[:, 12:].abs().sum() == 0
    losses = []
    for step in range(40):
        loss = task.losses("model", batch, step)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    present = batch.shares[batch.shares.sum(-1) > 0]
    least = float(-(present * present.clamp_min(1e-9).log()).sum(-1).mean())
    assert least < losses[-1] < least + 0.5 * (losses[0] - least)
