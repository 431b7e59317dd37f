"""Render a shoot to try the editor's path on: clips of three cameras, recordings of one recorder, and the truth.

python examples/make_shoot.py SHOOT [NUM]

SHOOT/camera has NUM clips (40) at 23.976 frames a second, in turn ProRes with a timecode track, HEVC with one, and
AVCHD with the camera's own poor sound in AC-3. SHOOT/sound has a WAV of 24 bits for each: four channels (mix, boom, two
lavs) and the time of day in `bext`. Recorder and cameras were started up to 0.4 s apart, as SHOOT/truth.csv says.
"""

import csv
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

import avmatch

RATE, RATE_HZ = Fraction(24000, 1001), 48_000
MORNING_SECONDS = 9 * 3600
#: (suffix, codec, pixel format, options) of the cameras.
CAMERAS = (
    (".mov", "prores_ks", "yuv422p10le", {"profile": "0"}),
    (".mp4", "libx265", "yuv420p", {"preset": "ultrafast", "x265-params": "log-level=none"}),
    (".MTS", "libx264", "yuv420p", {"preset": "veryfast"}),
)
LEVELS = (0.8, 0.5, 0.3, 0.2)


def label(frame: int) -> str:
    """HH:MM:SS:FF, 24 frames a label."""
    seconds, frames = divmod(frame, 24)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"


def write_picture(source: Path, target: Path, camera: int, first_frame: int, rng: np.random.Generator) -> None:
    """The picture as this camera would store it."""
    suffix, codec, pixels, options = CAMERAS[camera]
    with av.open(str(source)) as clip, av.open(str(target), "w", format="mpegts" if suffix == ".MTS" else None) as out:
        stream = out.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, pixels
        stream.codec_context.time_base = 1 / RATE
        if codec == "libx265":
            stream.codec_context.codec_tag = "hvc1"
        if suffix != ".MTS":
            stream.metadata["timecode"] = label(first_frame)
        poor = out.add_stream("ac3", rate=RATE_HZ, layout="stereo") if suffix == ".MTS" else None
        num_frames = 0
        for frame in clip.decode(video=0):
            frame.pts, frame.time_base, frame.pict_type = num_frames, 1 / RATE, 0
            out.mux(stream.encode(frame))
            num_frames += 1
        out.mux(stream.encode(None))
        if poor is not None:  # nothing but hiss
            hiss = rng.normal(0, 0.003, (2, int(num_frames / RATE * RATE_HZ))).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(hiss, "fltp", "stereo")
            sound.sample_rate, sound.pts = RATE_HZ, 0
            out.mux(poor.encode(sound))
            out.mux(poor.encode(None))


def write_sound(source: Path, target: Path, first_sample: int, rng: np.random.Generator) -> None:
    """The sound as the recorder would store it."""
    resampler = av.AudioResampler("flt", "mono", RATE_HZ)
    with av.open(str(source)) as recording:
        blocks = [block.to_ndarray()[0] for frame in recording.decode(audio=0) for block in resampler.resample(frame)]
    sound = np.concatenate(blocks)
    channels = np.stack([level * sound + rng.normal(0, 1e-4, len(sound)) for level in LEVELS])
    with av.open(str(target), "w", options={"write_bext": "1"}) as out:
        out.metadata["time_reference"] = str(first_sample)
        stream = out.add_stream("pcm_s24le", rate=RATE_HZ, layout="4C")
        samples = np.round(np.clip(channels, -1, 1).T.reshape(1, -1) * (2**31 - 1)).astype(np.int32)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s32", "4C")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


folder, num = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40
rng = np.random.default_rng(20)
for name in ("camera", "sound"):
    (folder / name).mkdir(parents=True, exist_ok=True)
with tempfile.TemporaryDirectory() as temporary, (folder / "truth.csv").open("w", newline="") as truth:
    config = avmatch.SynthConfig(
        num,
        seed=20,
        duration_seconds=10.0,
        fps_choices=(RATE,),
        sizes=((320, 240),),
        offset_jitter_seconds=0.4,
        kinds=("drums", "balls"),
    )
    pairs = avmatch.synthesise(Path(temporary), config)
    table = csv.writer(truth)
    table.writerow(["video", "audio", "offset_ms"])
    takes = rng.permutation(num)  # the recorder's numbers tell nothing
    for number, (pair, take) in enumerate(zip(pairs, takes, strict=True)):
        first_frame = int((MORNING_SECONDS + 60 * int(take)) * RATE)
        camera = number % len(CAMERAS)
        video = folder / "camera" / f"{'ABC'[camera]}{number + 1:03d}{CAMERAS[camera][0]}"
        audio = folder / "sound" / f"T{take + 1:03d}.WAV"
        write_picture(Path(temporary) / pair.video, video, camera, first_frame, rng)
        began = first_frame / RATE - Fraction(str(pair.offset_seconds))
        write_sound(Path(temporary) / pair.audio, audio, round(began * RATE_HZ), rng)
        table.writerow([video.name, audio.name, f"{1000 * pair.offset_seconds:.1f}"])
print(f"{num} clips and their recordings are in {folder}")
