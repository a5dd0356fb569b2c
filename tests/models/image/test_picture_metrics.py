import numpy as np
import pytest

from models.image.metrics import kernel_distance, nearest_ratio, sliced_wasserstein
from tests.models.image.drawings import disc


def discs(first, count, side=32):
    return np.stack([disc(i, side) for i in range(first, first + count)])


def noise(count, side=32):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


class TestSlicedWasserstein:
    def test_equal_sets_are_near_and_noise_is_far(self):
        real = discs(0, 64)
        same = sliced_wasserstein(real, real)
        other = sliced_wasserstein(discs(100, 64), real)
        far = sliced_wasserstein(noise(64), real)
        assert list(same) == ["32 px", "16 px", "shape", "mean"]
        assert same["shape"] == 0
        assert same["mean"] < other["mean"] < far["mean"] / 2

    def test_shape_sees_layout_that_patches_do_not(self):
        real = discs(0, 64)
        rolled = np.roll(real, 16, axis=2)
        found = sliced_wasserstein(rolled, real)
        assert found["shape"] > 3 * sliced_wasserstein(discs(100, 64), real)["16 px"]

    def test_same_seed_same_figure(self):
        assert sliced_wasserstein(discs(0, 8), discs(8, 8)) == sliced_wasserstein(discs(0, 8), discs(8, 8))


class TestNearest:
    def test_copies_are_found_with_their_originals(self):
        train = discs(0, 30)
        found = nearest_ratio(train[[7, 3]], train, discs(50, 10))
        assert found.ratio < 0.01
        assert found.neighbors.tolist() == [7, 3]

    def test_mirror_images_are_copies(self):
        train = discs(0, 30)
        found = nearest_ratio(train[[7]][:, :, ::-1], train, discs(50, 10))
        assert found.ratio < 0.01
        assert found.neighbors.tolist() == [7]

    def test_new_pictures_are_as_far_as_held_out_ones(self):
        assert nearest_ratio(discs(200, 30), discs(0, 60), discs(100, 30)).ratio == pytest.approx(1, abs=0.35)


class TestKernelDistance:
    def test_zero_on_average_between_samples_of_one_kind(self):
        rng = np.random.default_rng(0)
        found = [kernel_distance(*rng.standard_normal((2, 60, 8)).astype(np.float32)) for _ in range(30)]
        assert abs(np.mean(found)) < 0.05

    def test_grows_with_the_distance(self):
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((2, 100, 8)).astype(np.float32)
        assert 0.05 < kernel_distance(x, y + 0.5) < kernel_distance(x, y + 1)

    def test_by_hand(self):
        x, y = np.eye(2, dtype=np.float32), np.zeros((2, 2), np.float32)
        # within x: (0/2 + 1)^3 = 1; within y: 1; between: 1.
        assert kernel_distance(x, y) == pytest.approx(0.0)
