"""The model's folder, as vosk reads it, from a network's layers: plain bytes, no Kaldi.

am/final.mdl                       transitions and network
conf/mfcc.conf, conf/model.conf    features, decoder, ends of phrases
graph/HCLr.fst, Gr.fst, words.txt  common words, for whoever takes the folder for any other Kaldi model
lexicon.json                       the sounds: with them a graph of any words is made (`asr._lexicon`)
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr._doubt import Sure
from asr._graph import Costs, Phones, Pronunciation, Vocabulary, loop, unigram
from asr.training.corpus import SUBSAMPLING
from asr.training.features import CONF, SIZE
from asr.training.layers import AHEAD, BEFORE, OFFSETS, Layer

SURE = Sure(alone=0.75, beside_foreign=0.9)  # below it foreign phrases are more than answers
HALF = math.log(0.5)
# The blank inside a word counts as silence too, or many an utterance never ends.
MODEL_CONF = f"""--min-active=200
--max-active=3000
--beam=10.0
--lattice-beam=2.5
--acoustic-scale=1.0
--frame-subsampling-factor={SUBSAMPLING}
--frames-per-chunk=6
--endpoint.silence-phones=1:2
--endpoint.rule1.min-trailing-silence=5.0
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=0.75
--endpoint.rule4.min-trailing-silence=1.0
"""


def write(
    folder: Path,
    layers: Sequence[Layer],
    sounds: Sequence[str],
    words: Mapping[str, Sequence[Pronunciation]],
    common: Mapping[str, Mapping[str, Sequence[Pronunciation]]],
    costs: Costs,
) -> None:
    """Everything that vosk wants; a folder that is there is written over. `words` are those of the look-ahead graph,
    `common` a language's words that are listened to where nothing is expected."""
    phones = Phones(sounds)
    vocabulary = Vocabulary(words)
    graph = loop(phones, vocabulary, Costs(0.0, costs.unknown, costs.unknown_sound), sounds, late=False)
    count = len(vocabulary.numbers)
    files: dict[str, bytes] = {
        "am/final.mdl": b"\0B" + transitions(phones) + network(layers),
        "conf/mfcc.conf": CONF.encode(),
        "conf/model.conf": MODEL_CONF.encode(),
        "graph/HCLr.fst": graph.look_ahead(count),
        "graph/Gr.fst": unigram(count, costs.word).vector(),
        "graph/words.txt": vocabulary.table().encode(),
        "graph/disambig_tid.int": b"",
        "graph/phones/word_boundary.int": phones.boundaries().encode(),
        "lexicon.json": _lexicon(sounds, common, costs),
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _lexicon(sounds: Sequence[str], common: Mapping[str, Mapping[str, Sequence[Pronunciation]]], costs: Costs) -> bytes:
    words = {
        language: {word: [" ".join(way) for way in ways] for word, ways in known.items()}
        for language, known in common.items()
    }
    told = {"sounds": list(sounds), "costs": asdict(costs), "sure": SURE, "words": words}
    return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()


def transitions(phones: Phones) -> bytes:
    """One state to a phone, as likely to be left as to go on."""
    count = phones.count
    state = _int(0) + _int(2) + _int(0) + _float(0.5) + _int(1) + _float(0.5)
    topology = _ints(range(1, count + 1)) + _ints([-1] + [0] * count) + _int(1) + _int(2) + state + _int(-1) + _int(0)
    triples = b"".join(_int(phone) + _int(0) + _int(phones.output(phone)) for phone in range(1, count + 1))
    return b"".join(
        (
            *(_token("<TransitionModel>"), _token("<Topology>"), topology, _token("</Topology>")),
            *(_token("<Triples>"), _int(count), triples, _token("</Triples>")),
            *(_token("<LogProbs>"), _vector([0.0] + [HALF] * (2 * count)), _token("</LogProbs>")),
            _token("</TransitionModel>"),
        )
    )


def network(layers: Sequence[Layer]) -> bytes:
    """nnet3: affine layers with rectifiers between them, log-probabilities at the end."""
    config = [f"input-node name=input dim={SIZE}"]
    components: list[tuple[str, bytes]] = []
    before = "input"
    for at, (layer, offsets) in enumerate(zip(layers, OFFSETS, strict=True), 1):
        last = at == len(layers)
        name, ending, kind = (
            ("output", "log-softmax", "LogSoftmaxComponent")
            if last
            else (f"tdnn{at}", "relu", "RectifiedLinearComponent")
        )
        config += [
            f"component-node name={name}.affine component={name}.affine input={_spliced(before, offsets)}",
            f"component-node name={name}.{ending} component={name}.{ending} input={name}.affine",
        ]
        components += [
            (f"{name}.affine", _affine(layer)),
            (f"{name}.{ending}", _nonlinear(kind, len(layer.bias))),
        ]
        before = f"{name}.{ending}"
    config.append(f"output-node name=output input={before} objective=linear")
    return b"".join(
        (
            *(b"<Nnet3> \n", "\n".join(config).encode(), b"\n\n", _token("<NumComponents>"), _int(len(components))),
            *(_token("<ComponentName>") + _token(name) + body for name, body in components),
            *(_token("</Nnet3>"), _token("<LeftContext>"), _int(BEFORE), _token("<RightContext>"), _int(AHEAD)),
            *(_token("<Priors>"), _vector([])),
        )
    )


def _spliced(node: str, offsets: Sequence[int]) -> str:
    if offsets == (0,):
        return node
    return "Append(" + ", ".join(node if offset == 0 else f"Offset({node}, {offset})" for offset in offsets) + ")"


def _affine(layer: Layer) -> bytes:
    weight = np.ascontiguousarray(layer.weight, "<f4")
    matrix = b"FM " + _int(weight.shape[0]) + _int(weight.shape[1]) + weight.tobytes()
    parts = (_token("<FixedAffineComponent>"), _token("<LinearParams>"), matrix)
    return b"".join((*parts, _token("<BiasParams>"), _vector(layer.bias), _token("</FixedAffineComponent>")))


def _nonlinear(kind: str, size: int) -> bytes:
    numbers = ("<Count>", "<NumDimsSelfRepaired>", "<NumDimsProcessed>")
    return b"".join(
        (
            *(_token(f"<{kind}>"), _token("<Dim>"), _int(size)),
            *(_token(name) + _vector([]) for name in ("<ValueAvg>", "<DerivAvg>")),
            *(_token(name) + _float(0.0) for name in numbers),
            _token(f"</{kind}>"),
        )
    )


def _token(text: str) -> bytes:
    return text.encode() + b" "


def _int(value: int) -> bytes:
    return b"\4" + struct.pack("<i", value)


def _float(value: float) -> bytes:
    return b"\4" + struct.pack("<f", value)


def _ints(values: Iterable[int]) -> bytes:
    array = np.array(list(values), "<i4")
    return b"\4" + struct.pack("<i", len(array)) + array.tobytes()


def _vector(values: Sequence[float] | npt.NDArray[np.float32]) -> bytes:
    array = np.asarray(values, "<f4")
    return b"FV " + _int(len(array)) + array.tobytes()
