"""Slow work in processes of its own: results, faults, progress, cancelling."""

import sys
import threading

import pytest

from midi.clock import ManualClock
from midi.errors import UserError
from studio import jobs as program
from studio.jobs import Job, Jobs, JobState, result_of

WAIT_S = 40.0

PROGRAM = """
import json, os, signal, sys, time
print("loading", file=sys.stderr)
name = sys.argv[1]
assert sys.argv[-1] == "--json"
if name == "fine":
    for share in ("-", "0.50", "1.00"):
        print("progress", share, "the music", file=sys.stderr, flush=True)
    print(json.dumps({"argv": sys.argv[2:-1], "said": os.environ["SAID"]}))
elif name == "no":
    print('["refused"]'); sys.exit(1)
elif name == "fault":
    print('{"error": "No.", "hint": "Try."}'); sys.exit(2)
elif name == "crash":
    print("progress 0.25 work", file=sys.stderr); print("ouch.", file=sys.stderr); os.kill(os.getpid(), 9)
elif name == "noise":
    print("x" * 300_000); print("y" * 300_000, file=sys.stderr)
elif name == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("progress 0.10 ignoring", file=sys.stderr, flush=True)
    time.sleep(60)
elif name == "polite":
    try:
        print("progress 0.10 waiting", file=sys.stderr, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Jobs whose program is a small one of the test."""
    (tmp_path / "studio").mkdir()
    (tmp_path / "studio" / "__init__.py").touch()
    (tmp_path / "studio" / "__main__.py").write_text(PROGRAM)
    monkeypatch.setattr(program, "__file__", str(tmp_path / "studio" / "jobs.py"))
    clock = ManualClock()
    made = Jobs({"SAID": "hello"}, clock.now_s)
    made.clock = clock
    yield made
    made.close()


def until(jobs, number, happened):
    """Poll until a job is as wanted; returns every state seen."""
    seen = [jobs.get(number)]
    pause = threading.Event()
    for _ in range(round(WAIT_S / 0.005)):
        if happened(seen[-1]):
            return seen
        assert not seen[-1].is_over, seen[-1]
        seen += [job for job in jobs.poll() if job.number == number]
        pause.wait(0.005)
    raise AssertionError(f"still {seen[-1]}")


def ended(jobs, number):
    return until(jobs, number, lambda job: job.is_over)[-1]


def test_a_command_s_result_and_what_it_was_told(jobs):
    job = jobs.start("Some work", ["fine", "a b", "$HOME;x", "--n", "1"])
    assert (job.state, job.number, job.title) == (JobState.RUNNING, 1, "Some work")
    done = ended(jobs, 1)
    assert (done.state, done.fraction, done.doing, done.exit_code) == (JobState.DONE, 1.0, "the music", 0)
    assert result_of(done) == {"argv": ["a b", "$HOME;x", "--n", "1"], "said": "hello"}
    assert jobs.all() == (done,)
    assert jobs.poll() == ()
    assert jobs.n_running == 0


def test_an_expected_no_is_a_result(jobs):
    jobs.start("Gate", ["no"])
    done = ended(jobs, 1)
    assert (done.state, done.exit_code, done.result) == (JobState.DONE, 1, ["refused"])


def test_a_fault_is_its_sentence_and_hint(jobs):
    jobs.start("Work", ["fault"])
    job = ended(jobs, 1)
    assert (job.state, job.error, job.hint) == (JobState.FAILED, "No.", "Try.")
    with pytest.raises(UserError, match=r"^No") as fault:
        result_of(job)
    assert fault.value.hint == "Try."


def test_a_crash_says_so_with_the_last_words(jobs):
    jobs.start("Work", ["crash", "x"])
    job = ended(jobs, 1)
    assert job.state is JobState.FAILED
    assert job.error == "Work: the command stopped by signal 9 (ouch)."
    assert "antiphon crash x --debug" in job.hint


def test_output_that_is_no_json_fails_and_blocks_nothing(jobs):
    jobs.start("Noise", ["noise"])
    assert ended(jobs, 1).state is JobState.FAILED


def test_a_polite_job_is_cancelled_by_an_interrupt(jobs):
    jobs.start("Work", ["polite"])
    until(jobs, 1, lambda job: job.doing == "waiting")
    jobs.cancel(1)
    assert ended(jobs, 1).state is JobState.CANCELLED
    jobs.cancel(1)
    jobs.cancel(77)


def test_a_stubborn_job_is_killed_when_its_grace_is_over(jobs):
    jobs.start("Work", ["stubborn"])
    assert until(jobs, 1, lambda job: job.doing == "ignoring")[-1].fraction == 0.1
    jobs.cancel(1)
    assert jobs.poll() == ()
    assert jobs.n_running == 1
    jobs.clock.advance(program.GRACE_S)
    assert ended(jobs, 1).state is JobState.CANCELLED


def test_closing_ends_everything(jobs):
    for _ in range(2):
        jobs.start("Work", ["stubborn"])
    processes = [process._process for process in jobs._processes.values()]
    jobs.close()
    assert all(process.poll() is not None for process in processes)
    assert [job.state for job in jobs.all()] == [JobState.CANCELLED] * 2
    jobs.close()


def test_what_cannot_be_started_has_failed(jobs, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    job = jobs.start("Work", ["fine"])
    assert job.state is JobState.FAILED
    assert "can't be started" in job.error
    assert jobs.poll() == ()


def test_a_folder_called_studio_is_not_mistaken_for_ours(tmp_path, monkeypatch):
    (tmp_path / "studio").mkdir()
    (tmp_path / "studio" / "__init__.py").touch()
    (tmp_path / "studio" / "__main__.py").write_text("print('{\"stolen\": 1}')")
    monkeypatch.chdir(tmp_path)
    real = Jobs()
    try:
        real.start("Takes", ["takes", "list"])
        assert ended(real, 1).result == []
    finally:
        real.close()


def test_a_job_that_is_not_done_has_no_result():
    with pytest.raises(UserError, match="Work: running"):
        result_of(Job(1, "Work", ()))
