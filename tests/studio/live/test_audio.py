"""Sound devices: what is played arrives, failures become silence, files are whole or kept in part."""

import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from midi.clock import ManualClock
from midi.errors import UserError
from studio.live import audio
from studio.live.analysis import peak_frequency_hz
from studio.live.audio import SdlOut, SilentOut, list_devices, open_audio
from studio.live.soundfiles import SoundWriter

RATE = 48000


def tone(frequency_hz: float = 440.0):
    """A render function of a sine, and an event set after its tenth block."""
    played = threading.Event()
    position = 0

    def render(n_frames: int):
        nonlocal position
        t = (position + np.arange(n_frames)) / RATE
        position += n_frames
        if position > 10 * n_frames:
            played.set()
        return np.repeat(0.5 * np.sin(2 * np.pi * frequency_hz * t)[:, None], 2, axis=1).astype(np.float32)

    return render, played


class TestPulling:
    """The part that every driver shares, driven by hand."""

    def out(self, clock: ManualClock) -> SilentOut:
        return SilentOut("test", RATE, 480, clock)

    def test_a_failing_render_is_silence_and_is_counted(self) -> None:
        out = self.out(ManualClock())

        def broken(n_frames: int):
            raise ZeroDivisionError(f"first of {n_frames}" if out.faults == 0 else "later")

        out._render = broken
        for _ in range(3):
            assert not out._pull(480).any()
        assert out.faults == 3
        assert str(out.error) == "first of 480"

    def test_a_block_of_the_wrong_shape_is_a_fault(self) -> None:
        out = self.out(ManualClock())
        out._render = lambda n: np.ones((n - 1, 2), dtype=np.float32)
        assert out._pull(480).shape == (480, 2)
        assert isinstance(out.error, ValueError)

    def test_slow_blocks_and_late_callbacks_are_underruns(self) -> None:
        clock = ManualClock()
        out = self.out(clock)
        out._render = lambda n: np.zeros((n, 2), dtype=np.float32)
        for _ in range(10):
            out._pull(480)
            clock.advance(0.010)
        assert out.underruns == 0
        # The block before lasts until 10 ms after this one was due.
        clock.advance(0.009)
        out._pull(480)
        assert out.underruns == 0
        clock.advance(0.021)
        out._pull(480)
        assert out.underruns == 1

        def slow(n_frames: int):
            clock.advance(0.006)
            return np.zeros((n_frames, 2), dtype=np.float32)

        out._render = slow
        clock.advance(0.013)
        out._pull(480)
        assert out.underruns == 1, "3 ms late and 6 ms of work"
        clock.advance(0.009)
        out._pull(480)
        assert out.underruns == 2, "5 ms late and 6 ms of work"
        clock.advance(0.0)
        out._pull(480)
        assert out.underruns == 2, "asked for early"

        def slower(n_frames: int):
            clock.advance(0.011)
            return np.zeros((n_frames, 2), dtype=np.float32)

        out._render = slower
        out._pull(480)
        assert out.underruns == 3

    def test_a_driver_that_waits_a_block_after_each_is_not_late(self) -> None:
        clock = ManualClock()
        out = self.out(clock)
        out._waits_after = True

        def render(n_frames: int):
            clock.advance(0.006)
            return np.zeros((n_frames, 2), dtype=np.float32)

        out._render = render
        for _ in range(10):
            out._pull(480)
            clock.advance(0.010)
        assert out.underruns == 0
        clock.advance(0.005)
        out._pull(480)
        assert out.underruns == 1, "5 ms late and 6 ms of work"

    def test_frames_and_times_agree_in_spite_of_jitter(self) -> None:
        clock = ManualClock()
        out = self.out(clock)
        out._render = lambda n: np.zeros((n, 2), dtype=np.float32)
        assert out.frame_at(0.0) is None
        rng = np.random.default_rng(0)
        for i in range(400):
            clock.set(i * 0.010 + float(rng.uniform(0, 0.004)))
            out._pull(480)
        # The mean delay of 2 ms is part of the estimate; its jitter must be gone.
        assert out.frame_at(4.0) == pytest.approx((4.0 - 0.002) * RATE, abs=0.0006 * RATE)
        assert (out.frame_at(5.0) or 0) - (out.frame_at(4.0) or 0) == pytest.approx(RATE, abs=1)


class TestSilentOut:
    def test_it_pulls_blocks_and_stops(self) -> None:
        render, played = tone()
        out = SilentOut("nothing to play on", RATE, 64)
        out.start(render)
        assert played.wait(10)
        out.stop()
        frames = out.frame
        assert frames >= 640
        assert frames % 64 == 0
        out.stop()
        assert out.frame == frames
        assert out.error is None


class TestSdl:
    @pytest.fixture
    def device(self) -> SdlOut:
        out = open_audio(None, RATE, 256)
        if not isinstance(out, SdlOut):
            pytest.fail(out.reason)
        return out

    def test_the_driver_without_a_device_is_known(self, device: SdlOut) -> None:
        assert device._waits_after
        device.stop()

    def test_it_plays_and_stops_for_good(self, device: SdlOut) -> None:
        render, played = tone()
        device.start(render)
        assert played.wait(10)
        device.stop()
        frames = device.frame
        device.stop()
        assert device.frame == frames >= 2560
        assert device.error is None
        assert device.reason == ""
        assert device.latency_s == pytest.approx(512 / RATE)
        assert device.frame_at(1e9) is not None

    def test_looking_for_devices_all_day_leaves_it_alone(self, device: SdlOut) -> None:
        render, played = tone()
        device.start(render)
        assert played.wait(10)
        # SDL counts its starts in eight bits.
        for _ in range(300):
            assert device.name in list_devices()
        frames = device.frame
        again = threading.Event()
        device._render = lambda count: again.set() or render(count)
        assert again.wait(10)
        assert device.frame >= frames
        assert not device.is_gone
        device.stop()

    def test_opening_and_stopping_never_locks_up_with_a_busy_interpreter(self) -> None:
        busy = True

        def burn() -> None:
            while busy:
                sum(range(500))

        burner = threading.Thread(target=burn, daemon=True)
        burner.start()
        try:
            for _ in range(6):
                render, _ = tone()
                out = open_audio(None, RATE, 64)
                out.start(render)
                out.stop()
                assert out.error is None
        finally:
            busy = False
            burner.join()

    def test_where_sdl_cannot_be_asked_the_device_pauses_itself(
        self, device: SdlOut, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audio, "_sdl_pause", lambda: None)
        render, played = tone()
        device.start(render)
        assert played.wait(10)
        device.stop()
        frames = device.frame
        assert played.wait(0.02)
        assert device.frame <= frames + 256
        assert audio._LEFT_OPEN
        second = open_audio(None, RATE, 256)
        assert isinstance(second, SdlOut)
        assert not audio._LEFT_OPEN, "closed before the next one is opened"
        second.stop()

    def test_a_device_that_does_not_pause_is_not_closed_over_its_callback(
        self, device: SdlOut, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed: list[str] = []

        class Stuck:
            def close(self) -> None:
                closed.append("over its callback")

        stuck = (Stuck(), threading.Event())
        monkeypatch.setattr(audio, "LEFT_OPEN_S", 0.01)
        monkeypatch.setattr(audio, "_LEFT_OPEN", [stuck])
        device.stop()
        open_audio(None, RATE, 256).stop()
        assert [stuck] == audio._LEFT_OPEN
        assert not closed

    def test_a_device_that_sdl_lost_is_known_and_let_go_of(self, device: SdlOut) -> None:
        assert not device.is_gone
        render, played = tone()
        device.start(render)
        assert played.wait(10)
        assert not device.is_gone
        close = audio._sdl_function("SDL_CloseAudioDevice", (ctypes.c_uint32,), None)
        assert close is not None
        close(device._device.deviceid)
        assert device.is_gone
        device.abandon()
        assert not audio._LEFT_OPEN
        assert not device.is_gone, "it is none any more"

    def test_a_device_that_hangs_is_left_to_pause_itself(self, device: SdlOut) -> None:
        render, played = tone()
        device.start(render)
        assert played.wait(10)
        device.abandon()
        assert len(audio._LEFT_OPEN) == 1
        device.stop()
        open_audio(None, RATE, 256).stop()
        assert not audio._LEFT_OPEN
        assert audio.can_reopen()

    def test_a_device_never_started_can_be_stopped(self, device: SdlOut) -> None:
        device.stop()
        assert device.frame == 0

    def test_the_tone_is_in_the_file_of_the_disk_driver(self, tmp_path: Path) -> None:
        raw = tmp_path / "out.raw"
        program = (
            "import time, numpy as np\n"
            "from studio.live.audio import open_audio\n"
            "from tests.studio.live.test_audio import tone\n"
            "out = open_audio(None, 48000, 256)\n"
            "out.start(tone()[0])\n"
            "while out.frame < 24000: time.sleep(0.005)\n"
            "out.stop()\n"
            "print(out.name, out.reason, out.faults)\n"
        )
        environment = {**os.environ, "SDL_AUDIODRIVER": "disk", "SDL_DISKAUDIOFILE": str(raw)}
        root = Path(__file__).parents[3]
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=root, capture_output=True, timeout=50
        )
        assert done.returncode == 0, done.stderr.decode()
        heard = np.fromfile(raw, dtype=np.float32).reshape(-1, 2)[:24000]
        assert np.max(np.abs(heard)) == pytest.approx(0.5, abs=0.01)
        assert peak_frequency_hz(heard, RATE, 100, 2000) == pytest.approx(440, abs=0.5)


class TestOpening:
    def test_devices_are_listed_and_found_by_a_part_of_their_name(self) -> None:
        names = list_devices()
        assert names
        out = open_audio(names[0][2:9].upper())
        assert out.name == names[0]
        out.stop()

    def test_none_is_silence(self) -> None:
        assert open_audio("none").reason == "Sound is switched off."

    def test_a_device_that_is_not_there(self) -> None:
        out = open_audio("Wurlitzer 3000")
        assert isinstance(out, SilentOut)
        assert "Wurlitzer 3000" in out.reason
        assert list_devices()[0] in out.reason

    def test_no_device_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails() -> list[str]:
            raise RuntimeError("dsp: No such audio device")

        monkeypatch.setattr(audio, "DRIVERS", ((fails, SdlOut), (list, SdlOut)))
        assert list_devices() == ()
        out = open_audio("piano room")
        assert isinstance(out, SilentOut)
        assert "No sound device" in out.reason
        assert "No such audio device" in out.reason

    def test_a_device_that_refuses_leaves_the_next_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuses(*_: object) -> SilentOut:
            raise RuntimeError("busy")

        def opens(name: str, *_: object) -> SilentOut:
            return SilentOut(f"stand-in for {name}")

        monkeypatch.setattr(audio, "DRIVERS", ((lambda: ["one"], refuses),))
        assert open_audio().reason == "The sound device one can't be opened (busy)."
        monkeypatch.setattr(audio, "_found", lambda: ([("a", (list, refuses)), ("b", (list, opens))], ""))
        assert open_audio("default").reason == "stand-in for b"


class TestSoundWriter:
    @pytest.mark.parametrize("ending", ["wav", "flac"])
    def test_what_is_written_comes_back(self, ending: str, tmp_path: Path) -> None:
        sound = np.random.default_rng(0).uniform(-0.9, 0.9, (5000, 2)).astype(np.float32)
        path = tmp_path / f"take.{ending}"
        with SoundWriter(path, RATE) as writer:
            for i in range(0, 5000, 1000):
                writer.write(sound[i : i + 1000])
                assert not path.exists()
        found, rate = soundfile.read(path)
        assert rate == RATE
        np.testing.assert_allclose(found, sound, atol=1e-4)
        assert list(tmp_path.iterdir()) == [path]

    def test_an_older_file_stays_until_the_new_one_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "take.wav"
        path.write_bytes(b"older")
        writer = SoundWriter(path, RATE)
        writer.write(np.zeros((10, 2), dtype=np.float32))
        assert path.read_bytes() == b"older"
        writer.close()
        writer.close()
        assert soundfile.info(path).frames == 10
        with pytest.raises(UserError, match="closed"):
            writer.write(np.zeros((1, 2), dtype=np.float32))

    def test_a_fault_of_the_program_keeps_the_sound_so_far(self, tmp_path: Path) -> None:
        path = tmp_path / "take.wav"

        def fail() -> None:
            with SoundWriter(path, RATE) as writer:
                writer.write(np.zeros((10, 2), dtype=np.float32))
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert soundfile.info(path).frames == 10

    def test_other_endings_and_folders_that_are_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no sound file"):
            SoundWriter(tmp_path / "take.mp3")
        with pytest.raises(UserError, match="can't be written"):
            SoundWriter(tmp_path / "nowhere" / "take.wav")

    @pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a POSIX matter")
    @pytest.mark.parametrize("ending", ["wav", "flac"])
    def test_a_full_disk_keeps_what_was_written(self, ending: str, tmp_path: Path) -> None:
        program = (
            "import resource, signal, sys, numpy as np\n"
            "from midi.errors import UserError\n"
            "from studio.live.soundfiles import SoundWriter\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
            "writer = SoundWriter(sys.argv[1])\n"
            "noise = np.random.default_rng(0).uniform(-1, 1, (4096, 2)).astype(np.float32)\n"
            "try:\n"
            "    for _ in range(40): writer.write(noise)\n"
            "    writer.close()\n"
            "except UserError as error:\n"
            "    print(error.message); print(writer.part_path)\n"
        )
        path = tmp_path / f"take.{ending}"
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=50,
        )
        message, part = done.stdout.splitlines()[-2:]
        assert "can't be written" in message
        assert part in message
        assert not path.exists()
        with soundfile.SoundFile(part) as kept:
            assert len(kept.read(20_000)) == 20_000
