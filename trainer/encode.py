"""Features of the images and texts of an evaluation, with open_clip's own preprocessing."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from trainer.data import UNREADABLE
from trainer.models import LoadedModel
from trainer.sources import Source


@dataclass(frozen=True, kw_only=True)
class EncodedImages:
    """What a folder of images became.

    Attributes:
        features: float32, (n, d), on the CPU; L2-normalised unless they are of before the projection.
        numbers: the samples' numbers in the index, (n).
        targets: their captions or classes as bytes, (n).
        skipped: names of the broken samples left out.
    """

    features: torch.Tensor
    numbers: list[int]
    targets: list[bytes]
    skipped: list[str]


@dataclass(frozen=True, kw_only=True)
class EvalSamples(Dataset[tuple[int, torch.Tensor | None, bytes]]):
    """Samples in their order, as open_clip prepares them; no image where it is broken."""

    index: Source
    transform: Any

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor | None, bytes]:
        image, target = self.index.read(number)
        try:
            return number, self.transform(Image.open(io.BytesIO(image))), target
        except UNREADABLE:
            return number, None, b""


@dataclass(frozen=True)
class Encoder:
    """A model with a device and a batch size."""

    loaded: LoadedModel
    device: torch.device
    batch_size: int
    workers: int

    @torch.no_grad()
    def texts(self, texts: list[str]) -> torch.Tensor:
        """Encode n texts: float32, (n, d), L2-normalised, on the CPU."""
        model: Any = self.loaded.model
        features = []
        for first in range(0, len(texts), self.batch_size):
            tokens = self.loaded.tokenizer(texts[first : first + self.batch_size]).to(self.device)
            features.append(model.encode_text(tokens, normalize=True).float().cpu())
        return torch.cat(features)

    @torch.no_grad()
    def images(self, index: Source, *, projected: bool = True) -> EncodedImages:
        """Encode images: resize, centre crop and mean as open_clip does for the model.

        Args:
            index: the images.
            projected: into the joint space, and normalised; else as they are before that (`unprojected`).
        """
        model: Any = self.loaded.model
        settings = PreprocessCfg(**open_clip.get_model_preprocess_cfg(model))
        transform = image_transform_v2(settings, is_train=False)
        samples = EvalSamples(index=index, transform=transform)
        loader: DataLoader[Any] = DataLoader(
            samples, batch_size=self.batch_size, num_workers=self.workers, collate_fn=list
        )
        features, numbers, targets, skipped = [torch.empty(0)], [], [], []
        for batch in loader:
            good = [sample for sample in batch if sample[1] is not None]
            skipped += [index.name(number) for number, image, _ in batch if image is None]
            numbers += [number for number, _, _ in good]
            targets += [target for _, _, target in good]
            if good:
                pixels = torch.stack([image for _, image, _ in good]).to(self.device)
                features.append(self._features(pixels, projected).float().cpu())
        return EncodedImages(features=torch.cat(features), numbers=numbers, targets=targets, skipped=skipped)

    def _features(self, pixels: torch.Tensor, projected: bool) -> torch.Tensor:
        model: Any = self.loaded.model
        if projected:
            joint: torch.Tensor = model.encode_image(pixels, normalize=True)
            return joint
        with unprojected(model.visual) as visual:
            features: torch.Tensor = visual(pixels)
            return features


@contextmanager
def unprojected(visual: nn.Module) -> Iterator[Any]:
    """Take the projection into the joint space off an image tower for a while.

    CLIP's probes read what a ViT has before it. The attention pool of a CLIP ResNet
    projects by itself, and its output is what CLIP's probes read there.
    """
    tower: Any = visual
    name = next((name for name in ("proj", "head") if getattr(tower, name, None) is not None), None)
    if name is None:
        yield tower
        return
    taken = getattr(tower, name)
    setattr(tower, name, None if isinstance(taken, nn.Parameter) else nn.Identity())
    try:
        yield tower
    finally:
        setattr(tower, name, taken)
