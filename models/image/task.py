"""Training a generator against a critic: the task on the one loop, its losses, growth and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from midi.errors import UserError
from models.image.augment import Augment, AugmentConfig
from models.image.discriminator import CriticConfig, PixelCritic, ProjectedCritic, StridedCritic
from models.image.features import features_package_hint, load_features
from models.image.generator import Generator, GeneratorConfig, from_uint8, latents, to_uint8
from models.image.losses import LossName, critic_loss, generator_loss, gradient_penalty
from models.image.metrics import nearest_ratio, sliced_wasserstein
from models.image.pictures import PictureSet, Pixels
from models.image.sheet import contact, write_image
from models.training.checkpoint import write_tensors
from models.training.contract import LoopConfig
from models.training.data import Batches, ShuffledSampler

SAMPLES = "samples"
SNAPSHOTS = "snapshots"
MAX_SNAPSHOTS = 64
STRIDED_RATE, STRIDED_BETAS = 0.08, (0.5, 0.999)
"""Share of the learning rate that a strided critic takes (0.0002 of 0.0025), and both networks' moments
beside it, as Radford et al. 2016 have them."""

REFERENCE = 512
"""Real pictures that made ones are compared with while training."""


@dataclass(frozen=True)
class PictureTaskConfig:
    """Networks, data and losses of a picture training.

    Attributes:
        generator: Shape of the generator.
        critic: Shape of the pixel critic.
        judge: ``pixel``, or ``projected`` on frozen features where they are installed.
        loss: See :mod:`models.image.losses`.
        gamma: Weight of the gradient penalty at full resolution; it falls with the side of the pictures.
        penalty_every: Steps between penalties, which are that much heavier (Karras et al. 2020 §3.1).
        augment: Of what the critic sees.
        batch: Pictures a batch.
        growth: Share of the run at which each resolution begins; the first begins at once.
        fade: Share of the run in which a new resolution is faded in.
        mixing: Share of pictures that change style at a random layer (Karras et al. 2019 §3.1).
        is_mirrored: Whether pictures may be mirrored.
        frozen_px: Fine-tuning leaves the mapping and the generator's blocks up to this side alone; 0 none.
        samples: Pictures on a sample sheet.
        count: Pictures made for the figures of an evaluation.
        seed: Of batches, initial weights and samples.
    """

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    judge: Literal["pixel", "projected"] = "pixel"
    loss: LossName = "logistic"
    gamma: float = 0.2
    penalty_every: int = 8
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    batch: int = 16
    growth: tuple[tuple[int, float], ...] = ()
    fade: float = 0.05
    mixing: float = 0.5
    is_mirrored: bool = True
    frozen_px: int = 0
    samples: int = 48
    count: int = 256
    seed: int = 0


def growth_plan(resolution: int) -> tuple[tuple[int, float], ...]:
    """From 16 pixels up; every doubling gets more than twice the time of what came before it.

    A step at 128 pixels costs five of those at 16; shapes are found low, and details need the time.
    """
    sides = [16 << i for i in range(max(1, resolution.bit_length() - 4))]
    starts = {1: (0.0,), 2: (0.0, 0.3), 3: (0.0, 0.15, 0.4), 4: (0.0, 0.08, 0.22, 0.5)}
    chosen = starts.get(len(sides), (0.0, *[0.06 * 2**i for i in range(len(sides) - 1)]))
    return tuple(zip(sides, chosen, strict=True)) if resolution >= 16 else ((resolution, 0.0),)


class PictureTask:
    """Contributes a generator and a critic to the training loop.

    One batch of made pictures serves both phases of a step: the generator learns from it first, then the
    critic sees it, so it is computed once.

    Args:
        config: What to train and how.
        pictures: Where real ones come from.
        run_dir: Where sample sheets and snapshots of the averaged generator go at every evaluation.
        parent: Tensors of a bundle to start from; what fits is taken. None for fresh weights.

    Raises:
        UserError: Too few pictures, or no feature weights for a projected critic.
    """

    def __init__(
        self,
        config: PictureTaskConfig,
        pictures: PictureSet,
        run_dir: Path,
        parent: Mapping[str, Tensor] | None = None,
    ) -> None:
        if len(pictures.train) < 2:
            raise UserError(
                f"{pictures.report.used} usable pictures are not enough to learn from.",
                "Two different ones are the least; below fifty it learns them by heart.",
            )
        self.config = config
        self.pictures = pictures
        self.run_dir = run_dir
        torch.manual_seed(config.seed)
        self.generator = Generator(config.generator)
        _channels_last(self.generator)
        self.critic = _critic(config)
        self.augment = Augment(config.augment)
        if parent is not None:
            take_fitting(self.generator, parent)
            critic = {k.removeprefix("critic/"): v for k, v in parent.items() if k.startswith("critic/")}
            take_fitting(self.critic, critic)
            self._freeze_lower()
        self.growth = config.growth or ((config.generator.resolution, 0.0),)
        self.generator.grow(self.growth[0][0])
        self.step = 0
        self._made: list[Tensor] = []

    def _freeze_lower(self) -> None:
        """Fix what holds the coarse layout: the mapping and the low blocks with their heads."""
        if not self.config.frozen_px:
            return
        generator = self.generator
        frozen: list[nn.Module] = [generator.mapping]
        frozen += [m for key, m in generator.layers.items() if _side(key) <= self.config.frozen_px]
        generator.base.requires_grad_(False)
        for module in frozen:
            module.requires_grad_(False)

    def modules(self) -> dict[str, nn.Module]:
        """Both networks, and the augmentation for its strength."""
        return {"generator": self.generator, "critic": self.critic, "augment": self.augment}

    def optimizers(self, config: LoopConfig) -> dict[str, Optimizer]:
        """One Adam each; beside a residual critic without the first moment (Karras et al. 2018)."""
        fused = next(self.generator.parameters()).device.type in {"cpu", "cuda"}
        is_strided = isinstance(self.critic, StridedCritic)
        rates = {"generator": 1.0, "critic": STRIDED_RATE if is_strided else 1.0}
        betas = STRIDED_BETAS if is_strided else config.betas
        return {
            name: torch.optim.Adam(
                [p for p in self.modules()[name].parameters() if p.requires_grad],
                lr=config.learning_rate * rate, betas=betas, eps=1e-8, fused=fused,
            )
            for name, rate in rates.items()
        }  # fmt: skip

    def source(self, rank: int, world_size: int) -> Batches[Tensor]:
        """Shuffled pictures ``[n h w 3]`` at full resolution, some mirrored."""
        train = self.pictures.train

        def make(indices: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            chosen = self.pictures.images[train[indices]]
            if self.config.is_mirrored:
                flipped = rng.random(len(chosen)) < 0.5
                chosen[flipped] = chosen[flipped, :, ::-1]
            return torch.from_numpy(chosen)

        return Batches(
            ShuffledSampler(len(train), self.config.seed, rank, world_size), self.config.batch, make
        )

    def advance(self, progress: float) -> None:
        """Grow both networks to what the plan says for this share of the run, never back.

        Where the generator is travels in its weights, so that a run resumed with a longer budget, of which
        a smaller share is over then, does not shrink.
        """
        index = max(i for i, (_, start) in enumerate(self.growth) if progress >= start)
        side, start = self.growth[index]
        fade = min(1.0, (progress - start) / self.config.fade) if index and self.config.fade else 1.0
        stage = max((side, fade), (self.generator.resolution, self.generator.fade))
        if stage != (self.generator.resolution, self.generator.fade):
            self.generator.grow(*stage)
        self.critic.grow(*stage)

    def losses(self, phase: str, batch: Tensor, step: int) -> dict[str, Tensor]:
        """Losses of the generator, then of the critic; the penalty only every so many steps."""
        self.step = step
        real = self._real(batch)
        if phase == "generator":
            return self._generator_losses(real)
        made = self._made.pop(0)
        seen = self.augment(real)
        is_penalized = self.config.gamma > 0 and step % self.config.penalty_every == 0
        if is_penalized:
            seen = seen.detach().requires_grad_()
        shown = self.augment(made)
        is_both = is_penalized and self.config.loss == "relativistic"
        if is_both:
            shown = shown.detach().requires_grad_()
        # Gradients of gradients want single precision.
        is_half = torch.is_autocast_enabled(seen.device.type) and not is_penalized
        with torch.autocast(seen.device.type, enabled=is_half):
            real_scores, made_scores = self.critic(seen), self.critic(shown)
        loss = critic_loss(self.config.loss, real_scores, made_scores)
        losses = {"loss": loss, "real": real_scores.mean(), "made": made_scores.mean()}
        if is_penalized:
            penalty = gradient_penalty(real_scores, seen)
            if is_both:
                penalty = penalty + gradient_penalty(made_scores, shown)
            losses["loss"] = loss + self._gamma() * self.config.penalty_every * penalty
        self.augment.observe(real_scores)
        return losses | {"strength": self.augment.strength}

    def _generator_losses(self, real: Tensor) -> dict[str, Tensor]:
        made = self.generator(self._styles(len(real), real.device))
        self._made.append(made.detach())
        scores = self.critic(self.augment(made))
        is_paired = self.config.loss == "relativistic"
        real_scores = self.critic(self.augment(real)) if is_paired else None
        return {"loss": generator_loss(self.config.loss, scores, real_scores)}

    def _styles(self, count: int, device: torch.device) -> Tensor:
        """Random styles, some of which change at a random layer."""
        generator = self.generator
        z = torch.randn(2, count, generator.config.z_size, device=device)
        ws, others = (generator.styles(generator.map(part)) for part in z)
        layers = ws.shape[1]
        crossover = torch.randint(1, layers, (count, 1, 1), device=device)
        is_mixed = torch.rand(count, 1, 1, device=device) < self.config.mixing
        behind = torch.arange(layers, device=device)[None, :, None] >= crossover
        return torch.where(is_mixed & behind, others, ws)

    def _real(self, batch: Tensor) -> Tensor:
        """Real pictures at the present resolution, as soft as the fade makes the made ones."""
        side, fade = self.generator.resolution, self.generator.fade
        real = from_uint8(batch)
        if real.shape[-1] > side:
            real = functional.avg_pool2d(real, real.shape[-1] // side)
        if fade < 1:
            soft = functional.avg_pool2d(real, 2)
            doubled = functional.interpolate(soft, scale_factor=2, mode="bilinear", align_corners=False)
            real = torch.lerp(doubled, real, fade)
        return real

    def _gamma(self) -> float:
        share = self.generator.resolution / self.config.generator.resolution
        return self.config.gamma * share

    def evaluate(self) -> dict[str, float]:
        """Sliced Wasserstein distance (``metric`` is the mean of its levels), and how near copies are.

        Also writes a sample sheet and a snapshot of the generator, which is what to choose by: figures have
        praised ugly sheets.
        """
        self.generator.center(self.config.seed)
        made = self.make(self.config.count)
        real = self.pictures.images[self._reference()]
        distance = sliced_wasserstein(made, real, seed=self.config.seed)
        held_out = self.pictures.images[self.pictures.held_out]
        figures = {"metric": distance["mean"], **{f"swd {name}": value for name, value in distance.items()}}
        if len(held_out):
            train = self.pictures.images[self.pictures.train[:2048]]
            figures["nearest_ratio"] = nearest_ratio(made, train, held_out).ratio
        self._write(made, figures)
        return figures

    @torch.no_grad()
    def make(self, count: int, psi: float = 1.0) -> Pixels:
        """Pictures ``[n h w 3]`` of the seeds 0, 1, 2 ..., at full resolution whatever has been grown."""
        generator, full = self.generator, self.config.generator.resolution
        pieces = []
        for first in range(0, count, self.config.batch):
            seeds = range(first, min(first + self.config.batch, count))
            z = latents(seeds, generator.config.z_size).to(generator.w_mean.device)
            made = generator(generator.styles(generator.map(z), psi), noise=generator.noise(seeds))
            if made.shape[-1] < full:
                made = functional.interpolate(made, size=(full, full), mode="bilinear", align_corners=False)
            pieces.append(to_uint8(made))
        return np.concatenate(pieces)

    def _reference(self) -> NDArray[np.int64]:
        """Real pictures to compare with: the held-out ones first, then others up to a limit."""
        others = self.pictures.train
        chosen = np.concatenate([self.pictures.held_out, others])[:REFERENCE]
        return np.sort(chosen)

    def _write(self, made: Pixels, figures: Mapping[str, float]) -> None:
        if torch.distributed.is_initialized() and torch.distributed.get_rank():
            return
        samples, snapshots = self.run_dir / SAMPLES, self.run_dir / SNAPSHOTS
        try:
            samples.mkdir(exist_ok=True)
            snapshots.mkdir(exist_ok=True)
            sheet = contact(made[: self.config.samples], 8)
            write_image(samples / f"{self.step:07d}.png", sheet)
            write_image(self.run_dir / "sheet.png", sheet)
            weights = {key: t.half() for key, t in self.generator.state_dict().items()}
            write_tensors(snapshots / f"{self.step:07d}.safetensors", weights, dict(figures))
            for old in sorted(snapshots.glob("*.safetensors"))[1:-MAX_SNAPSHOTS]:
                old.unlink()
        except (OSError, UserError):  # a full disk costs sheets, never the run
            return

    def describe(self) -> dict[str, Any]:
        """The configuration as plain values, for run folders and bundles."""
        return dict(json.loads(json.dumps(asdict(self.config))))


def take_fitting(network: nn.Module, tensors: Mapping[str, Tensor]) -> int:
    """Copy every tensor that has a place of its shape in the network; how many there were.

    A parent of another resolution gives its blocks to a child that shares their widths.
    """
    own = network.state_dict()
    fitting = {k: t for k, t in tensors.items() if k in own and own[k].shape == t.shape and k != "stage"}
    network.load_state_dict(fitting, strict=False)
    return len(fitting)


def _critic(config: PictureTaskConfig) -> PixelCritic | StridedCritic | ProjectedCritic:
    if config.judge == "pixel":
        is_strided = config.critic.kind == "strided"
        critic = (StridedCritic if is_strided else PixelCritic)(config.critic)
        _channels_last(critic)
        return critic
    features = load_features()
    if features is None:
        raise UserError("A projected critic needs feature weights.", features_package_hint())
    return ProjectedCritic(features.requires_grad_(False))


def _side(key: str) -> int:
    return int(key.split("_", maxsplit=1)[0])


def _channels_last(network: nn.Module) -> None:
    """Lay the kernels out as the convolutions want them: a fifth to a third faster on CPUs."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
