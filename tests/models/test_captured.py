"""The reader for GPUs says what the network itself says, however rows come and go; on a CPU uncaptured."""

import copy

import numpy as np
import pytest
import torch

from midi.events import PREDICTED
from models.graph import Replay
from models.sequence.captured import CapturedReader
from models.sequence.decode import Reader
from models.sequence.fast import open_reader
from tests.models.test_fast import CONTEXT, MODEL, Reading, logits, rows, same_logits

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


class CapturedReading(Reading):
    kind = CapturedReader


TestCapturedReading = CapturedReading.TestCase
TestCapturedReading.settings = Reading.TestCase.settings


@pytest.mark.parametrize("device", DEVICES)
def test_rows_one_by_one_give_the_same_logits(device):
    model = copy.deepcopy(MODEL).to(device)
    captured, eager, piece = CapturedReader(model), Reader(model), rows(6, CONTEXT)
    other = captured.companion()
    other.read(rows(7, 5))
    for i, row in enumerate(piece):
        for reader in (captured, eager):
            reader.append(row[None])
        if i % 7 == 3:
            same_logits(logits(captured, piece[0]), logits(eager, piece[0]))
    assert captured.room == 0
    with pytest.raises(ValueError, match="do not fit"):
        captured.append(piece[:1])
    fresh = Reader(model)
    fresh.read(rows(7, 5))
    same_logits(logits(other, piece[1]), logits(fresh, piece[1]))


def test_what_was_given_out_stays_as_it_was():
    reader = CapturedReader(MODEL)
    reader.read(rows(1, 6))
    row = reader.next_row()
    given = {field: row.of(field) for field in PREDICTED}
    kept = {field: found.copy() for field, found in given.items()}
    reader.append(rows(2, 1))
    logits(reader, rows(3, 1)[0])
    for field in PREDICTED:
        assert np.array_equal(given[field], kept[field])
        assert np.array_equal(row.of(field), kept[field])


@pytest.mark.gpu
def test_on_a_gpu_readers_are_captured():
    model = copy.deepcopy(MODEL).to("cuda")
    assert isinstance(open_reader(model), CapturedReader)
    assert type(open_reader(model, "eager")) is Reader


@pytest.mark.parametrize("device", DEVICES)
def test_a_replay_reads_what_lies_in_its_tensors_now(device):
    number = torch.ones(3, device=device)
    doubled = Replay(lambda: number * 2, torch.device(device))
    first = doubled().clone()
    number.fill_(4)
    assert first.tolist() == [2, 2, 2]
    assert doubled().tolist() == [8, 8, 8]
