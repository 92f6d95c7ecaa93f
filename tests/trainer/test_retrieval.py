import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.samples import unit_rows
from trainer.retrieval import best_ranks, chance_metrics, retrieval_examples, retrieval_metrics


@settings(max_examples=30, deadline=None)
@given(captions=st.lists(st.integers(1, 3), min_size=1, max_size=15), seed=st.integers(0, 1000))
def test_recalls_against_sorting_one_by_one(captions: list[int], seed: int) -> None:
    owner = [image for image, count in enumerate(captions) for _ in range(count)]
    images, texts = unit_rows(len(captions), 4, seed), unit_rows(len(owner), 4, seed + 1)
    expected = {}
    for k in (1, 5, 10):
        top_images = [np.argsort(-(images @ text))[:k] for text in texts]
        top_texts = [np.argsort(-(texts @ image))[:k] for image in images]
        found_images = [owner[text] in top for text, top in enumerate(top_images)]
        found_texts = [any(owner[t] == image for t in top) for image, top in enumerate(top_texts)]
        expected[f"image_retrieval_recall@{k}"] = np.mean(found_images)
        expected[f"text_retrieval_recall@{k}"] = np.mean(found_texts)
    image_features, text_features = torch.from_numpy(images), torch.from_numpy(texts)
    groups, owners = torch.arange(len(captions)), torch.tensor(owner)
    metrics = retrieval_metrics(
        best_ranks(text_features, image_features, owners, groups),
        best_ranks(image_features, text_features, groups, owners),
    )
    assert metrics == pytest.approx(expected)


def test_more_queries_than_a_piece_holds() -> None:
    features, groups = torch.eye(1030), torch.arange(1030)
    assert best_ranks(features, features, groups, groups).tolist() == [0] * 1030


def test_a_constant_model_finds_nothing() -> None:
    same, groups = torch.ones(20, 3), torch.arange(20)
    assert best_ranks(same, same, groups, groups).tolist() == [19] * 20


def test_chance_is_the_mean_over_random_orders() -> None:
    captions = torch.tensor([1, 3, 1, 2, 5])
    owner = np.repeat(np.arange(5), captions.numpy())
    generator = np.random.default_rng(0)
    orders = [owner[generator.permutation(12)] for _ in range(4000)]
    chance = chance_metrics(captions)
    for k in (1, 5, 10):
        found = np.mean([[image in order[:k] for image in range(5)] for order in orders])
        assert chance[f"text_retrieval_recall@{k}"] == pytest.approx(found, abs=0.01)
        assert chance[f"image_retrieval_recall@{k}"] == min(1, k / 5)


def test_chance_with_one_caption_each() -> None:
    chance = chance_metrics(torch.ones(484, dtype=torch.int64))
    assert chance["text_retrieval_recall@10"] == pytest.approx(10 / 484)


def test_examples_are_few_and_name_the_nearest() -> None:
    features = torch.eye(30)
    ranks = torch.zeros(30, dtype=torch.int64)
    examples = retrieval_examples(features, features, [f"text {n}" for n in range(30)], ranks)
    assert len(examples) == 12
    assert [example["query"] for example in examples][::11] == ["text 0", "text 29"]
    assert all(example["query"] == f"text {example['images'][0]}" for example in examples)
    assert {len(example["images"]) for example in examples} == {5}
    assert {example["rank"] for example in examples} == {1}
