"""The peers' table but for speed: what is compared, counted, and said of what is missing."""

import json
import sys
from contextlib import ExitStack

import pytest
import torch

from midi.events import FIELD_SIZES, PREDICTED
from models.sequence.decode import Reader
from models.sequence.fast import FastReader
from models.sequence.network import EventModel, EventModelConfig, TrunkConfig
from tests.bench import peers
from tests.bench.__main__ import merged
from tests.bench.figures import alone, compared, medians
from tests.bench.peer import inner_width
from tests.bench.peers import Peer, Rival, counted, late_rows, rivals_of, weights_of_a_row
from tests.bench.rows import gpu_figures, random_rows

PRETENDER = """
import json, sys
print(json.dumps({"version": "1.2", "parameters": 4_000_000, "asked": json.loads(sys.argv[4])}), flush=True)
for line in sys.stdin:
    print(json.dumps({"row_s": {"generate": 0.01, "query_feed": 0.02}[line.strip()]}), flush=True)
"""


@pytest.fixture
def model():
    torch.manual_seed(0)
    return EventModel(EventModelConfig(TrunkConfig(width=16, layers=2, heads=2, context=32), 8)).eval()


@pytest.fixture
def pretender(tmp_path):
    """A command that answers as a peer does."""
    file = tmp_path / "pretender.py"
    file.write_text(PRETENDER)
    return [sys.executable, "-S", str(file)]


def test_rivals_write_a_token_for_each_predicted_column_and_fill_the_same_context(
    model, pretender, monkeypatch
):
    start = peers.Peer
    monkeypatch.setattr(peers, "Peer", lambda _command, name, spec: start(pretender, name, spec))
    with ExitStack() as stack:
        six, four, *notochord = rivals_of(model, "any", stack)
    assert [r.peer.name for r in notochord] == ["notochord"] * 2
    asked = six.peer.facts["asked"]
    assert asked["tokens"] == len(PREDICTED) == 6
    assert asked["vocabulary"] == sum(FIELD_SIZES[field] for field in PREDICTED)
    assert asked["parameters"] == sum(p.numel() for p in model.parameters())
    assert "6 tokens a row" in six.note
    assert f"{6 * 32} tokens of context" in six.note
    assert four.peer.facts["asked"]["tokens"] == 4
    assert {r.limit for r in (six, four)} == {0.3}
    assert {r.limit for r in notochord} == {0.5}


@pytest.mark.parametrize("tokens", [4, 6])
def test_their_network_has_as_many_parameters_as_ours(tokens):
    spec = {
        "width": 256,
        "layers": 4,
        "vocabulary": 443,
        "rows": 512,
        "parameters": 4_317_499,
        "tokens": tokens,
    }
    inner = inner_width(spec)
    # GPT-2: two tables, then in a block four square matrices, two of the inner width, biases and norms.
    block = 4 * 256**2 + 2 * 256 * inner + (4 * 256 + inner + 256) + 4 * 256
    total = (443 + tokens * 512) * 256 + 4 * block + 2 * 256
    assert total == pytest.approx(spec["parameters"], rel=0.01)


def test_a_peer_that_is_not_installed_is_named_with_the_line_that_installs_it():
    bare = [sys.executable, "-S"]  # without the folder of installed packages
    with Peer(bare, "notochord", {}) as peer:
        figure = Rival(peer, "query_feed", "Notochord query + feed", 0.5, "").figure("row", 0.001, None)
    assert "--no-deps notochord" in peer.missing
    assert figure.ok is None
    assert "missing" in figure.line()
    assert "not installed (No module named 'torch'); pip install" in figure.line()


def test_an_interpreter_that_is_not_there_is_named(tmp_path):
    with Peer([str(tmp_path / "python")], "huggingface", {}) as peer:
        pass
    assert peer.missing == f"{tmp_path / 'python'}: No such file or directory"


def test_a_peer_that_breaks_is_no_rival(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(1)")
    with Peer([sys.executable, "-S", str(broken)], "huggingface", {}) as peer:
        pass
    assert "ended before it answered" in peer.missing


def test_what_a_peer_prints_is_not_taken_for_an_answer(tmp_path):
    (tmp_path / "torch.py").write_text(
        "__version__ = '0'\ninference_mode = manual_seed = set_num_threads = print\nprint('hello')"
    )
    (tmp_path / "notochord.py").write_text("print('hello too')\nraise ImportError('no Notochord')")
    hook = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[:] = sys.argv[2:]; "
    run = "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    with Peer([sys.executable, "-S", "-c", hook + run], "notochord", {}) as peer:
        pass
    assert "no Notochord" in peer.missing


def test_a_peers_time_is_the_reference_of_the_ratio(pretender):
    with Peer(pretender, "notochord", {}) as peer:
        assert peer.row_s("query_feed") == 0.02
        rival = Rival(peer, "query_feed", "Notochord", 0.5, "an event")
        good, short = (rival.figure("row", s, peer.row_s("query_feed")) for s in (0.009, 0.011))
    assert good.ok
    assert short.ok is False
    assert good.ratio == pytest.approx(0.45)
    assert "ratio   0.45  <= 0.5" in good.line()
    assert short.line().splitlines()[0].endswith("short")
    assert good.note == "1.2, 4.0 M parameters, random weights; an event"


def test_a_figure_without_reference_is_valid_json_and_prints_dashes():
    figure = alone("row", 1.0, "ms", "a GPU", "", "no GPU")
    line, note = figure.line().splitlines()
    assert line.split()[-3:] == ["-", "ratio", "-"]
    assert note.strip() == "no GPU"
    assert json.loads(json.dumps(vars(figure), allow_nan=False))["ratio"] is None


def test_a_figure_without_goal_is_neither_ok_nor_short():
    assert compared("row", 2.0, "ms", "limit", 1.0, "", None).line().endswith("ratio   2.00")


def test_medians_go_around_and_leave_the_first_round_out():
    order = []

    def measure(name, values):
        return lambda: order.append(name) or next(values)

    found = medians(
        measure("a", iter([99.0, 1.0, 3.0, 2.0])), measure("b", iter([0.0, 5.0, 5.0, 8.0])), rounds=3
    )
    assert found == [2.0, 5.0]
    assert order == ["a", "b"] * 4


def test_a_late_note_passes_the_network_with_its_own_rows_alone(model):
    assert late_rows(model) == peers.LATE_ROWS


def test_rows_are_counted_on_both_ways_through_the_network(model):
    reader, rows = FastReader(model), random_rows(32)
    with counted(reader) as passed:
        reader.read(rows[:20])
        reader.next_row()
        reader.append(rows[20:22])
        reader.next_row()
    assert passed == [20, 2]
    reader.append(rows[22:23])
    reader.next_row()
    assert passed == [20, 2]


def test_a_row_reads_every_matrix_and_one_line_of_every_table(model):
    tables = [m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    everything = sum(p.numel() for p in model.parameters())
    unread = sum(table.numel() - table.shape[1] for table in tables)
    assert len(tables) > len(FIELD_SIZES)
    assert weights_of_a_row(model).nbytes == 4 * (everything - unread)


def test_both_runtimes_are_timed_over_the_last_rows_of_the_context(model, monkeypatch):
    monkeypatch.setattr(peers, "REPEATS", 2)
    for reader in (FastReader(model), Reader(model)):
        run = peers.run_of(reader)
        fed = reader.rows_fed
        assert run() >= 0
        assert reader.rows_fed - fed == 2 * peers.RUN
        assert len(reader) == 32


def test_without_a_gpu_the_table_says_so(model, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (figure,) = gpu_figures(model, random_rows(8), 0.001)
    assert figure.note == "no GPU"


def test_a_partial_run_keeps_the_other_figures():
    before = [{"name": "a", "value": 1}, {"name": "b", "value": 2}]
    assert merged(before, [{"name": "b", "value": 3}]) == [
        {"name": "a", "value": 1},
        {"name": "b", "value": 3},
    ]
