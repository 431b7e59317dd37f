"""The recipe of the voice detector that ships, and how well it hears.

    python benchmarks/voice.py SILERO.onnx WORK [--write src/avmatch/weights/voice]

SILERO.onnx is the network of the wheel `silero-vad` (silero_vad/data/silero_vad.onnx), the teacher: it says of every
development recording where somebody speaks. The detector learns from mixtures of 4 s: speech, in half of which a pause
is cut; speech with another recording, noise, tones or hum 2 dB louder to 25 dB quieter; sounds in which the teacher
hears no voice; noise alone; any event as it is; at any gain. The teacher's answer to the speech alone is the label. A
fifth of the recordings is held back, and gives the figures; the ten GRID speakers and the judged part of `talk/more`
take no part.
"""

import argparse
import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from clips import SHARED
from scipy.signal import resample_poly
from sklearn.metrics import roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits

from avmatch.core.features import TICK_RATE_HZ, AudioSamples
from avmatch.frontends.sound import SAMPLE_RATE_HZ, SoundFrontEnd
from avmatch.media.decode import decode_sound
from avmatch.systems.voice.model import VoiceNet
from avmatch.systems.voice.runtime import voice_levels
from avmatch.training.export import Exported, export_onnx, normal

TEACHER_SAMPLES, CONTEXT_SAMPLES = 512, 64
SECONDS = 4
NUM_SAMPLES, NUM_TICKS = SECONDS * SAMPLE_RATE_HZ, SECONDS * TICK_RATE_HZ
#: The front end has no whole window for the last ticks of a mixture.
KEPT_TICKS = NUM_TICKS - 2
MIXTURES, TESTS, EPOCHS, BATCH = 4500, 700, 30, 64
KINDS = ("speech", "speech in noise", "no voice", "noise", "as it is")
SHARES = (0.22, 0.3, 0.23, 0.1, 0.15)
#: The teacher hears no voice in a recording where 98 % of its answers lie below this.
QUIET = 0.35
#: Of the corpora with many clips alike, one in so many.
EVERY = {"grid": 4, "anchors": 4}


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording at 16 kHz, and the teacher's answers, one a TEACHER_SAMPLES."""

    name: str
    group: str
    is_speech: bool
    samples: np.ndarray
    answers: np.ndarray

    @property
    def is_held_back(self) -> bool:
        return zlib.crc32(self.group.encode()) % 5 == 0

    @property
    def is_quiet(self) -> bool:
        return not self.is_speech and float(np.quantile(self.answers, 0.98)) < QUIET


class Teacher:
    """Silero VAD on ONNX Runtime, chunk after chunk."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Probability of a voice of each whole chunk."""
        state, context = np.zeros((2, 1, 128), np.float32), np.zeros((1, CONTEXT_SAMPLES), np.float32)
        rate, found = np.array(SAMPLE_RATE_HZ, np.int64), []
        for chunk in samples[: len(samples) // TEACHER_SAMPLES * TEACHER_SAMPLES].reshape(-1, 1, TEACHER_SAMPLES):
            given = {"input": np.concatenate([context, chunk], axis=1), "state": state, "sr": rate}
            answer, state = self._session.run(None, given)
            context = chunk[:, -CONTEXT_SAMPLES:]
            found.append(float(answer[0, 0]))
        return np.array(found, np.float32)


def listed() -> Iterator[tuple[Path, str, bool]]:
    """Files, their groups, and whether they are speech; what only judges isn't among them."""
    count: dict[str, int] = {}
    for table in ("manifest.csv", "more.csv"):
        for row in _rows(SHARED / "talk" / table):
            kind = row["file"].split("/")[0]
            if row["split"] == "validation" or row.get("use") == "judge" or kind == "syllables":
                continue
            count[kind] = count.get(kind, 0) + 1
            if count[kind] % EVERY.get(kind, 1) == 0:
                yield SHARED / "talk" / row["file"], row["group"], True
    for table in ("manifest.csv", "more.csv"):
        for row in _rows(SHARED / "events" / table):
            yield SHARED / "events" / row["file"], row["group"], False
    for path in sorted((SHARED / "esc10").rglob("*.o*")):
        yield path, path.name, False


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def recordings(teacher: Teacher) -> list[Recording]:
    """All of them, with what the teacher says."""
    found = []
    for path, group, is_speech in listed():
        blocks = list(decode_sound(path))
        rate = blocks[0].sample_rate_hz
        mono = np.concatenate([block.data.mean(axis=0, dtype=np.float32) for block in blocks])
        common = np.gcd(SAMPLE_RATE_HZ, rate)
        samples = resample_poly(mono, SAMPLE_RATE_HZ // common, rate // common).astype(np.float32)
        found.append(Recording(str(path), group, is_speech, samples.astype(np.float16), teacher(samples)))
    return found


class Mixtures:
    """Levels and labels of mixtures, drawn at random."""

    def __init__(self, known: list[Recording], seed: int) -> None:
        self._speech = [one for one in known if one.is_speech]
        self._events = [one for one in known if not one.is_speech]
        self._quiet = [one for one in known if one.is_quiet]
        self._rng = np.random.default_rng(seed)

    def draw(self, num: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(num, T, 16) levels, (num, T) labels, (num,) kinds."""
        drawn = [self._one() for _ in range(num)]
        levels, labels, kinds = zip(*drawn, strict=True)
        return np.stack(levels), np.stack(labels).astype(np.float32), np.array(kinds)

    def _one(self) -> tuple[np.ndarray, np.ndarray, int]:
        kind = int(self._rng.choice(len(KINDS), p=SHARES))
        labels = np.zeros(NUM_TICKS)
        if kind in (0, 1):
            samples, labels = self._cut(self._speech)
            samples = samples / _power(samples)
            if self._rng.random() < 0.5:
                begin, end = sorted(self._rng.integers(0, NUM_TICKS, 2))
                per_tick = NUM_SAMPLES // NUM_TICKS
                samples[begin * per_tick : end * per_tick] *= 0.001
                labels[begin:end] = 0.0
            if kind == 1:
                other = self._cut(self._quiet)[0] if self._rng.random() < 0.6 else self._noise()
                samples = samples + other / _power(other) * 10 ** (-self._rng.uniform(-2, 25) / 20)
        elif kind == 2:
            samples, _ = self._cut(self._quiet)
        elif kind == 3:
            samples = self._noise()
        else:
            samples, labels = self._cut(self._events)
        samples = samples / max(_power(samples), 1e-5) * 10 ** (self._rng.uniform(-45, -8) / 20)
        return _levels(np.clip(samples, -1, 1))[:KEPT_TICKS], labels[:KEPT_TICKS], kind

    def _cut(self, known: list[Recording]) -> tuple[np.ndarray, np.ndarray]:
        """A stretch of a recording, which is repeated where it is shorter, and the labels of its ticks."""
        one = known[self._rng.integers(len(known))]
        chunks = one.samples[: len(one.answers) * TEACHER_SAMPLES].astype(np.float32).reshape(-1, TEACHER_SAMPLES)
        wanted = NUM_SAMPLES // TEACHER_SAMPLES
        times = -(-wanted // len(chunks))
        chunks, answers = np.tile(chunks, (times, 1)), np.tile(one.answers, times)
        first = int(self._rng.integers(0, len(chunks) - wanted + 1))
        ticks = (np.arange(NUM_TICKS) + 0.5) / TICK_RATE_HZ
        middles = (np.arange(wanted) + 0.5) * TEACHER_SAMPLES / SAMPLE_RATE_HZ
        labels = np.interp(ticks, middles, answers[first : first + wanted])
        return chunks[first : first + wanted].ravel().copy(), labels

    def _noise(self) -> np.ndarray:
        """White, brown, tones that come and go, or mains hum."""
        kind, times = self._rng.integers(4), np.arange(NUM_SAMPLES) / SAMPLE_RATE_HZ
        if kind < 2:
            white = self._rng.standard_normal(NUM_SAMPLES)
            return np.asarray(white if kind == 0 else np.cumsum(white), np.float32)
        if kind == 2:
            pitch = self._rng.uniform(80, 900, (4, 1))
            loud = np.repeat(self._rng.uniform(0, 1, (4, 16)), NUM_SAMPLES // 16, axis=1)
            return np.asarray((np.sin(2 * np.pi * pitch * times) * loud).sum(axis=0), np.float32)
        hum = np.sin(2 * np.pi * 50 * times) + 0.3 * np.sin(2 * np.pi * 150 * times)
        return np.asarray(hum + 0.01 * self._rng.standard_normal(NUM_SAMPLES), np.float32)


def _power(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2) + 1e-12))


def _levels(samples: np.ndarray) -> np.ndarray:
    front_end = SoundFrontEnd()
    front_end.push(AudioSamples(samples[None].astype(np.float32), SAMPLE_RATE_HZ))
    found = front_end.finish()
    assert found is not None
    return voice_levels(found.spectrum)


def trained(levels: np.ndarray, labels: np.ndarray) -> VoiceNet:
    """AdamW, one cycle of the rate."""
    torch.manual_seed(0)
    network, (given, wanted) = VoiceNet(), map(torch.from_numpy, (levels, labels))
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-3)
    steps = -(-len(given) // BATCH) * EPOCHS
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(given)).split(BATCH):
            loss = binary_cross_entropy_with_logits(network.log_odds(given[batch]), wanted[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def figures(network: VoiceNet, levels: np.ndarray, labels: np.ndarray, kinds: np.ndarray) -> list[str]:
    """Area under the curve over ticks of which the teacher is sure, and the mean where there is no voice."""
    with torch.no_grad():
        answers = network(torch.from_numpy(levels)).numpy()
    lines = []
    for number, kind in enumerate(KINDS):
        inside = kinds == number
        sure = inside[:, None] & ((labels < 0.3) | (labels > 0.7))
        line = f"{kind}: {inside.sum()} mixtures, mean {answers[inside].mean():.3f}"
        if (labels[sure] > 0.5).any():
            line += f", AUC {roc_auc_score(labels[sure] > 0.5, answers[sure]):.3f}"
        lines.append(line)
    sure = (labels < 0.3) | (labels > 0.7)
    return [*lines, f"all: AUC {roc_auc_score(labels[sure] > 0.5, answers[sure]):.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("silero", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", type=Path, help="where the model goes")
    given = parser.parse_args()
    kept = given.work / "mixtures.npz"
    if not kept.is_file():
        known = recordings(Teacher(given.silero))
        print(f"{len(known)} recordings, {sum(one.is_quiet for one in known)} without a voice", flush=True)
        parts = {}
        for side, num, seed in (("train", MIXTURES, 0), ("test", TESTS, 1)):
            drawn = Mixtures([one for one in known if one.is_held_back == (side == "test")], seed).draw(num)
            parts |= {f"{side}_{name}": values for name, values in zip(("x", "y", "k"), drawn, strict=True)}
        given.work.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **parts)
    with np.load(kept) as parts:
        network = trained(parts["train_x"], parts["train_y"])
        lines = figures(network, parts["test_x"], parts["test_y"], parts["test_k"])
    print(*lines, sep="\n")
    if given.write is not None:
        samples = normal([(1, 98, 16), (1, 7, 16), (1, 400, 16)])
        description = {"kind": "voice", "model": "voice", "side": "audio", "input": "levels"}
        exported = Exported(network, samples, description, ("levels",))
        export_onnx(exported, given.write / "audio.onnx", {"recipe": "voice", "results": lines})


if __name__ == "__main__":
    main()
