"""What a gateway reads of a model base that somebody else writes."""

import pytest

from keras_inr.errors import InputError
from keras_inr.export.models_config import MODELS_CONFIG
from keras_inr.gateway.base_folder import BaseFolder

ONE = 'model_config_list { config { name: "%s" base_path: "/models/%s" version_labels { key: "stable" value: 3 } } }'


@pytest.mark.parametrize("content", ["", "no config {{{", None])
def test_what_cannot_be_read_for_a_while_leaves_what_was_there(tmp_path, content):
    path = tmp_path / MODELS_CONFIG
    path.write_text(ONE % ("fox", "fox"))
    folder = BaseFolder(tmp_path)
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert (folder.models(), folder.labels_of("fox"), folder.labels_of("hen")) == (["fox"], {"stable": 3}, {})
    path.write_text(ONE % ("hen", "hen"))
    assert (folder.models(), folder.labels_of("fox"), folder.labels_of("hen")) == (["hen"], {}, {"stable": 3})


@pytest.mark.parametrize("content", ["no config {{{", None])
def test_it_must_be_readable_at_first(tmp_path, content):
    if content is not None:
        (tmp_path / MODELS_CONFIG).write_text(content)
    with pytest.raises(InputError):
        BaseFolder(tmp_path)
