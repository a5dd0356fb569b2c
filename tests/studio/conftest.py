"""A library of takes, empty or with one take in it."""

import pytest

from studio.takes import Library
from tests.studio.takefolder import write_take


@pytest.fixture
def library(antiphon_home):
    (antiphon_home / "takes").mkdir()
    with Library() as found:
        yield found


@pytest.fixture
def one(library):
    return write_take(library.folder)
