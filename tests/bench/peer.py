"""A peer in an interpreter of its own: a line says what to run, a line answers with CPU seconds a row.

Run by path under any Python that has the peer; it imports nothing of ours. Weights are random: what a row
costs does not depend on them. The first line out tells what there is, or why there is nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any

Actions = dict[str, Callable[[], int]]
"""What can be run, by name; each gives back how many rows it was."""


def huggingface(spec: dict) -> tuple[dict, Actions]:
    """GPT-2 of equal size (their Llama is slower); its cache is full but for the rows asked for."""
    import torch
    import transformers
    from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel

    transformers.logging.set_verbosity_error()
    places, width, layers = spec["tokens"] * spec["rows"], spec["width"], spec["layers"]
    config = GPT2Config(
        vocab_size=spec["vocabulary"], n_positions=places, n_embd=width, n_layer=layers, n_head=spec["heads"],
        n_inner=inner_width(spec), bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    made = spec["tokens"] * spec["run"]
    prompt = torch.randint(0, spec["vocabulary"], (1, places - made))
    cache = DynamicCache(config=config)
    with torch.inference_mode():
        model(prompt[:, :-1], past_key_values=cache, use_cache=True)

    def generate() -> int:
        excess = cache.get_seq_length() - (prompt.shape[1] - 1)
        if excess:
            cache.crop(-excess)
        text = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), past_key_values=cache, use_cache=True,
            do_sample=True, top_p=0.95, top_k=0, max_new_tokens=made,
        )  # fmt: skip
        if text.shape[1] != places:
            raise RuntimeError(f"{text.shape[1]} tokens instead of {places}")
        return spec["run"]

    facts = {"version": transformers.__version__, "parameters": model.num_parameters()}
    return facts, {"generate": generate}


def inner_width(spec: dict) -> int:
    """Width of the feed-forward layers by which a GPT-2 has as many parameters as asked for."""
    width = spec["width"]
    tables = (spec["vocabulary"] + spec["tokens"] * spec["rows"]) * width
    return ((spec["parameters"] - tables) // spec["layers"] - 4 * width * width) // (2 * width)


def notochord(spec: dict) -> tuple[dict, Actions]:
    """Notochord as its programs run it: one event, predicted and read."""
    from importlib.metadata import version

    from notochord import Notochord

    model = Notochord().eval()

    def begin() -> None:
        model.reset()
        for i in range(spec["run"]):
            model.feed(1, 40 + i, 0.25, 80)
        model.held_notes.clear()

    def free() -> int:
        """It chooses instrument, pitch, time and velocity, then reads the event."""
        for _ in range(spec["run"]):
            model.query_feed()
        model.held_notes.clear()
        return spec["run"]

    def harmonize() -> int:
        """It reads a key and chooses the pitch beside it; the rest is given."""
        for i in range(spec["run"]):
            model.feed(1, 40 + i % 40, 0.25, 80)
            model.query(next_inst=1, next_time=0.0, next_vel=80)
        model.held_notes.clear()
        return spec["run"]

    begin()
    parameters = sum(p.numel() for p in model.parameters())
    return {"version": version("notochord"), "parameters": parameters}, {
        "query_feed": free,
        "feed_query": harmonize,
    }


class Absent(types.ModuleType):
    """Stands for a module that a generator never calls: training, data, trackers, command line."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


UNUSED = ("torchvision", "fire", "aim", "vector_quantize_pytorch", "adabelief_pytorch")


def imported(name: str) -> types.ModuleType:
    """A peer whose import wants CUDA and packages for its training; its generator needs neither.

    The answer of ``torch.cuda.is_available`` is another one while the module is read, and only then: both
    assert it at their head.
    """
    import torch

    for unused in UNUSED:
        if importlib.util.find_spec(unused) is None:
            sys.modules[unused] = Absent(unused)
    asked = torch.cuda.is_available
    torch.cuda.is_available = lambda: True
    try:
        return importlib.import_module(name)
    finally:
        torch.cuda.is_available = asked


def stylegan2_pytorch(spec: dict) -> tuple[dict, Actions]:
    """Its generator as its trainer makes it (capacity 16, latents of 512), from styles and noise."""
    import torch

    network = imported("stylegan2_pytorch.stylegan2_pytorch").Generator(spec["side"], 512).eval()
    styles, noise = torch.randn(1, network.num_layers, 512), torch.rand(1, spec["side"], spec["side"], 1)
    return picture_facts("stylegan2_pytorch", network), {"frame": lambda: framed(network, styles, noise)}


def lightweight_gan(spec: dict) -> tuple[dict, Actions]:
    """Its generator as its command line makes it (latents of 256, attention at 32 px, no blur)."""
    import torch

    module = imported("lightweight_gan.lightweight_gan")
    module.norm_class, module.Blur = torch.nn.BatchNorm2d, torch.nn.Identity  # as its ``init_GAN`` does
    network = module.Generator(image_size=spec["side"], latent_dim=256, attn_res_layers=[32]).eval()
    latents = torch.randn(1, 256)
    return picture_facts("lightweight-gan", network), {"frame": lambda: framed(network, latents)}


def picture_facts(package: str, network: Any) -> dict:
    """Version and size of a generator."""
    from importlib.metadata import version

    return {"version": version(package), "parameters": sum(p.numel() for p in network.parameters())}


def framed(network: Any, *inputs: Any) -> int:
    """One picture."""
    import torch

    with torch.inference_mode():
        network(*inputs)
    return 1


KINDS = {
    "huggingface": huggingface, "notochord": notochord, "stylegan2_pytorch": stylegan2_pytorch,
    "lightweight_gan": lightweight_gan,
}  # fmt: skip


def main() -> None:
    """Tell what there is, then run what standard input names until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is not an answer

    def say(answer: dict) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)
        facts, actions = KINDS[sys.argv[1]](json.loads(sys.argv[2]))
    except ImportError as error:
        say({"missing": str(error)})
        return
    for action in actions.values():
        action()  # what cannot run ends here, before it is taken for a peer
    say({**facts, "torch": torch.__version__})
    for line in sys.stdin:
        began = time.process_time()
        rows = actions[line.strip()]()
        say({"row_s": (time.process_time() - began) / rows})


if __name__ == "__main__":
    main()
