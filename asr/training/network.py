"""The network and its training. PyTorch is needed here and nowhere else.

40 MFCC each 10 ms, in noise ─▶ conv 5 ─▶ conv 3, each third ─▶ 4 × conv 3 ─▶ log-probabilities of sounds each 30 ms
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch  # type: ignore[import-not-found,unused-ignore]
from torch import nn  # type: ignore[import-not-found,unused-ignore]

from asr._phones import SOUNDS
from asr.training.corpus import steps
from asr.training.features import SIZE
from asr.training.layers import AHEAD, BEFORE, Layer
from asr.training.noise import noisy

log = logging.getLogger(__name__)
Utterance = tuple[npt.NDArray[np.float16], npt.NDArray[np.int16]]
HIDDEN = 192
DROPOUT = 0.05
NOISY = 0.5  # of the utterances, beside those that were in noise when they were spoken
FRAMES = 2500  # of a batch: CTC needs many steps to get away from saying nothing
OFTEN = 250  # batches between two looks
RATE, WARM_UP, DECAY, GREATEST = 2e-3, 0.12, 1e-3, 5.0


class Network(nn.Module):  # type: ignore[misc,unused-ignore]
    """Takes [batch, BEFORE + frames + AHEAD, SIZE], its ends repeated; gives [batch, steps, 1 + sounds]."""

    def __init__(self, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.hidden = hidden
        self.norm = nn.BatchNorm1d(SIZE, affine=False, momentum=0.02)
        self.convs = nn.ModuleList(
            [nn.Conv1d(SIZE, hidden, 5), nn.Conv1d(hidden, hidden, 3, stride=3)]
            + [nn.Conv1d(hidden, hidden, 3) for _ in range(4)]
        )
        self.norms = nn.ModuleList([nn.BatchNorm1d(hidden) for _ in self.convs])
        self.drop = nn.Dropout(DROPOUT)
        self.out = nn.Conv1d(hidden, 1 + len(SOUNDS), 1)

    def forward(self, frames: Any) -> Any:
        x = self.norm(frames.transpose(1, 2))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.drop(norm(torch.relu(conv(x))))
        return self.out(x).transpose(1, 2).log_softmax(-1)


def batches(lengths: Sequence[int], chance: np.random.Generator, *, rising: bool = False) -> Iterator[list[int]]:
    """Utterances of about one length together, in random order; `rising`: the shortest first."""
    packed: list[list[int]] = []
    kept: list[int] = []
    for n in np.argsort(lengths, kind="stable"):
        if kept and (BEFORE + lengths[n] + AHEAD) * (len(kept) + 1) > FRAMES:
            packed.append(kept)
            kept = []
        kept.append(int(n))
    packed.append(kept)
    return (packed[n] for n in (range(len(packed)) if rising else chance.permutation(len(packed))))


def padded(found: Sequence[npt.NDArray[np.float16]], chance: np.random.Generator) -> npt.NDArray[np.float32]:
    """A batch with its context, every other utterance in a noise of its own; now and then a moment is blurred, as lost
    packets do."""
    longest = BEFORE + max(len(one) for one in found) + AHEAD
    x = np.empty((len(found), longest, SIZE), np.float32)
    for row, kept in zip(x, found, strict=True):
        one = noisy(kept, chance) if chance.random() < NOISY else kept
        row[:BEFORE], row[BEFORE : BEFORE + len(one)], row[BEFORE + len(one) :] = one[0], one, one[-1]
        if chance.random() < 0.4:
            width = int(chance.integers(2, 9))
            start = int(chance.integers(longest - width))
            row[start : start + width] = row[start : start + width].mean(0)
    return x


def rate(progress: float) -> float:
    """How fast it learns, `progress` from 0 to 1: a straight way up, half a cosine down to next to nothing."""
    if progress < WARM_UP:
        return RATE * (0.04 + 0.96 * progress / WARM_UP)
    return RATE * max(1e-4, 0.5 + 0.5 * math.cos(math.pi * min(1.0, (progress - WARM_UP) / (1 - WARM_UP))))


def train(rounds: Callable[[int], list[Utterance]], *, epochs: int, seed: int, kept: Path, threads: int) -> Network:
    """Learns for `epochs`, each on a round of utterances; goes on from `kept`, which is written after each.

    More threads than there are free cores are slower than one.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    loss_of = nn.CTCLoss(blank=0, zero_infinity=True)
    begin = 0
    if kept.is_file():
        state = torch.load(kept, weights_only=True)
        begin = state["epoch"]
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    for epoch in range(begin, epochs):
        chance = np.random.default_rng([seed, epoch])
        utterances, losses, began = rounds(epoch), [], time.monotonic()
        network.train()
        # Single words first: in long phrases CTC is long content with saying nothing at all.
        packed = list(batches([len(one) for one, _ in utterances], chance, rising=epoch == 0))
        for at, batch in enumerate(packed):
            for group in optimizer.param_groups:
                group["lr"] = rate((epoch + at / len(packed)) / epochs)
            found = network(torch.from_numpy(padded([utterances[n][0] for n in batch], chance)))
            said = np.concatenate([utterances[n][1] for n in batch]).astype(np.int64)
            loss = loss_of(
                found.transpose(0, 1),
                torch.from_numpy(said),
                torch.tensor([steps(len(utterances[n][0])) for n in batch]),
                torch.tensor([len(utterances[n][1]) for n in batch]),
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), GREATEST)
            optimizer.step()
            losses.append(loss.item())
            if len(losses) % OFTEN == 0:
                log.info("batch %d of %d: loss %.3f", len(losses), len(packed), float(np.mean(losses[-OFTEN:])))
                _keep(kept, epoch, network, optimizer)
        log.info("epoch %d: loss %.4f, %.0f s", epoch + 1, float(np.mean(losses)), time.monotonic() - began)
        _keep(kept, epoch + 1, network, optimizer)
    return network


def _keep(file: Path, epoch: int, network: Network, optimizer: Any) -> None:
    """`epoch` is the one to go on with."""
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({"epoch": epoch, "hidden": network.hidden, **state}, file.with_suffix(".part"))
    file.with_suffix(".part").rename(file)


def layers(network: Network) -> list[Layer]:
    """Affine layers with the normalisations before them folded in: what Kaldi's files hold."""
    network.eval()
    scale = 1 / np.sqrt(_array(network.norm.running_var) + network.norm.eps)
    shift = -_array(network.norm.running_mean) * scale
    found: list[Layer] = []
    for n, conv in enumerate([*network.convs, network.out]):
        weight, bias = _array(conv.weight), _array(conv.bias)
        bias = bias + np.einsum("oik,i->o", weight, shift)
        weight = (weight * scale[None, :, None]).transpose(0, 2, 1).reshape(len(weight), -1)
        found.append(Layer(weight.astype(np.float32), bias.astype(np.float32)))
        if n < len(network.norms):
            norm = network.norms[n]
            scale = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
            shift = _array(norm.bias) - _array(norm.running_mean) * scale
    return found


def restored(kept: Path) -> Network:
    state = torch.load(kept, weights_only=True)
    network = Network(state["hidden"])
    network.load_state_dict(state["network"])
    return network


def _array(tensor: Any) -> npt.NDArray[np.float64]:
    return np.asarray(tensor.detach().numpy(), np.float64)
