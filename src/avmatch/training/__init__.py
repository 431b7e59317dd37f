"""The training floor: one loop that trains every recipe, and what more than one system needs for it. With torch.

A recipe is a function that returns a `TrainConfig`; its task says what is learned (the diagram of task.py), the loop
knows the rest. `avmatch train RECIPE DATA -o RUN` writes a run folder, and a model folder inside it. A run is a pure
function of its configuration and data: it may be interrupted at any moment, and equal seeds give equal weights.

task.py          what a recipe says about the thing that it trains: data → batches → losses → validation → export;
                 a learner in evaluation mode
config.py        TrainConfig, and `--set field=value`; from Optimisation to torch's optimisers and the learning rate
loop.py          plan → batch → losses → step → … → validate → checkpoint → … → export
batches.py       which process trains on which pairs in which step; shards and lists of media as training data; windows
distributed.py   several processes under torchrun: gathered embeddings, waiting, errors that reach every process
run.py           the run folder, its lock, its metrics; the checkpoint, which has all that a run needs to go on; Ctrl-C
losses.py        InfoNCE, multi-way matching, contrastive losses
closed_forms.py  canonical correlations, whitening, discriminants, and the towers that keep them
kinds.py         what picture and sound are like, and their named classes, fitted in closed form
export.py        networks → ONNX, checked against the network, with cards
"""
