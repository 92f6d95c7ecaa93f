import torch

from trainer.flops import peak_flops, training_flops


def test_flops_are_those_of_the_models() -> None:
    # ViT-B/32: 12 blocks of width w over t tokens take 24 t w^2 + 4 t^2 w each; then patches, projections
    vision = 12 * (24 * 50 * 768**2 + 4 * 50**2 * 768) + 2 * 49 * 3072 * 768 + 2 * 768 * 512
    text = 12 * (24 * 77 * 512**2 + 4 * 77**2 * 512) + 2 * 512 * 512
    assert training_flops("ViT-B-32-quickgelu", 77) == 3 * (vision + text)


def test_no_peak_for_a_cpu() -> None:
    assert peak_flops(torch.device("cpu")) is None
