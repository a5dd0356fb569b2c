"""Tiny picture models with random weights."""

import torch

from models.bundle import write_bundle
from models.image.generator import Generator, GeneratorConfig
from models.image.player import ARCHITECTURE, Pictures

CHANNELS = {16: (16, 16, 12), 32: (16, 16, 12, 8)}


def generator(size=16, seed=0, has_noise=False):
    torch.manual_seed(seed)
    made = Generator(GeneratorConfig(size, CHANNELS[size], z_size=8, w_size=12, has_noise=has_noise))
    with torch.no_grad():
        for head in made.heads.values():
            head.weight.mul_(0.3)
        if has_noise:
            for layer in made.layers.values():
                layer.noise_strength.fill_(0.5)
    made.center(count=256)
    return made.eval()


def pictures(size=16, seed=0, **more):
    return Pictures(generator(size, seed, **more), "garden", "1.0.0")


def plant(folder, name="garden", size=16, seed=0, version="1.0.0", data_digest="0" * 64, **more):
    """A bundle of a random generator below a folder of bundles."""
    made = generator(size, seed, **more)
    fields = {
        "name": name, "version": version, "kinds": {"in": "latent", "out": "image"},
        "architecture": ARCHITECTURE, "config": {"generator": made.config.to_dict()},
        "licence": "CC0-1.0", "data_digest": data_digest,
    }  # fmt: skip
    return write_bundle(folder / name / version, fields, made.state_dict(), f"# {name}\n")
