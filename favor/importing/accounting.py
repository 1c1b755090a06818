"""Accounting for every key of every released file: each is used with the right shape, or known to be unused."""

import re
from collections.abc import Mapping

from favor.errors import FavorError
from favor.importing.names import SKIPPED
from favor.importing.origins import Blip, Origin, TensorShape
from favor.importing.tensor_files import TensorSource
from favor.models.favor.config import FavorConfig
from favor.models.favor.encoders.sound import UNUSED_RELEASED

# The text branch of the causal Q-Former, heads, and the other half of Whisper and of InstructBLIP.
UNUSED = {
    "delta": r"video_Qformer\.(cls\..*|bert\.pooler\..*|bert\.embeddings\.(word|position)_embeddings\..*"
    r"|bert\.encoder\.layer\.\d+\.(intermediate|output)\..*)",
    "eva": r"(norm|fc_norm|head)\..*",
    "lavis": r"Qformer\.(cls|bert\.pooler)\..*",
    "hub": r"language_(model|projection)\..*",
    "whisper": r"(decoder|proj_out)\..*",
    "beats": UNUSED_RELEASED.pattern,
}


def check(
    config: FavorConfig,
    shapes: Mapping[str, TensorShape],
    found: Mapping[str, Origin],
    sources: Mapping[str, TensorSource],
    blip: Blip,
) -> None:
    """Compares the tensors in the sources with those the model needs.

    Args:
        config: the model's configuration.
        shapes: the shape of each of the model's parameters.
        found: the origin of each parameter.
        sources: the released weights, by option name.
        blip: the form of InstructBLIP's release.

    Raises:
        FavorError: for a tensor that is missing, unexpected, of another shape, or not floating-point.
    """
    for name, source in sources.items():
        wanted = {
            key: origin.key_shape(shapes[ours])
            for ours, origin in found.items()
            for origin_source, key in origin.keys
            if origin_source == name
        }
        _check_keys(source, wanted, unused(name, config, blip))
        _check_tensors(source, wanted)


def unused(source: str, config: FavorConfig, blip: Blip) -> re.Pattern[str]:
    """Returns a pattern for the keys that a released file may hold but the model does not use."""
    patterns = [SKIPPED.pattern, UNUSED.get(blip if source == "instructblip" else source)]
    if source == "eva":
        patterns.append(rf"blocks\.{config.visual.num_hidden_layers}\..*")  # the release may hold one extra block
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns if pattern))


def _check_keys(source: TensorSource, wanted: Mapping[str, TensorShape], unused: re.Pattern[str]) -> None:
    missing = [key for key in wanted if key not in source.specs]
    if missing:
        raise FavorError(f"{source.path} lacks {_listed(missing)}; is it whole, and the right file?")
    unexpected = [key for key in source.specs if key not in wanted and not unused.fullmatch(key)]
    if unexpected:
        raise FavorError(
            f"{source.path} holds {_listed(unexpected)}, which this model does not use; is it the right file?"
        )


def _check_tensors(source: TensorSource, wanted: Mapping[str, TensorShape]) -> None:
    for key, shape in wanted.items():
        spec = source.specs[key]
        if spec.shape != shape:
            raise FavorError(
                f"{source.path}: {key} has shape {spec.shape}, but the other files and the configuration make it "
                f"{shape}; do the files belong together?"
            )
        if not spec.dtype.is_floating_point:
            raise FavorError(f"{source.path}: {key} holds {spec.dtype}, not floating-point numbers")


def _listed(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more tensors"
