"""open_clip's own trainer on a model of ours, run by bench_train: `MODEL.json ARGUMENTS...`."""

import sys

import open_clip
import torch
from open_clip_train.main import main

if __name__ == "__main__":
    if not torch.cuda.is_available():
        torch.set_num_threads(1)  # as ours: one thread computes, the other core decodes
    open_clip.add_model_config(sys.argv[1])
    main(sys.argv[2:])
