"""Synchronisation of any sound, learned from video that nobody has labelled (AVTS), and its neighbours.

    avts      contrastive, a curriculum of negatives
              (Korbar, Tran and Torresani, "Cooperative learning of audio and video models from self-supervised
              synchronization", NeurIPS 2018)
    l3_net    does a still belong to a second of sound? Other recordings' sounds alone
              (after Arandjelović and Zisserman, "Look, listen and learn", ICCV 2017; with the networks of avts)

DATA is a list of clips with sound (data/layouts.py), a folder in a layout of the field (data/layouts.py),
or a folder of shards that was packed from one.

As published: margin 0.99; 16 pairs a process; easy negatives to epoch 50, then three easy ones for each hard one to
epoch 90; the learning rate a tenth after five epochs without improvement. Set `--epochs` and the curriculum goes along:
its stages are told as shares of the run. Other settings:

    task.video.kind=2d|mc2|mc3|mc4|mc5|3d    task.video.is_residual=true    task.video.width=0.25 task.audio.width=0.25
    task.loss=cross_entropy|multi_way        task.num_negatives=4           task.shifts.super_hard=near
    'task.curriculum.stages=[[0, {"easy": 3, "hard": 1}]]'                  batch_size=32 (for two processes)

The optimiser isn't told; here it is Adam.
"""

from __future__ import annotations

from dataclasses import replace

from avmatch.systems.avts.classes import ClipClasses
from avmatch.systems.avts.model import McVideoConfig
from avmatch.systems.avts.negatives import SyncCurriculum, SyncMix
from avmatch.systems.avts.task import Avts
from avmatch.training.config import Optimisation, TrainConfig

_EPOCHS, _EASY_EPOCHS = 90, 50
CURRICULUM = SyncCurriculum(((0.0, SyncMix(1, 0)), (_EASY_EPOCHS / _EPOCHS, SyncMix(3, 1))), _EPOCHS)


def avts() -> TrainConfig:
    """The published size and schedule."""
    return TrainConfig(
        recipe="avts",
        task=Avts(curriculum=CURRICULUM),
        epochs=_EPOCHS,
        batch_size=16,
        optimisation=Optimisation("adam", 1e-3, schedule="plateau", plateau_epochs=5, plateau_factor=0.1),
        best_by="sync_accuracy",
    )


def l3_net() -> TrainConfig:
    """Semantic only."""
    still = Avts(
        video=McVideoConfig("2d", num_stretches=1), loss="cross_entropy", num_frames=1, curriculum=SyncCurriculum()
    )
    return replace(avts(), recipe="l3_net", task=still)


# What clips are of, from the towers of avts: the downstream task of actions, and its neighbour of sounds.
#
#     avts_finetune    actions from the picture (UCF101, HMDB51 and other sets: data/layouts.py)
#     sound_classes    sounds (ESC, DCASE …): training from scratch, the measure of what a linear probe adds to
#
# DATA is the set in its own layout; `--set task.list_number=2` takes another of its official lists, or another fold.
# `--set task.front_end=RUN` begins with the tower of a run of avts; without it, training is from scratch. Clips
# without
# sound will do for actions.


def avts_finetune() -> TrainConfig:
    """Actions."""
    return _config("avts_finetune", ClipClasses("video"))


def sound_classes() -> TrainConfig:
    """Sounds."""
    return _config("sound_classes", ClipClasses("audio"))


def _config(recipe: str, task: ClipClasses) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        task=task,
        epochs=30,
        batch_size=16,
        optimisation=Optimisation(
            "adamw", 1e-3, weight_decay=0.05, schedule="cosine", warmup_steps=50, gradient_clip=1.0
        ),
        best_by="",
    )
