"""Features of the images and texts of an evaluation, with open_clip's own preprocessing."""

import io
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from trainer.data import UNREADABLE
from trainer.models import LoadedModel
from trainer.shard_index import ShardIndex


@dataclass(frozen=True, kw_only=True)
class EncodedImages:
    """What a folder of images became.

    Attributes:
        features: float32, (n, d), L2-normalised, on the CPU.
        numbers: the samples' numbers in the index, (n).
        targets: their captions or classes, (n).
        skipped: names of the broken samples left out.
    """

    features: torch.Tensor
    numbers: list[int]
    targets: list[str]
    skipped: list[str]


@dataclass(frozen=True, kw_only=True)
class EvalSamples(Dataset[tuple[int, torch.Tensor | None, str]]):
    """Samples in their order, as open_clip prepares them; no image where it is broken."""

    index: ShardIndex
    transform: Any

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor | None, str]:
        image, target = self.index.read(number)
        try:
            return number, self.transform(Image.open(io.BytesIO(image))), target.decode("utf-8")
        except UNREADABLE:
            return number, None, ""


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
    def images(self, index: ShardIndex) -> EncodedImages:
        """Encode a folder's images: resize, centre crop and mean as open_clip does for the model."""
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
                features.append(model.encode_image(pixels, normalize=True).float().cpu())
        return EncodedImages(features=torch.cat(features), numbers=numbers, targets=targets, skipped=skipped)
