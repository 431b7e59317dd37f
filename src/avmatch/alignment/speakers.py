"""Who speaks: of the faces that are there at the same time, the one whose lips go best with the sound.

Letters in shapes: K faces of a video.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from avmatch.core.features import AudioFeatures, MouthTrack, VideoFeatures
from avmatch.core.results import Speaker
from avmatch.cues.learned import EmbeddingCue, at_once

_PLACES = {2: ("left", "right"), 3: ("left", "middle", "right")}
_ORDINALS = {1: "1st", 2: "2nd", 3: "3rd"}


def speakers(
    cue: EmbeddingCue, video: VideoFeatures, audio: AudioFeatures, offset_seconds: float
) -> tuple[Speaker, ...]:
    """The agreeing face of each stretch of time in which faces are there, in order of time.

    Args:
        cue: of a model that looks at mouths.
        offset_seconds: how late the sound comes.
    """
    tracks = [track for track in video.mouths if cue.model in track.embeddings]
    vectors = [track.embeddings[cue.model] for track in tracks]
    if not tracks or cue.model not in audio.embeddings:
        return ()
    nats = cue.face_nats(vectors, audio.embeddings[cue.model], offset_seconds)
    return tuple(_speaker([tracks[number] for number in group], nats[group]) for group in at_once(vectors))


def _speaker(faces: Sequence[MouthTrack], nats: Float32[np.ndarray, " K"]) -> Speaker:
    best = int(nats.argmax())
    lead = float("inf") if len(faces) == 1 else float(nats[best] - np.delete(nats, best).max())
    across = [float(face.boxes[:, 0].mean() + face.boxes[:, 2].mean() / 2) for face in faces]
    order = sorted(range(len(faces)), key=across.__getitem__).index(best)
    number = order + 1
    places = _PLACES.get(len(faces), ())
    place = places[order] if places else f"{_ORDINALS.get(number, f'{number}th')} from the left"
    x, y, width, height = (round(float(value), 4) for value in faces[best].boxes.mean(axis=0))
    times = faces[best].pts_seconds
    return Speaker(
        begin_seconds=float(times[0]),
        end_seconds=float(times[-1]),
        box=(x, y, width, height),
        num_faces=len(faces),
        place="only" if len(faces) == 1 else place,
        lead_nats=lead,
    )
