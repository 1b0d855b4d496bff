"""Models: versions are loaded, swapped and unloaded while requests use them."""

import gc
import shutil
import threading
import types
import weakref

import pytest

from keras_inr.serving import models as module
from keras_inr.serving.messages import model_status
from keras_inr.serving.models import Models, ModelSettings
from keras_inr.serving.status import RequestError


class Fake:
    """In the place of a `Servable`: it knows its folder, and whether it was closed."""

    def __init__(self, folder):
        if (folder / "broken").exists():
            raise ValueError("it is broken\nin detail")
        self.folder = folder
        self.closed = False

    def close(self):
        self.closed = True


@pytest.fixture
def base(tmp_path):
    """base(*numbers) makes folders of versions of fox, and gives its settings."""

    def make(*numbers, policy=("all", None), **labels):
        for number in numbers:
            (tmp_path / "fox" / str(number)).mkdir(parents=True)
        return {"fox": ModelSettings(tmp_path / "fox", policy, labels)}

    return make


def states(models, name="fox"):
    return {number: entry.state for number, entry in models.status(name)}


def used(models, *wanted):
    with models.use("fox", *wanted) as (number, servable):
        assert servable.folder.name == str(number)
        return number


def refusal(models, *wanted):
    with pytest.raises(RequestError) as caught, models.use("fox", *wanted):
        pass
    return caught.value.code, caught.value.message


class TestPolicies:
    @pytest.mark.parametrize(
        ("policy", "expected"),
        [(("all", None), {1, 2, 10}), (("latest", 2), {2, 10}), (("specific", frozenset({1, 3})), {1})],
    )
    def test_which_versions_are_loaded(self, base, policy, expected):
        models = Models(Fake)
        models.configure(base(1, 2, 10, policy=policy))
        assert states(models) == dict.fromkeys(expected, "AVAILABLE")
        assert used(models) == max(expected)

    def test_entries_that_are_no_versions_are_passed_over(self, base, tmp_path):
        settings = base(1)
        for name in ("tmp.12", "-3", "1.5", "٣", str(2**63)):
            (tmp_path / "fox" / name).mkdir()
        (tmp_path / "fox" / "7").touch()
        models = Models(Fake)
        models.configure(settings)
        assert states(models) == {1: "AVAILABLE"}

    def test_a_folder_that_is_not_there_yet_is_waited_for(self, base, tmp_path):
        models = Models(Fake)
        models.configure(base())
        assert refusal(models) == ("NOT_FOUND", "Servable not found for request: Latest(fox)")
        base(4)
        models.poll()
        assert used(models) == 4


class TestSwaps:
    def test_a_new_version_takes_over_and_the_old_one_goes_with_its_folder(self, base, tmp_path):
        models = Models(Fake)
        models.configure(base(1, policy=("latest", 1)))
        with models.use("fox") as (_, old):
            base(2)
            models.poll()
            assert states(models) == {2: "AVAILABLE", 1: "UNLOADING"}
            assert used(models) == 2  # the new one answers while the old one is still used
            assert not old.closed
        assert old.closed
        assert states(models) == {2: "AVAILABLE", 1: "END"}
        assert refusal(models, 1) == ("NOT_FOUND", "Servable not found for request: Specific(fox, 1)")

    def test_the_last_version_stays_when_its_folder_goes(self, base, tmp_path):
        models = Models(Fake)
        models.configure(base(1))
        (tmp_path / "fox" / "1").rmdir()
        models.poll()
        assert used(models) == 1

    def test_a_broken_version_leaves_the_one_before_and_is_tried_again_later(self, base, tmp_path, monkeypatch):
        models = Models(Fake)
        models.configure(base(1, policy=("latest", 1)))
        base(2)
        (tmp_path / "fox" / "2" / "broken").touch()
        models.poll()
        assert used(models) == 1
        ((_, entry), _) = models.status("fox")
        assert (entry.state, entry.error) == ("END", "ValueError: it is broken")
        (tmp_path / "fox" / "2" / "broken").unlink()
        models.poll()
        assert used(models) == 1  # not before a minute is over
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
        models.poll()
        assert used(models) == 2
        assert states(models) == {2: "AVAILABLE", 1: "END"}

    def test_a_broken_version_that_is_made_anew_is_tried_at_once(self, base, tmp_path):
        models = Models(Fake)
        models.configure(base(1))
        base(2)
        (tmp_path / "fox" / "2" / "broken").touch()
        models.poll()
        (tmp_path / "fox" / "2").rename(tmp_path / "away")
        models.poll()
        assert states(models) == {1: "AVAILABLE"}
        base(2)
        models.poll()
        assert used(models) == 2

    def test_entries_that_cannot_be_looked_at(self, base, tmp_path, monkeypatch):
        models = Models(Fake)
        settings = base(1)
        (tmp_path / "fox" / "77").symlink_to("77")
        models.configure(settings)
        assert states(models) == {1: "AVAILABLE"}

        def fail(path):
            raise PermissionError(13, "no")

        monkeypatch.setattr(module.os, "scandir", fail)
        models.poll()
        assert states(models) == {1: "AVAILABLE"}

    def test_a_version_that_stays_broken_is_given_up(self, base, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
        tries = []

        def load(folder):
            tries.append(folder)
            raise ValueError("no")

        models = Models(load)
        models.configure(base(1))
        for _ in range(20):
            models.poll()
        assert len(tries) == module.LOAD_ATTEMPTS

    def test_a_version_comes_back(self, base, tmp_path):
        models = Models(Fake)
        models.configure(base(1, 2))
        (tmp_path / "fox" / "1").rmdir()
        models.poll()
        assert states(models)[1] == "END"
        base(1)
        models.poll()
        assert used(models, 1) == 1

    @pytest.mark.slow
    def test_nothing_is_missed_while_versions_come_and_go(self, base, tmp_path):
        models = Models(Fake)
        models.configure(base(1, policy=("latest", 1)))
        failures, done = [], threading.Event()

        def ask():
            while not done.is_set():
                try:
                    with models.use("fox") as (_, servable):
                        if servable.closed:
                            failures.append(servable.folder)
                except RequestError as error:
                    failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(2, 40):
            base(number)
            models.poll()
        done.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert used(models) == 39


class TestConfigurations:
    def test_labels_are_of_available_versions(self, base):
        models = Models(Fake)
        models.configure(base(1, 2, stable=1))
        assert used(models, None, "stable") == 1
        assert refusal(models, None, "canary") == (
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: canary",
        )
        with pytest.raises(RequestError, match=r"labels can only be of available versions.*fox version 7 \(canary\)"):
            models.configure(base(stable=2, canary=7))
        assert models.labels("fox") == {"stable": 1}  # as before
        base(7)
        models.configure(base(stable=2, canary=7))
        assert used(models, None, "canary") == 7

    def test_labels_answer_while_a_configuration_is_taken_up(self, base):
        models, seen = Models(lambda folder: seen.append(models.labels("fox")) or Fake(folder)), []
        models.configure(base(1, stable=1))
        models.configure(base(2, stable=2))
        assert seen == [{}, {"stable": 1}]
        assert models.labels("fox") == {"stable": 2}

    def test_models_that_are_not_named_any_more_go(self, base, tmp_path):
        seen = []
        models = Models(Fake, lambda name, number, entry: seen.append((name, number, entry.state)))
        models.configure(base(1))
        (tmp_path / "hen" / "5").mkdir(parents=True)
        models.configure({"hen": ModelSettings(tmp_path / "hen")})
        assert models.names == ["hen"]
        assert refusal(models) == ("NOT_FOUND", "Servable not found for request: Latest(fox)")
        assert states(models) == {1: "END"}
        models.close()
        assert seen == [
            *[("fox", 1, state) for state in ("LOADING", "AVAILABLE")],
            *[("hen", 5, state) for state in ("LOADING", "AVAILABLE")],
            *[("fox", 1, state) for state in ("UNLOADING", "END")],
            *[("hen", 5, state) for state in ("UNLOADING", "END")],
        ]

    @pytest.mark.parametrize("place", ["{folder}", "{folder}/variables/variables.index", "/etc/other/{folder.name}"])
    def test_a_status_tells_no_paths(self, base, tmp_path, place):
        def load(folder):
            raise OSError(f"SavedModel file does not exist at: {place.format(folder=folder)}: and/or not readable")

        models = Models(load)
        models.configure(base(1))
        (entry,) = model_status(models, "fox", None).model_version_status
        message = entry.status.error_message
        assert message.startswith("OSError: SavedModel file does not exist at: 1")
        assert message.endswith(": and/or not readable")
        assert "/fox" not in message
        assert "/etc" not in message
        ((_, version),) = models.status("fox")
        assert place.format(folder=tmp_path / "fox" / "1") in version.error  # the server's own messages do

    def test_unknown_names_have_no_status(self):
        with pytest.raises(RequestError, match="Could not find any versions of model fox"):
            Models(types.SimpleNamespace).status("fox")


def test_what_is_unloaded_is_freed(base, monkeypatch):
    """Graphs of TensorFlow are cycles, which Python would leave for long."""
    found = []

    class Cycle(Fake):
        def __init__(self, folder):
            super().__init__(folder)
            self.itself = self
            found.append(weakref.ref(self))

    models = Models(Cycle)
    settings = base(1, 2)
    gc.disable()
    try:
        models.configure(settings)
        with models.use("fox", 1):
            shutil.rmtree(settings["fox"].base_path / "1")
            models.poll()
            assert found[0]() is not None  # somebody uses it
        models.poll()
        assert [each() is None for each in found] == [True, False]
    finally:
        gc.enable()
