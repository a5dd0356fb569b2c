"""From a bundle's files to a network and what is known of its training music."""

from __future__ import annotations

from midi.errors import UserError
from midi.events import vocabulary_hash
from models.bundle import MANIFEST, Bundle
from models.sequence.habits import Habit, read_habits
from models.sequence.memorization import PassageFilter
from models.sequence.network import EventModel, EventModelConfig

ARCHITECTURE = "event-rows"
PASSAGES = "passages"
"""Name under which a bundle's weights file carries the passage filter."""


def load_network(bundle: Bundle) -> tuple[EventModel, PassageFilter | None]:
    """The network of a checked bundle, on the CPU, and what it knows of its training music.

    Raises:
        UserError: The bundle holds another network or vocabulary, or its weights do not fit.
    """
    bundle.require_architecture(ARCHITECTURE)
    bundle.require_vocabulary(vocabulary_hash())
    with bundle.filling():
        model = EventModel(EventModelConfig.from_dict(bundle.manifest.config))
        tensors = bundle.tensors()
        bits = tensors.pop(PASSAGES, None)
        model.load_state_dict(tensors)
    return model, None if bits is None else PassageFilter(bits.numpy())


def load_habits(bundle: Bundle) -> dict[int, Habit]:
    """What a bundle tells of its training music; nothing in bundles that were made before there was anything.

    Raises:
        UserError: It tells nonsense.
    """
    try:
        return read_habits(bundle.manifest.metrics.get("habits", {}))
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"The habits in {bundle.path / MANIFEST} can't be read.", "Install the bundle again."
        ) from error
