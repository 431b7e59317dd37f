"""The recipes, each a complete configuration.

    avts             the published one: a contrastive loss and a curriculum of negatives
    l3_net           one frame, negatives from other recordings alone; the networks are those of avts
    avts_finetune    actions from video (UCF101, HMDB51 and other sets: data/layouts.py); audio isn't needed
    sound_classes    classes of sounds (ESC, DCASE …)

DATA of the first two is a list of clips with sound, a folder in a published layout (data/layouts.py), or a folder of
shards that was packed from one; of the others the set in its own layout, and `--set task.list_number=2` takes another
of its official lists or folds. `--set task.front_end=RUN` starts with the tower of a run of avts; without it, training
is from scratch: the baseline of a linear probe.

As published: margin 0.99; 16 pairs a process; easy negatives up to epoch 50, then three easy ones for each hard one up
to epoch 90; a tenth of the learning rate after five epochs without improvement. The optimiser isn't published; here it
is Adam. The stages of the curriculum are shares of the run, so they follow `--epochs`. Other settings of avts:

    task.video.kind=2d|mc2|mc3|mc4|mc5|3d    task.video.is_residual=true    task.video.width=0.25 task.audio.width=0.25
    task.loss=cross_entropy|multi_way        task.num_negatives=4           task.shifts.super_hard=near
    'task.curriculum.stages=[[0, {"easy": 3, "hard": 1}]]'                  batch_size=32 (for two processes)
"""

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
    """A still image: it can match the kind of a sound, not its time."""
    still = Avts(
        video=McVideoConfig("2d", num_stretches=1), loss="cross_entropy", num_frames=1, curriculum=SyncCurriculum()
    )
    return replace(avts(), recipe="l3_net", task=still)


def avts_finetune() -> TrainConfig:
    """Actions from video."""
    optimisation = Optimisation("adamw", 1e-3, weight_decay=0.05, schedule="cosine", warmup_steps=50, gradient_clip=1.0)
    return TrainConfig(
        recipe="avts_finetune",
        task=ClipClasses("video"),
        epochs=30,
        batch_size=16,
        optimisation=optimisation,
        best_by="",
    )


def sound_classes() -> TrainConfig:
    """Classes of sounds."""
    return replace(avts_finetune(), recipe="sound_classes", task=ClipClasses("audio"))
