"""Words from the lips: the second task of "Perfect match" (Chung, Chung and Kang, ICASSP 2019).

    words          a temporal convolutional network behind the front end
    words_tc_5     TC-5, as the paper names it

DATA is talking clips with the times of their words (GRID with `.align`, LRW, LRS3, a manifest with `words.csv`), or a
folder of shards that was packed from such clips for `lips`, with `--set task.words=` the clips. The front end is from
scratch, or that of a run: `--set task.front_end=RUN` of lips, syncnet, ave_net or perfect_match; it stays frozen for
`--set task.frozen_epochs=` so many epochs.
"""

from functools import partial

from avmatch.systems.words.model import BackEnd, Tc5, TcnBackEnd
from avmatch.systems.words.task import Words
from avmatch.training.config import Optimisation, TrainConfig


def _config(recipe: str, back_end: BackEnd) -> TrainConfig:
    """The same budget for both."""
    return TrainConfig(
        recipe=recipe,
        task=Words(back_end=back_end),
        epochs=20,
        batch_size=32,
        optimisation=Optimisation(
            "adamw", 1e-3, weight_decay=0.05, schedule="cosine", warmup_steps=50, gradient_clip=1.0
        ),
        validation_share=0.2,
        best_by="top_1",
        ema_decay=0.99,
        bf16=True,
    )


words = partial(_config, "words", TcnBackEnd())
words_tc_5 = partial(_config, "words_tc_5", Tc5())
