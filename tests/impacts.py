"""Folders in the Tilt-Bot's layout that are written in no time, and features of impacts that can be learned."""

import json
import pickle

import cv2
import numpy as np

from avmatch.systems.collisions.data import CLASSES
from avmatch.systems.collisions.features import INDEX, Bands

RATE = 44_100


def write_sound(path, num_samples=4 * RATE, seed=0, hit_seconds=1.5):
    """Four channels of faint noise with one knock."""
    rng = np.random.default_rng(seed)
    audio = rng.normal(0, 1e-3, (num_samples, 4)).astype(np.float32)
    begin = round(hit_seconds * RATE)
    audio[begin : begin + 500] += rng.normal(0, 0.3, (min(500, num_samples - begin), 1)) * [1, 0.8, 0.6, 0.4]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({"audio": audio, "audio_samplerate": RATE}))


def write_video(folder, num_frames=5, seed=0):
    """A square that moves to the right."""
    for side in ("rgb", "mask"):
        (folder / side).mkdir(parents=True, exist_ok=True)
    for number in range(num_frames):
        mask = np.zeros((440, 440), np.uint8)
        cv2.rectangle(mask, (50 + 60 * number, 200 + seed), (90 + 60 * number, 240 + seed), 255, -1)
        picture = np.full((480, 640, 3), 90, np.uint8)
        picture[20:-20, 100:-100][mask > 0] = (20, 200, 30)
        cv2.imwrite(str(folder / "mask" / f"{number}.png"), mask)
        cv2.imwrite(str(folder / "rgb" / f"{number}.jpg"), picture)


def write_features(folder, per_class=8, seed=0, bands=Bands(64, 28)):  # noqa: B008
    """A folder of features: the class is loud in a band of its own, two numbers are shared by film and sound."""
    rng = np.random.default_rng(seed)

    def cues(shared, size):
        return (shared @ rng.normal(0, 1, (2, size)) + rng.normal(0, 0.2, (num, size))).astype(np.float32)

    folder.mkdir(parents=True, exist_ok=True)
    label = np.repeat(np.arange(10), per_class)
    num = len(label)
    shared = rng.uniform(-1, 1, (num, 2))
    sound = rng.normal(-20, 0.5, (num, 4, 8, 7))
    sound[np.arange(num), :, label % 8] += (6 + 3 * (label >= 8))[:, None, None]
    sound += 2 * np.concatenate([shared, -shared], axis=1)[:, :, None, None]
    path = np.tile(220 + 150 * shared, (1, 35)) + rng.normal(0, 1, (num, 70))
    crops = rng.integers(0, 20, (num, 4, 48, 48, 4))
    crops[..., :3] += (label[:, None] * [20, 7, 0] + [0, 90, 120])[:, None, None, None]
    masks = np.zeros((num, 35, 44, 44))
    for row, (x, y) in enumerate((22 + 15 * shared).astype(int).tolist()):
        masks[row, :, y - 3 : y + 3, x - 3 : x + 3] = 255
    arrays = {
        "bands": sound.astype(np.float16),
        "sound_cues": cues(shared, 68),
        "path": path.astype(np.float32),
        "masks": masks.astype(np.uint8),
        "crops": crops.astype(np.uint8),
        "film_cues": cues(shared, 51),
        "is_seen": np.ones(num, bool),
    }
    arrays["noisy_cues"] = arrays["sound_cues"] + rng.normal(0, 0.3, (num, 68)).astype(np.float32)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    names = [f"{CLASSES[one]}/{row}" for row, one in enumerate(label.tolist())]
    index = {"bands": vars(bands), "names": names, "label": label.tolist(), "notes": []}
    (folder / INDEX).write_text(json.dumps(index))
    return folder
