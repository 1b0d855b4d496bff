"""Export of a field as a SavedModel for TensorFlow Serving."""

import gc
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_inr.errors import InputError, InputTypeError
from keras_inr.export.endpoints import make_endpoints, signature_names
from keras_inr.export.gradients import drop_custom_gradients
from keras_inr.export.information import information
from keras_inr.export.lint import lint_saved_model
from keras_inr.export.publish import publish
from keras_inr.export.replay import replay
from keras_inr.export.requests import Limits
from keras_inr.models.field import POINTS_PER_CALL, Field

WITHOUT_CUSTOM_GRADIENTS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def export_saved_model(
    field: Field,
    base_path: str | os.PathLike[str],
    version: int | None = None,
    *,
    info: dict[str, Any] | None = None,
    max_pixels: int = 2**24,
    chunk: int = POINTS_PER_CALL,
    max_points: int = 2**22,
    max_rows: int = 4096,
) -> pathlib.Path:
    """Writes a field to `<base_path>/<version>/`, the layout that TensorFlow Serving polls.

    The folder appears under its number only when it is complete, has passed `lint_saved_model`, and has answered one
    small request per signature like the field itself. Until then it is called `tmp.<32 hex digits>`, which servers
    ignore; after a failure it is removed. A killed export leaves such a folder behind, which the next export to the
    same base_path removes once it is a day old.

    Signatures have named inputs and outputs, and a first axis of requests (N points or B pictures):

    | signature         | inputs                                | outputs                                           |
    |-------------------|---------------------------------------|---------------------------------------------------|
    | `serving_default` | coords float32 [N, 2]                 | values float32 [N, C], unclamped; valid bool [N]   |
    | `gradient`        | coords float32 [N, 2]                 | values, jacobian float32 [N, C, 2]; valid         |
    | `laplacian`       | coords float32 [N, 2]                 | laplacian float32 [N, C]; valid                   |
    | `render`          | box float32 [B, 4], size int32 [B, 2] | image float32 [B, H, W, C], clamped to [0, 1]     |
    | `render_png`      | box float32 [B, 4], size int32 [B, 2] | png_bytes string [B], 8 bit, as `Field.render`    |
    | `info`            | query string [B], its text is ignored | info string [B], strict JSON, see `information`   |

    Values between the picture's pixels are the field's own, as `Field.render` shows them with between="field".
    Coordinates, boxes (x0, y0, x1, y1) and sizes (height, width) follow `keras_inr.coordinates`. Derivatives are of
    the values, per coordinate unit: jacobian[n, c] = (d values_c / dx, d values_c / dy). `laplacian` is left out for
    fields with a kink, where it does not exist (`keras_inr.derivatives.kinks_of` tells). `render` needs one size for
    all its rows. `render_png` is left out unless C is 1 (grey), 3 (RGB) or 4 (RGBA). All signatures speak float32
    whatever the field's policy, so that clients need not ask; a float64 field still computes in float64.
    Points are evaluated `chunk` at a time, so memory does not grow with a layer's width times the picture.
    Gradients through a loaded export are those of what it computes, through derivatives too.

    | signatures                                 | requests may be merged | a bad row                              |
    |--------------------------------------------|------------------------|----------------------------------------|
    | `serving_default`, `gradient`, `laplacian` | yes                    | valid False and NaN in all its outputs |
    | `info`                                     | yes                    | there is none                          |
    | `render`, `render_png`                     | no                     | the request fails with a sentence      |

    A point is invalid if a coordinate is not finite or beyond +-1e6, or an answer is not finite; each has its answer
    whatever stands beside it. NaN and not 0, so that a client that overlooks valid cannot take it for a value; in JSON
    TensorFlow Serving writes it as the bare word NaN, which strict parsers refuse, to the client that sent the point.
    Pictures share one limit of points over the rows of a request, and `render` one size, so strangers' requests would
    fail each other. `info` lists under "batching" which signatures may be merged. TensorFlow Serving batches a whole
    model or none of it, and the folder has no batching_params.pbtxt: with `--enable_batching
    --enable_per_model_batching_parameters` it is never batched, nor is it without `--enable_batching`. Who batches
    points keeps max_batch_size to at most max_points and max_rows, and checks shapes before: Serving joins requests
    before the model sees them, and one of [N, 3] would fail there with all that it was joined with.

    A request fails with INVALID_ARGUMENT and a sentence that names limit and received: for other shapes, pictures with
    edges beyond +-1e6 or not finite, or sides above 1e6 pixels, more than max_pixels points in all rows together, more
    than max_points points, and more than max_rows rows of pictures or of info.

    Args:
        field: a `Field`; weights are stored once, as they are, in the policy's variable dtype.
        base_path: folder of the model's versions, made if absent.
        version: integer from 1 that does not exist yet; None is the largest existing plus 1.
        info: dict of facts for the `info` signature, such as image_sha256, seed, psnr_db; strict JSON.
        max_pixels: most points that one render request may evaluate: its pixels, several in each where it is filtered.
        chunk: points per evaluation, of derivatives a quarter of them.
        max_points: most points that one request for values or derivatives may have. A quarter of max_pixels by default,
            since derivatives take several times as long.
        max_rows: most pictures, or texts of info, that one request may have: even a picture of one pixel takes 0.25 ms.

    Returns:
        `pathlib.Path` of the version's folder.

    Raises:
        InputTypeError: unless field is a `Field`.
        InputError: for stacked fields, arguments out of range, a base_path that cannot be written, values that are
            not finite, a graph that TensorFlow Serving could not run, or a call in the scope of a `tf.distribute`
            strategy.
        VersionExistsError: if the version exists.
        OSError: if the disk is full.

    >>> import tempfile
    >>> from keras_inr.models import Siren
    >>> folder = export_saved_model(Siren(units=(16, 16), picture_size=(20, 30)), tempfile.mkdtemp())
    >>> served = tf.saved_model.load(str(folder))
    >>> folder.name, served.signatures["serving_default"](coords=tf.zeros((5, 2)))["values"].shape
    ('1', TensorShape([5, 3]))
    """
    check_exportable(field)
    limits = Limits(max_pixels, chunk, max_points, max_rows)
    names = signature_names(field)
    text = json.dumps(information(field, limits, info, names), allow_nan=False)
    return publish(base_path, version, lambda folder: write_saved_model(folder, field, limits, text, names))


def check_exportable(field: Field) -> None:
    """InputTypeError unless it is a `Field`; InputError for a stacked one, and in the scope of a strategy."""
    if not isinstance(field, Field):
        raise InputTypeError(f"field must be a keras_inr.models.Field, received {field!r}")
    if field.num_fields is not None:
        raise InputError(f"field must be a single field to be exported, received num_fields={field.num_fields}")
    if tf.distribute.has_strategy():
        strategy = type(tf.distribute.get_strategy()).__name__
        raise InputError(f"a field must be exported outside the scope of a strategy, received a call in a {strategy}'s")


def export_once(
    make: Callable[[], Field], stored: Field, base_path: str | os.PathLike[str], info: dict[str, Any] | None = None
) -> pathlib.Path:
    """As `export_saved_model` of a field that is too large to be in memory twice.

    Args:
        make: makes the field. It is let go before the export is loaded to be looked at.
        stored: the same field with its weights in files, which the export is compared with.
        base_path, info: see `export_saved_model`.
    """

    def fill(folder: pathlib.Path) -> None:
        field = make()
        check_exportable(field)
        limits, names = Limits(), signature_names(field)
        write_graphs(folder, field, limits, json.dumps(information(field, limits, info), allow_nan=False), names)
        del field
        gc.collect()  # graphs and layers are cycles
        replay(folder, stored)

    return publish(base_path, None, fill)


def write_saved_model(folder: pathlib.Path, field: Field, limits: Limits, text: str, names: Sequence[str]) -> Any:
    """Writes the SavedModel into a folder, and raises unless it is fit to be served; gives it as it is loaded.

    Args:
        folder: an empty one.
        field, limits, text, names: see `make_endpoints`; the first is `serving_default` too, if none is called so.
    """
    write_graphs(folder, field, limits, text, names)
    return replay(folder, field)


def write_graphs(folder: pathlib.Path, field: Field, limits: Limits, text: str, names: Sequence[str]) -> None:
    """Writes the SavedModel, see `write_saved_model`, and raises for what TensorFlow Serving could not run."""
    endpoints = {  # traced once; keras.export.ExportArchive would trace them again when it saves
        name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        for name, (function, specs) in make_endpoints(field, limits, text, names).items()
    }
    module = tf.Module()
    module.weights = list({id(v): v for endpoint in endpoints.values() for v in endpoint.variables}.values())
    for name, endpoint in endpoints.items():
        setattr(module, name, endpoint)
    signatures = {"serving_default": next(iter(endpoints.values())), **endpoints}
    tf.saved_model.save(module, str(folder), signatures, WITHOUT_CUSTOM_GRADIENTS)
    drop_custom_gradients(folder)
    problems = lint_saved_model(folder)
    if problems:
        raise InputError(f"TensorFlow Serving could not run this field: {'; '.join(problems)}")
