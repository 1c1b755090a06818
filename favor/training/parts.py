"""The parameters of a model that a stage trains."""

from torch import nn

from favor.errors import FavorError
from favor.models.favor.model import FavorModel
from favor.training.recipe import Stage

PART_MODULES = {
    "visual": "visual",
    "image_qformer": "image_qformer",
    "speech": "speech",
    "sound": "sound",
    "aligner": "aligner",
    "language": "llm",
}


def unfreeze(model: FavorModel, stage: Stage) -> dict[str, nn.Parameter]:
    """Enables gradients, in float32, for what a stage trains and for nothing else.

    Dropout is active at most in the trained parts.

    Returns:
        The trained parameters under their names in the model.

    Raises:
        FavorError: if the stage trains adapters that the model lacks, or trains nothing.
    """
    parts = stage.parts
    model.eval().requires_grad_(False)
    for part, name in PART_MODULES.items():
        module, freedom = getattr(model, name), getattr(parts, part)
        if module is None or freedom == "frozen":
            continue
        module.train(stage.dropout == "own")
        for path, parameter in module.named_parameters():
            parameter.requires_grad_(freedom == "full" or "lora_" in path)
    # Whisper's positions are a table of sinusoids, which is never trained.
    model.speech.whisper.embed_positions.requires_grad_(False)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if parts.language == "lora" and not any("lora_" in name for name in trained):
        raise FavorError(f"{model.name} has no adapters to train; give parts.language full")
    if not trained:
        raise FavorError("every part is frozen; set at least one of the stage's parts to full or lora")
    for parameter in trained.values():
        parameter.data = parameter.data.float()
    return trained


def parameter_groups(trained: dict[str, nn.Parameter], stage: Stage) -> list[dict[str, object]]:
    """Returns AdamW's parameter groups: matrices, with weight decay, and vectors, without."""
    matrices = [parameter for parameter in trained.values() if parameter.ndim > 1]
    vectors = [parameter for parameter in trained.values() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": stage.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
