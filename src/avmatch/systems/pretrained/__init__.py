"""Large pretrained models of others, through transformers: vectors of pictures and of sounds in one space.

    avmatch match VIDEOS AUDIO -o OUT --model hf:facebook/pe-av-small-16-frame     an ID, or hf:FOLDER
    avmatch export-onnx hf:FOLDER -o MODEL                                         then --model MODEL needs no torch

PE-AV (Vyas et al., "Pushing the Frontier of Audiovisual Perception with Large-Scale Multimodal Correspondence
Learning", 2025) gives both. CLIP (Radford et al. 2021) gives pictures and CLAP (Wu et al. 2023) sounds, each in a space
of its own: exported, they are encoders for `avmatch train semantic`, which fits a map.

A folder is used as it is, an ID from the local cache or, unless HF_HUB_OFFLINE is set, from the hub. Nothing of a
repository is ever run: no code of its own, no pickled weights. What a model costs and may be used for:
docs/pretrained.md.

source.py    PATH or ID → a folder with a configuration and safetensors, or what is missing
networks.py  models of transformers as networks that take pictures in 0…1 and samples
operators.py torchvision beside a torch for the CPU
families.py  classes of transformers → networks, and how they want pictures and samples, by their own processors
opening.py   the networks as a model of the kind `semantic` (artifacts/encoder.py); export to ONNX

This is the only importer of transformers.
"""

SCHEMES = ("hf:",)
