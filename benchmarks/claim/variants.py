"""The variants of FAVOR in the comparison."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from clips import LONGEST, Seen
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from favor.models.favor.aligner import Aligner, audio_frames
from favor.models.favor.loading import initialise
from favor.models.favor.model import FavorModel
from favor.models.favor.qformer import CausalQFormerLayer
from favor.training.objective import IGNORED, diversity_loss
from mini.fact_tokens import disable_adapters
from mini.initial_weights import place, waves
from mini.packing import EVENNESS, Asked, PackedResult

TITLES = {
    "favor": "(a) FAVOR",
    "not-causal": "(b) without causal attention",
    "whole": "(c) one Q-Former over the whole clip",
    "apart": "(d) sound and picture in separate token runs",
    "mute": "(e) picture only",
    "released": "(f) the released direction of the mask",
    "resolutions": "(g) video-SALMONN's two resolutions",
}
CHANGES: dict[str, dict[str, Any]] = {  # to the causal Q-Former's configuration
    "not-causal": {"direction": "none"},
    "whole": {"resolutions": ((20, 64),), "max_positions": 640},
    "released": {"direction": "released"},
    "resolutions": {"resolutions": ((10, 30), (1, 3))},
}
RUNS = {"apart": (("visual",), ("speech",)), "mute": (("visual",),)}  # the Q-Former's inputs in successive passes
PARTS = 3  # groups of questions by length, which the LLM processes one after another

Pair = tuple[int, list[int], list[int]]  # the number of a clip, and the ids of a question and of its answer


class Variant(nn.Module):
    """A variant of FAVOR that answers many questions about each clip.

    Args:
        base: the trained model, from which all but the aligner is taken.
        name: one of ``TITLES``.
        seed: seed of the aligner's initial weights.
    """

    def __init__(self, base: FavorModel, name: str, seed: int) -> None:
        super().__init__()
        qformer = dataclasses.replace(base.config.causal_qformer, **CHANGES.get(name, {}))
        self.model = FavorModel(dataclasses.replace(base.config, causal_qformer=qformer), base.prompter).eval()
        initialise(self.model, seed)
        place(self.model)
        start(self.model.aligner, base.aligner)
        rest = {name: value for name, value in base.state_dict().items() if not name.startswith("aligner.")}
        self.model.load_state_dict(self.model.state_dict() | rest)
        disable_adapters(self.model)
        self.model.llm.set_attn_implementation("eager")  # faster than the fused kernel for short questions
        self.model.requires_grad_(False)
        self.runs = RUNS.get(name, (("visual", "speech"),))

    def in_half_precision(self, seen: Seen, asked: Sequence[Asked]) -> tuple[PackedResult, Tensor]:
        """Runs ``forward`` with the aligner and the LLM in bfloat16; parameters and gradients stay float32."""
        parts = self.model.named_parameters(prefix="model")
        halves = {name: one.bfloat16() for name, one in parts if name.startswith(("model.aligner.", "model.llm."))}
        result: tuple[PackedResult, Tensor] = torch.func.functional_call(self, halves, (seen, asked))
        return result

    def forward(self, seen: Seen, asked: Sequence[Asked]) -> tuple[PackedResult, Tensor]:
        """Returns the LLM's results and the diversity loss.

        The LLM reads each clip once and then its questions, batched by similar length: on a CPU that is faster than
        rows of all questions (``mini.packing.PackedLoss``), where attention also computes masked entries.
        """
        runs = [self._query(seen, run) for run in self.runs]
        tokens, is_there = (torch.cat([run[place] for run in runs], dim=1) for place in (0, 1))
        read, is_read = self._read(tokens.flatten(1, 2), is_there.repeat_interleave(tokens.shape[2], 1))
        pairs = [
            (clip, *pair) for clip, one in enumerate(asked) for pair in zip(one.questions, one.answers, strict=True)
        ]
        lengths = np.array([len(question) + len(answer) for _, question, answer in pairs])
        order = lengths.argsort(kind="stable")
        shares = lengths[order].cumsum() / lengths.sum()
        parts = np.split(order, np.searchsorted(shares, np.arange(1, PARTS) / PARTS))
        answers = [self._answer(read, is_read, [pairs[n] for n in part]) for part in parts]
        losses, right, counts = (torch.cat(part) for part in zip(*answers, strict=True))
        loss = (losses * counts**-EVENNESS).sum() / (counts ** (1 - EVENNESS)).sum()
        return PackedResult(loss, right[order.argsort()]), torch.stack([diversity for _, _, diversity in runs]).mean()

    def _query(self, seen: Seen, run: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns tokens (clips, blocks, queries, width), their mask (clips, blocks), and the diversity loss."""
        aligner, frames = self.model.aligner, self.model.aligner.config.block_frames
        kind = aligner.positions.weight.dtype
        halves = audio_frames(aligner.speech_proj(seen.speech.to(kind)).flatten(0, 2), aligner.slots)
        streams = {"visual": seen.visual.to(kind), "speech": halves.unflatten(0, (-1, LONGEST))}
        lengths = {"visual": seen.shown, "speech": seen.heard}
        numbers = torch.arange(LONGEST, device=halves.device)
        streams["speech"] = streams["speech"] * (numbers < seen.heard[:, None])[..., None, None]
        shown = [stream if name in run else torch.zeros_like(stream) for name, stream in streams.items()]
        is_frame = numbers < torch.stack([lengths[name] for name in run]).amax(0)[:, None]
        blocks, is_frame = (part.unflatten(1, (-1, frames)) for part in (torch.cat(shown, dim=-1), is_frame))
        is_there = is_frame.any(2)
        outputs = aligner.query_blocks(blocks[is_there].flatten(0, 1), is_frame[is_there].flatten())
        tokens = aligner.llm_proj(aligner.join(outputs))
        laid = tokens.new_zeros(*is_there.shape, *tokens.shape[1:])
        laid[is_there] = tokens
        return laid, is_there, diversity_loss(outputs[0].float())

    def _read(self, tokens: Tensor, is_token: Tensor) -> tuple[DynamicCache, Tensor]:
        """Runs the LLM on clips (clips, tokens, width) with a mask (clips, tokens); returns its cache and mask."""
        before = self.model.prompter.before_ids()
        text = self.model.llm.get_input_embeddings()(torch.tensor(before, device=tokens.device))
        tokens = torch.cat([text.expand(len(tokens), -1, -1), tokens], dim=1)
        is_token = F.pad(is_token, (len(before), 0), value=True)
        earlier = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool, device=tokens.device).tril()
        read = DynamicCache()
        places = is_token.cumsum(1) - 1
        self.model.llm.model(None, added(earlier & is_token[:, None], tokens.dtype), places, read, tokens)
        return read, is_token

    def _answer(self, read: DynamicCache, is_read: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns for each question its answer's cross-entropy, whether it is right, and its number of tokens."""
        device = is_read.device
        clips = torch.tensor([clip for clip, _, _ in pairs], device=device)
        ids, wanted = (
            pad_sequence([torch.tensor(line) for line in lines], batch_first=True, padding_value=IGNORED).to(device)
            for lines in (
                [question + answer[:-1] for _, question, answer in pairs],
                [[IGNORED] * (len(question) - 1) + answer for _, question, answer in pairs],
            )
        )
        earlier = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=device).tril()
        is_read = is_read[clips]
        mask = torch.cat([is_read[:, None].expand(-1, len(earlier), -1), earlier.expand(len(clips), -1, -1)], dim=2)
        places = is_read.sum(1)[:, None] + torch.arange(ids.shape[1], device=device)
        copied = DynamicCache(
            [(layer.keys.index_select(0, clips), layer.values.index_select(0, clips)) for layer in read.layers]
        )
        output = self.model.llm.model(ids.clamp(min=0), added(mask, copied.layers[0].keys.dtype), places, copied)
        is_wanted = wanted != IGNORED
        logits = self.model.llm.lm_head(output.last_hidden_state[is_wanted]).float()
        losses, right = torch.zeros_like(wanted, dtype=torch.float32), torch.ones_like(is_wanted)
        losses = losses.masked_scatter(is_wanted, F.cross_entropy(logits, wanted[is_wanted], reduction="none"))
        right = right.masked_scatter(is_wanted, logits.argmax(-1) == wanted[is_wanted])
        return losses.sum(1), right.all(1), is_wanted.sum(1)


def start(aligner: Aligner, trained: Aligner) -> None:
    """Initialises a random aligner so that few steps suffice, in the same way for each variant.

    Projections are the trained model's, causal attention adds nothing, and each query attends near its own time.
    """
    with torch.no_grad():
        aligner.speech_proj.load_state_dict(trained.speech_proj.state_dict())
        aligner.frame_norm.load_state_dict(trained.frame_norm.state_dict())
        several = len(aligner.config.resolutions)
        aligner.llm_proj.weight.copy_(trained.llm_proj.weight.repeat(1, several) * several**-0.5)
        aligner.llm_proj.bias.copy_(trained.llm_proj.bias)
        for layer in aligner.causal_qformer.layers:
            assert isinstance(layer, CausalQFormerLayer)
            if layer.causal_attention is not None:
                layer.causal_attention.out.weight.zero_()
            attention = layer.cross_attention
            width, source_width = attention.key.weight.shape
            times = torch.arange(aligner.config.block_frames * aligner.slots)
            as_query = torch.linalg.lstsq(waves(times, source_width), waves(times, width)).solution.T
            attention.key.weight.copy_(attention.query.weight @ as_query)


def added(visible: Tensor, kind: torch.dtype) -> Tensor:
    """Returns the additive attention mask, (rows, 1, places, places), of a boolean one."""
    return torch.zeros_like(visible, dtype=kind).masked_fill(~visible, torch.finfo(kind).min)[:, None]
