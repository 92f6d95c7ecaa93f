"""Retrieval between images and captions: recall@k as clip_benchmark defines it.

An image may have several captions; any of them counts. Captions that two images
share stay two captions: only an image's own is right, and a tie counts against
it, so a constant model scores 0 and `duplicate_captions` tells how many cannot win.
"""

from math import comb
from typing import Any

import torch

RECALLS_AT = (1, 5, 10)
QUERIES_AT_ONCE = 1024
NEIGHBOURS = 5
EXAMPLES = 12


def retrieval_metrics(ranks_of_images: torch.Tensor, ranks_of_texts: torch.Tensor) -> dict[str, float]:
    """Give image_retrieval_recall@k and text_retrieval_recall@k for k = 1, 5, 10.

    Args:
        ranks_of_images: int64, (texts,): for each text, the rank of its image, from 0.
        ranks_of_texts: int64, (images,): for each image, the rank of its best text, from 0.
    """
    metrics = {}
    for k in RECALLS_AT:
        metrics[f"image_retrieval_recall@{k}"] = (ranks_of_images < k).double().mean().item()
        metrics[f"text_retrieval_recall@{k}"] = (ranks_of_texts < k).double().mean().item()
    return metrics


def chance_metrics(captions_of_image: torch.Tensor) -> dict[str, float]:
    """Give what a random order scores on average.

    An image with m of M texts has one of them among k random ones with probability
    1 - C(M - m, k) / C(M, k).

    Args:
        captions_of_image: int64, (images,): how many captions each image has.
    """
    images, texts = len(captions_of_image), int(captions_of_image.sum())
    counts, numbers = torch.unique(captions_of_image, return_counts=True)
    chance = {}
    for k in RECALLS_AT:
        chance[f"image_retrieval_recall@{k}"] = min(1.0, k / images)
        missed = [
            number * comb(texts - count, k) / comb(texts, k) if texts > k else 0.0
            for count, number in zip(counts.tolist(), numbers.tolist(), strict=True)
        ]
        chance[f"text_retrieval_recall@{k}"] = 1 - sum(missed) / images
    return chance


def best_ranks(
    queries: torch.Tensor, candidates: torch.Tensor, query_group: torch.Tensor, candidate_group: torch.Tensor
) -> torch.Tensor:
    """Rank, for each query, its best right candidate; a wrong one of equal score is ahead of it.

    Args:
        queries: float, (q, d), L2-normalised.
        candidates: float, (c, d), L2-normalised.
        query_group: int64, (q,): a candidate of the same group is right.
        candidate_group: int64, (c,).

    Returns:
        int64, (q,): how many wrong candidates are ahead.
    """
    ranks = []
    for features, group in zip(
        torch.split(queries, QUERIES_AT_ONCE), torch.split(query_group, QUERIES_AT_ONCE), strict=True
    ):
        scores = features @ candidates.T  # (at most 1024, c)
        right = group[:, None] == candidate_group[None, :]
        best = scores.masked_fill(~right, -torch.inf).amax(dim=1, keepdim=True)
        ranks.append(((scores >= best) & ~right).sum(dim=1))
    return torch.cat(ranks)


def retrieval_examples(
    image_features: torch.Tensor, text_features: torch.Tensor, captions: list[str], ranks: torch.Tensor
) -> list[dict[str, Any]]:
    """Show what evenly spaced captions find.

    Args:
        image_features: float, (images, d).
        text_features: float, (texts, d).
        captions: the texts.
        ranks: int64, (texts,): rank of each text's image, from 0.

    Returns:
        at most 12 dicts: query, images (numbers of the 5 nearest, nearest first), rank (from 1).
    """
    chosen = torch.linspace(0, len(captions) - 1, min(EXAMPLES, len(captions))).long()
    scores = text_features[chosen] @ image_features.T
    nearest = scores.topk(min(NEIGHBOURS, len(image_features)), dim=1).indices
    return [
        {"query": captions[text], "images": images, "rank": int(ranks[text]) + 1}
        for text, images in zip(chosen.tolist(), nearest.tolist(), strict=True)
    ]
