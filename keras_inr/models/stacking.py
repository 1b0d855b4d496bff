"""K fields of one network as a single field with stacked weights, and back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_inr._arguments import as_list, positive_int
from keras_inr.errors import InputError, InputTypeError
from keras_inr.initializers._blank import blank_tables
from keras_inr.models.field import Field

NOT_OF_THE_NETWORK = ("name", "trainable", "picture_size", "seed")
"""What a field's config says beside the network that it is."""


def network_of(field: Field) -> dict[str, Any]:
    """The class and the arguments that make two fields the same network, whatever their weights and pictures.

    >>> from keras_inr.models import Siren
    >>> network_of(Siren(units=(8,), seed=1)) == network_of(Siren(units=(8,), seed=2, picture_size=(9, 9)))
    True
    """
    return {"class": type(field).__name__, **json.loads(json.dumps(_without_names(field.get_config())))}


def _without_names(config: dict[str, Any]) -> dict[str, Any]:
    """A config without what is not of the network; so the layers in it, whose names Keras counts up."""
    kept = {name: value for name, value in config.items() if name not in NOT_OF_THE_NETWORK}
    if "layers" in kept:
        kept["layers"] = [{**layer, "config": _without_names(layer["config"])} for layer in kept["layers"]]
    return kept


def stack(fields: Iterable[Field]) -> Field:
    """One field that holds the weights of K fields of the same network.

    Its call takes coordinates (N, 2), which all fields share, or (K, N, 2), and gives values (K, N, channels): those of
    field k at place k. Its weights are copies with a leading axis of K.

    Args:
        fields: single `Field`s of one network; seeds, names and pictures may differ.

    Returns:
        A field of their class with num_fields=K; it has their picture_size if they agree on one. The layers that are
        frozen in the first field are frozen in it.

    Raises:
        InputTypeError: for what is no field.
        InputError: for no field, a field that is stacked already, or different networks.

    >>> from keras_inr.models import Siren
    >>> stack([Siren(units=(8,), seed=seed) for seed in range(5)])(np.zeros((7, 2))).shape
    TensorShape([5, 7, 3])
    """
    fields = as_list("fields", fields)
    check_alike(fields)
    stacked = empty_stack(fields[0], len(fields))
    sizes = {field.picture_size for field in fields}
    stacked.picture_size = sizes.pop() if len(sizes) == 1 else None
    for variable, parts in zip(stacked.weights, zip(*(field.weights for field in fields), strict=True), strict=True):
        variable.assign(np.stack([part.numpy() for part in parts]))
    return stacked


def empty_stack(field: Field, num_fields: int) -> Field:
    """A stacked field of the network of `field`, single or stacked, see `empty_copy`."""
    check_stackable(field)
    return empty_copy(field, num_fields=positive_int("num_fields", num_fields), seed=0, name=None)


def empty_copy(field: Field, **changes: Any) -> Field:
    """Another field with the same layers frozen, some arguments changed, and weights that are still to be assigned."""
    with blank_tables():
        return fresh_copy(field, **changes)


def fresh_copy(field: Field, **changes: Any) -> Field:
    """Another field with the same layers frozen, some arguments changed, and weights that are drawn anew."""
    copy = type(field).from_config({**field.get_config(), **changes})
    for layer, original in zip(copy.named_layers, field.named_layers, strict=True):
        if not original.trainable:
            layer.trainable = False
    return copy


def unstack(stacked: Field, which: Iterable[int] | None = None) -> list[Field]:
    """The single fields that a stacked one holds.

    Args:
        stacked: a `Field` with num_fields.
        which: their places in the order wanted; all of them by default.

    Returns:
        A list of fields with the stacked one's picture_size and seed None, their weights copies.

    Raises:
        InputTypeError: for what is no field.
        InputError: for a field that is not stacked.

    >>> from keras_inr.models import Siren
    >>> first, second = unstack(Siren(units=(8,), num_fields=2))
    >>> first(np.zeros((7, 2))).shape
    TensorShape([7, 3])
    """
    check_field(stacked)
    if stacked.num_fields is None:
        raise InputError("field must be stacked, received num_fields=None")
    config = {**stacked.get_config(), "num_fields": None, "seed": None, "name": None}
    places = range(stacked.num_fields) if which is None else which
    fields = [type(stacked).from_config(config) for _ in places]
    copy_out(stacked, dict(zip(places, fields, strict=True)))
    return fields


def copy_out(stacked: Field, fields: Mapping[int, Field]) -> None:
    """Assigns the weights at places of a stacked field to single ones: a dict of place -> field."""
    arrays = [variable.numpy() for variable in stacked.weights]
    for place, field in fields.items():
        for variable, array in zip(field.weights, arrays, strict=True):
            variable.assign(array[place])


def check_alike(fields: Sequence[Field]) -> None:
    """Raises an InputError unless fields can be stacked."""
    if not fields:
        raise InputError("fields must be one at least, received none")
    for field in fields:
        check_field(field)
        if field.num_fields is not None:
            raise InputError(f"fields must be single ones, received num_fields={field.num_fields}")
        check_stackable(field)
        differing = differences(network_of(fields[0]), network_of(field))
        if differing:
            raise InputError(f"fields must be of one network, received {differing}")


def check_stackable(field: Field) -> None:
    """Raises an InputError for a field whose layers cannot hold the weights of several."""
    if field.unstackable is not None:
        told = f"since {field.unstackable}: fit such fields one by one with keras_inr.fit"
        raise InputError(f"the weights of {field.name!r} cannot be stacked with others, {told}")


def check_field(field: object) -> None:
    """Raises an InputTypeError unless it is a field."""
    if not isinstance(field, Field):
        raise InputTypeError(f"fields must be keras_inr.models.Field, received {type(field).__name__}")


def differences(network: dict[str, Any], other: dict[str, Any]) -> str:
    """What differs between two networks, as text: "units [8] and [9]"."""
    names = [name for name in {**network, **other} if network.get(name) != other.get(name)]
    return ", ".join(f"{name} {network.get(name)} and {other.get(name)}" for name in names)
