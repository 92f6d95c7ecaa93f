"""Models that differ from open_clip's by one thing: texts no longer than they are, and a bag of words."""

from typing import Any

import open_clip
import torch
from open_clip.transformer import text_global_pool
from torch import nn
from torch.nn.functional import normalize as l2_normalize

BAG_OF_WORDS = "cbow"
PADDING = 0  # CLIP's tokenizer fills texts up with it
NO_TEXT = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}


class ShortTextCLIP(open_clip.CLIP):
    """open_clip's CLIP, of the same weights, that takes texts cut to the longest of a batch.

    The text transformer is causal and its feature is taken at [EOS], so what stands
    behind it changes nothing (tested against open_clip).
    """

    def encode_text(self, text: torch.Tensor, normalize: bool = False) -> torch.Tensor:
        """Encode tokens of shape (n, length), length <= context_length: (n, embed_dim)."""
        length, dtype = text.shape[1], self.transformer.get_cast_dtype()
        mask = None if self.attn_mask is None else self.attn_mask[:length, :length]
        words = self.token_embedding(text).to(dtype) + self.positional_embedding[:length].to(dtype)
        words = self.ln_final(self.transformer(words, attn_mask=mask))  # (n, length, width)
        features = text_global_pool(words, text, self.text_pool_type, eos_token_id=self.text_eos_id)
        projection: Any = self.text_projection
        if isinstance(projection, nn.Linear):
            features = projection(features)
        elif projection is not None:
            features = features @ projection
        return l2_normalize(features, dim=-1) if normalize else features


class BagOfWords(nn.Module):
    """The CBOW text encoder of CLIP's figure 3: the mean of the words' embeddings, projected linearly."""

    def __init__(self, *, embed_dim: int, vocab_size: int, width: int, context_length: int = 77) -> None:
        """Make random weights; `width` is the words' dimension, `embed_dim` the features'."""
        super().__init__()
        self.context_length, self.vocab_size = context_length, vocab_size
        self.words = nn.EmbeddingBag(vocab_size, width, mode="mean", padding_idx=PADDING)
        self.projection = nn.Linear(width, embed_dim, bias=False)
        nn.init.normal_(self.words.weight, std=width**-0.5)
        nn.init.normal_(self.projection.weight, std=width**-0.5)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Encode tokens of shape (n, length) to features of shape (n, embed_dim)."""
        features: torch.Tensor = self.projection(self.words(text))
        return features

    def lock(self, unlocked_layers: int = 0, freeze_layer_norm: bool = True) -> None:
        """Freeze all weights."""
        del unlocked_layers, freeze_layer_norm  # open_clip's signature
        self.requires_grad_(False)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Do nothing: a mean keeps no activations."""


class BagOfWordsCLIP(open_clip.CustomTextCLIP):
    """CLIP with a bag of words for a text tower: `text_cfg` is `{cbow: true, vocab_size, width}`."""

    def __init__(self, *, embed_dim: int, text_cfg: dict[str, Any], **settings: Any) -> None:
        """Take open_clip's settings but for the text tower."""
        super().__init__(embed_dim=embed_dim, text_cfg=NO_TEXT, **settings)
        sizes = {name: value for name, value in text_cfg.items() if name != BAG_OF_WORDS}
        self.text = BagOfWords(embed_dim=embed_dim, **sizes)
        self.context_length, self.vocab_size = self.text.context_length, self.text.vocab_size


def takes_short_texts(model: nn.Module) -> bool:
    """Tell whether padding that all texts of a batch share may be cut off without a change of features."""
    if isinstance(model, ShortTextCLIP):
        causal = model.attn_mask is not None
        return causal and model.text_pool_type in ("argmax", "eos")
    return isinstance(model, BagOfWordsCLIP)
