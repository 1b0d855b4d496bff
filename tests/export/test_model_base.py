"""export_model_base: what TensorFlow Serving is started with, and what a killed or repeated export leaves."""

import json
import os
import pathlib
import shlex
import shutil
import threading

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from export.small_fields import ATOL, CHUNK, MAX_POINTS, MAX_ROWS, small_field
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.export import export_model_base, instructions, model_base, retire_versions, set_label
from keras_inr.export.lint import lint_saved_model
from keras_inr.export.models_config import LOCK, ORIGINAL
from keras_inr.export.publish import existing_versions, publish_together
from keras_inr.export.warm_up import WARM_UP, write_warm_up
from keras_inr.models import Siren

LIMITS = {"max_pixels": 2**17, "chunk": CHUNK, "max_points": MAX_POINTS, "max_rows": MAX_ROWS}


def config_of(base):
    return text_format.Parse((base / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())


def entries(base):
    return {model.name: model for model in config_of(base).model_config_list.config}


def warm_up_requests(folder):
    """signature -> {input: array}, as a server reads them."""
    records = tf.data.TFRecordDataset(str(folder / WARM_UP)).as_numpy_iterator()
    found = {}
    for record in records:
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        arrays = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        inputs = {name: array.astype("S") if array.dtype == object else array for name, array in arrays.items()}
        found[request.model_spec.signature_name] = inputs
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(field, BaseVersion) of a field with all signatures."""
    field = small_field("siren_256")
    base = tmp_path_factory.mktemp("models") / "a base"
    return field, export_model_base(field, base, "fox", labels=["stable"], info={"psnr_db": 31.5}, **LIMITS)


@pytest.fixture
def tiny():
    return Siren(units=(4,), picture_size=(3, 5), seed=0)


def test_layout_and_configuration(made):
    _, version = made
    base = version.base
    visible = sorted(path.name for path in base.iterdir() if path.name != LOCK)
    assert visible == ["fox", "fox_pictures", "models.config", "monitoring.config"]
    found = entries(base)
    assert {name: entry.base_path for name, entry in found.items()} == {
        "fox": "/models/fox",
        "fox_pictures": "/models/fox_pictures",
    }
    for entry in found.values():
        assert entry.model_platform == "tensorflow"
        assert entry.model_version_policy.WhichOneof("policy_choice") == "all"
        assert dict(entry.version_labels) == {"stable": 1}
    assert "/monitoring/prometheus/metrics" in (base / "monitoring.config").read_text()
    assert (version.name, version.version, version.labels) == ("fox", 1, {"stable": 1})


def test_only_the_model_of_points_may_be_batched(made):
    _, version = made
    assert not (version.base / "fox_pictures" / "1" / "batching_params.pbtxt").exists()
    text = (version.base / "fox" / "1" / "batching_params.pbtxt").read_text()
    values = dict(line.replace(" {", "").replace(" }", "").split(" value: ") for line in text.splitlines())
    assert values["max_batch_size"] == str(MAX_POINTS)
    assert values["max_execution_batch_size"] == str(CHUNK)
    assert values["enable_large_batch_splitting"] == "true"


@pytest.mark.parametrize("model", ["fox", "fox_pictures"])
def test_each_model_passes_the_lint_and_tells_its_own_signatures(made, model):
    _, version = made
    folder = version.base / model / "1"
    assert lint_saved_model(folder) == []
    loaded = tf.saved_model.load(str(folder))
    assert set(loaded.signatures) == {"serving_default", *version.signatures[model]}
    info = json.loads(loaded.signatures["info"](query=tf.constant(["?"]))["info"][0].numpy())
    assert info["signatures"] == version.signatures[model]
    assert info["psnr_db"] == 31.5
    assert info["batching"] == {name: model == "fox" or name == "info" for name in version.signatures[model]}


def test_the_c_session_answers_every_warm_up_record_like_the_field(made, serve):
    field, version = made
    folders = [version.base / model / "1" for model in version.signatures]
    requests = [warm_up_requests(folder) for folder in folders]
    assert [set(found) for found in requests] == [set(names) for names in version.signatures.values()]
    replies, _ = serve([(folder, list(found.items())) for folder, found in zip(folders, requests, strict=True)])
    for found, answers in zip(requests, replies, strict=True):
        for (signature, inputs), answer in zip(found.items(), answers, strict=True):
            assert isinstance(answer, dict), answer
            if signature == "serving_default":
                np.testing.assert_allclose(answer["values"], field(inputs["coords"]), atol=ATOL)
            if signature == "render":
                size, box = inputs["size"][0], inputs["box"][0]
                assert tuple(size) == (20, 30)  # the picture's own
                expected = np.clip(field.sample_grid(*size, box), 0, 1)
                np.testing.assert_allclose(answer["image"][0], expected, atol=ATOL)


def test_a_picture_of_many_pixels_is_warmed_up_by_a_part_of_it(tmp_path):
    field = Siren(units=(4,), picture_size=(4000, 6000), seed=0)
    version = export_model_base(field, tmp_path, "large")
    inputs = warm_up_requests(tmp_path / "large_pictures" / "1")["render_png"]
    assert inputs["size"].tolist() == [[256, 256]]
    width = (inputs["box"][0, 2] - inputs["box"][0, 0]) * 3000
    assert width == pytest.approx(256, abs=0.1)
    assert version.signatures["large_pictures"] == ["render_png", "render", "info"]


def test_a_request_that_fails_is_not_written_as_a_warm_up(made, tmp_path):
    _, version = made
    folder = version.base / "fox" / "1"
    before = (folder / WARM_UP).read_bytes()
    too_many = {"serving_default": {"coords": np.zeros((MAX_POINTS + 1, 2), np.float32)}}
    with pytest.raises(tf.errors.InvalidArgumentError, match="coords must have at most"):
        write_warm_up(folder, tf.saved_model.load(str(folder)), "fox", too_many)
    (folder / WARM_UP).write_bytes(before)


def test_the_lines_that_are_printed_ask_what_the_models_answer(made):
    """Bodies in rows: each instance becomes a row of every input."""
    _, version = made
    loaded = {model: tf.saved_model.load(str(version.base / model / "1")) for model in version.signatures}
    asked = instructions.curl_commands(version)
    assert set(asked) == {"serving_default", "gradient", "laplacian", "info", "render", "render_png"}
    for name, command in asked.items():
        words = shlex.split(command)
        assert words[:2] == ["curl", "-s"]
        model = words[2].removeprefix("http://localhost:8501/v1/models/").removesuffix(":predict")
        body = json.loads(words[4])
        function = loaded[model].signatures[body.get("signature_name", "serving_default")]
        specs = function.structured_input_signature[1]
        rows = body["instances"]
        rows = rows if isinstance(rows[0], dict) else [{next(iter(specs)): row} for row in rows]
        feeds = {key: tf.constant([row[key] for row in rows], spec.dtype) for key, spec in specs.items()}
        assert name in ("serving_default", body.get("signature_name"))
        assert all(len(answer) == len(rows) for answer in function(**feeds).values())


def test_the_docker_line_names_files_that_exist(made):
    _, version = made
    words = shlex.split(instructions.docker_command(version).replace("\\\n", " "))
    assert words[words.index("-v") + 1] == f"{version.base}:/models:ro"
    for word in words:
        flag, _, value = word.partition("=")
        if flag.endswith("_config_file"):
            assert (version.base / value.removeprefix("/models/")).is_file()
    assert "--allow_version_labels_for_unavailable_models=true" in words  # labels of others count, too


def test_the_guide_shows_the_lines(tmp_path):
    guide = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "guides" / "serve.md").read_text()
    signatures = {"fox_pictures": ["render_png"], "fox": ["serving_default", "gradient", "info"]}
    version = model_base.BaseVersion(tmp_path, "fox", 1, signatures, {})
    assert instructions.docker_command(version).replace(f"{tmp_path}:", '"$PWD/models:').replace(":ro", ':ro"') in guide
    for command in instructions.curl_commands(version).values():
        assert f"\n{command}\n" in guide


class TestNames:
    @pytest.mark.slow
    def test_a_name_that_exists_needs_add_version(self, tiny, tmp_path):
        with pytest.raises(InputError, match="has no version of 'fox' yet: export its first without add_version"):
            export_model_base(tiny, tmp_path, "fox", add_version=True)
        export_model_base(tiny, tmp_path, "fox")
        with pytest.raises(InputError, match="has no version of 'owl' yet, only of fox: export its first"):
            export_model_base(tiny, tmp_path, "owl", add_version=True)
        with pytest.raises(InputError, match=r"'fox' is in .* already: add a version of it with add_version"):
            export_model_base(tiny, tmp_path, "fox")
        assert export_model_base(tiny, tmp_path, "fox", add_version=True).version == 2
        assert export_model_base(tiny, tmp_path, "hen", 5).version == 5
        assert sorted(entries(tmp_path)) == ["fox", "fox_pictures", "hen", "hen_pictures"]
        assert existing_versions(tmp_path / "fox_pictures") == [1, 2]

    def test_a_folder_of_versions_that_no_export_made_is_not_taken(self, tiny, tmp_path):
        (tmp_path / "fox" / "1").mkdir(parents=True)
        with pytest.raises(InputError, match=r"'fox' is in .* already"):
            export_model_base(tiny, tmp_path, "fox")

    @pytest.mark.slow
    @pytest.mark.parametrize("label", ["1", "007", "123"])
    def test_a_label_of_digits_would_be_a_version(self, tiny, tmp_path, label):
        with pytest.raises(InputError, match=f"label must have more than digits, which name a version, .*'{label}'"):
            export_model_base(tiny, tmp_path / "new", "fox", labels=[label])
        assert not (tmp_path / "new").exists()
        export_model_base(tiny, tmp_path, "fox", labels=["v1"])
        with pytest.raises(InputError, match="label must have more than digits"):
            set_label(tmp_path, "fox", label, 1)

    @pytest.mark.parametrize("name", ["", "a/b", "a:b", "..", "a b", ".hidden", "é", "x" * 101, 7, "fox_pictures"])
    def test_names_that_do_not_fit(self, tiny, tmp_path, name):
        with pytest.raises(InputError, match="name must "):
            export_model_base(tiny, tmp_path, name)
        assert list(tmp_path.iterdir()) == []

    def test_arguments_that_do_not_fit(self, tiny, tmp_path):
        with pytest.raises(InputError, match="label must be 1 to 100 letters"):
            export_model_base(tiny, tmp_path, "fox", labels=["a/b"])
        with pytest.raises(InputError, match="container_path must begin with '/', received 'models'"):
            export_model_base(tiny, tmp_path, "fox", container_path="models")
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="base must be a folder to write to"):
            export_model_base(tiny, tmp_path / "file", "fox")

    def test_two_channels_have_no_png(self, tmp_path):
        field = Siren(units=(4,), channels=2, picture_size=(3, 5))
        version = export_model_base(field, tmp_path, "pair")
        assert version.signatures["pair_pictures"] == ["render", "info"]
        assert lint_saved_model(tmp_path / "pair_pictures" / "1") == []


class TestConfiguration:
    @pytest.mark.slow
    def test_a_container_path_stays_unless_another_is_given(self, tiny, tmp_path):
        export_model_base(tiny, tmp_path, "fox", container_path="/srv")
        version = export_model_base(tiny, tmp_path, "fox", add_version=True)
        assert entries(tmp_path)["fox"].base_path == "/srv/fox"
        assert f"{tmp_path}:/srv:ro" in instructions.docker_command(version)

    def test_the_original_is_kept_beside_the_pictures(self, tiny, tmp_path):
        values = np.linspace(0, 1, 45, dtype=np.float32).reshape(3, 5, 3)
        made = export_model_base(tiny, tmp_path / "base", "fox", original=values)
        kept = np.asarray(PIL.Image.open(made.base / "fox_pictures" / "1" / ORIGINAL))
        np.testing.assert_array_equal(kept, np.rint(values * 255))
        assert not (made.base / "fox" / "1" / ORIGINAL).exists()
        for shape in ((3, 5, 4), (5, 3, 3), (3, 5)):
            with pytest.raises(InputError, match="original must have the field's size and channels"):
                export_model_base(tiny, tmp_path / "base", "hen", original=np.zeros(shape, np.uint8))

    @pytest.mark.slow
    def test_models_of_pictures_are_no_names(self, tiny, tmp_path):
        export_model_base(tiny, tmp_path, "fox")
        for change in (
            lambda: retire_versions(tmp_path, "fox_pictures", [1]),
            lambda: set_label(tmp_path, "fox_pictures", "a", 1),
        ):
            with pytest.raises(InputError, match="name must be one of fox, received 'fox_pictures'"):
                change()

    def test_a_version_that_a_kill_left_without_its_points_can_be_retired(self, tiny, tmp_path):
        export_model_base(tiny, tmp_path, "fox")
        (tmp_path / "fox_pictures" / "2").mkdir()
        assert retire_versions(tmp_path, "fox", [2]) == [2]
        assert existing_versions(tmp_path / "fox_pictures") == [1]

    def test_other_entries_and_settings_stay(self, tiny, tmp_path):
        (tmp_path / "models.config").write_text(
            'model_config_list { config { name: "other" base_path: "/elsewhere" model_platform: "tensorflow" } }'
        )
        export_model_base(tiny, tmp_path, "fox", container_path="/srv/")
        found = entries(tmp_path)
        assert found["other"].base_path == "/elsewhere"
        assert found["fox"].base_path == "/srv/fox"

    def test_a_damaged_one_is_told_and_left(self, tiny, tmp_path):
        (tmp_path / "models.config").write_text("model_config_list { what }")
        with pytest.raises(DamagedFileError, match="must be a ModelServerConfig as text, received one with 1:"):
            export_model_base(tiny, tmp_path, "fox")
        assert (tmp_path / "models.config").read_text() == "model_config_list { what }"
        assert not (tmp_path / "fox").exists()

    def test_exports_at_once_are_all_listed(self, tiny, tmp_path, monkeypatch):
        """Graphs are written one after another, by TensorFlow's own lock; the configuration is what they share."""
        monkeypatch.setattr(model_base, "write_saved_model", lambda folder, *rest: (folder / "model").touch())
        monkeypatch.setattr(model_base, "write_warm_up", lambda *arguments: None)
        threads = [
            threading.Thread(target=export_model_base, args=(tiny, tmp_path, f"fox{index}")) for index in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(entries(tmp_path)) == 16

    def test_labels_move_and_go(self, tiny, tmp_path):
        export_model_base(tiny, tmp_path, "fox", labels=["stable", "first"])
        version = export_model_base(tiny, tmp_path, "fox", add_version=True, labels=["stable"])
        assert version.labels == {"stable": 2, "first": 1}
        set_label(tmp_path, "fox", "stable", 1)
        set_label(tmp_path, "fox", "first", None)
        assert [dict(entry.version_labels) for entry in entries(tmp_path).values()] == 2 * [{"stable": 1}]
        with pytest.raises(InputError, match="label must be one of stable, received 'first'"):
            set_label(tmp_path, "fox", "first", None)
        with pytest.raises(InputError, match="version must be one of 1, 2, received 3"):
            set_label(tmp_path, "fox", "stable", 3)
        with pytest.raises(InputError, match="name must be one of fox, received 'hen'"):
            set_label(tmp_path, "hen", "stable", 1)

    @pytest.mark.slow
    def test_old_versions_retire_but_labelled_ones_and_the_last(self, tiny, tmp_path):
        export_model_base(tiny, tmp_path, "fox", labels=["stable"])
        for _ in range(3):
            export_model_base(tiny, tmp_path, "fox", add_version=True)
        assert retire_versions(tmp_path, "fox", keep=1) == [2, 3]
        assert existing_versions(tmp_path / "fox") == existing_versions(tmp_path / "fox_pictures") == [1, 4]
        with pytest.raises(InputError, match="version 1 has the label 'stable'"):
            retire_versions(tmp_path, "fox", [1])
        with pytest.raises(InputError, match="version must be one of 1, 4, received 2"):
            retire_versions(tmp_path, "fox", [2])
        set_label(tmp_path, "fox", "stable", None)
        with pytest.raises(InputError, match="version 4 of 'fox' is the only one left: a model keeps one"):
            retire_versions(tmp_path, "fox", [1, 4])
        assert retire_versions(tmp_path, "fox", [1]) == [1]
        assert [path.name for path in (tmp_path / "fox").iterdir()] == ["4"]


class TestKilled:
    """The same call again finishes what a killed export began, whatever it had come to."""

    @pytest.fixture
    def killed(self, tiny, tmp_path, monkeypatch):
        """killed(**arguments) exports fox until its folders have their number, and nothing else of it is written.

        Of models there is a file only, which is quicker.
        """
        monkeypatch.setattr(model_base, "write_saved_model", lambda folder, *rest: (folder / "model").touch())
        monkeypatch.setattr(model_base, "write_warm_up", lambda *arguments: None)

        def kill(*arguments):
            raise KeyboardInterrupt

        def export(**arguments):
            with monkeypatch.context() as patched:
                patched.setattr(model_base, "put_model", kill)
                with pytest.raises(KeyboardInterrupt):
                    export_model_base(tiny, tmp_path, "fox", **arguments)

        return export

    @pytest.mark.parametrize("between_renames", [True, False])
    def test_the_first_export(self, tiny, tmp_path, killed, between_renames):
        killed(labels=["stable"])
        assert not (tmp_path / "models.config").exists()
        if between_renames:
            shutil.rmtree(tmp_path / "fox" / "1")
        with pytest.raises(
            InputError, match=r"version must be another than 1 or left out, .* before models.config had it"
        ):
            export_model_base(tiny, tmp_path, "fox", 1)
        again = export_model_base(tiny, tmp_path, "fox", labels=["stable"])
        assert (again.version, again.labels) == (2, {"stable": 2})
        assert existing_versions(tmp_path / "fox_pictures") == [1, 2]
        assert sorted(entries(tmp_path)) == ["fox", "fox_pictures"]
        with pytest.raises(InputError, match="already: add a version of it"):
            export_model_base(tiny, tmp_path, "fox")

    def test_a_label_that_was_not_moved_yet(self, tiny, tmp_path, killed):
        export_model_base(tiny, tmp_path, "fox", labels=["stable"])
        killed(labels=["stable"], add_version=True)
        assert dict(entries(tmp_path)["fox"].version_labels) == {"stable": 1}
        again = export_model_base(tiny, tmp_path, "fox", labels=["stable"], add_version=True)
        assert again.labels == {"stable": again.version} == {"stable": 3}

    def test_what_lies_hidden_goes_after_a_day_when_versions_retire(self, tiny, tmp_path):
        export_model_base(tiny, tmp_path, "fox")
        old, young = (tmp_path / "hen" / f"tmp.{letter * 32}" for letter in "ab")
        for folder in (old, young):
            folder.mkdir(parents=True)
        os.utime(old, (0, 0))
        assert retire_versions(tmp_path, "fox", keep=1) == []
        assert list((tmp_path / "hen").iterdir()) == [young]


def touch(folder):
    (folder / "file").touch()


class TestTogether:
    def test_folders_get_one_number_above_all(self, tmp_path):
        (tmp_path / "b" / "7").mkdir(parents=True)
        folders = publish_together({tmp_path / "a": touch, tmp_path / "b": touch}, None)
        assert folders == [tmp_path / "a" / "8", tmp_path / "b" / "8"]

    def test_none_appears_if_one_cannot_be_filled(self, tmp_path):
        def fail(folder):
            assert [path.name[:4] for path in (tmp_path / "a").iterdir()] == ["tmp."]
            raise KeyError("no")

        with pytest.raises(KeyError):
            publish_together({tmp_path / "a": touch, tmp_path / "b": fail}, None)
        assert list(tmp_path.iterdir()) == []

    def test_what_was_claimed_is_given_back_where_the_next_is_taken(self, tmp_path):
        def taken(folder):
            touch(folder)
            (tmp_path / "b" / "3").mkdir()
            (tmp_path / "b" / "3" / "other").touch()

        with pytest.raises(FileExistsError, match=r"version must not exist yet under '.*b', received 3"):
            publish_together({tmp_path / "a": touch, tmp_path / "b": taken}, 3)
        assert not (tmp_path / "a").exists()
        assert (tmp_path / "b" / "3" / "other").exists()
        assert [path.name for path in (tmp_path / "b").iterdir()] == ["3"]
