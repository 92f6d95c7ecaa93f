import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import yaml

from tests.trainer.samples import TINY
from trainer.checkpoint import write_checkpoint
from trainer.data import shortened
from trainer.models import build_model, build_tokenizer, normalisation, with_towers
from trainer.presets import load_preset
from trainer.towers import BagOfWords, BagOfWordsCLIP, takes_short_texts
from trainer.weights import checkpoint_activations, lock_towers, starting_model
from wit_builder.storage import UserError

CONFIG: dict[str, Any] = yaml.safe_load(TINY)["model"]
TEXTS = ["a dog", "two cats on a mat"]


def bert(folder: Path) -> str:
    """Write a BERT of two layers, with random weights and a tokenizer of a few words."""
    import tokenizers
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "cat", "red", "square"]
    numbers = {word: number for number, word in enumerate(words)}
    splitter = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="[UNK]"))
    splitter.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    splitter.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=splitter, **marks).save_pretrained(folder)  # type: ignore[no-untyped-call]
    sizes: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    settings = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, max_position_embeddings=32, **sizes
    )
    transformers.BertModel(settings).save_pretrained(folder)
    return str(folder)


def test_short_texts_have_open_clips_features() -> None:
    torch.manual_seed(0)
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "context_length": 32, "layers": 2}}
    ours: Any = build_model(config).eval()
    theirs = open_clip.CLIP(**config, output_dict=True).eval()
    theirs.load_state_dict(ours.state_dict())
    tokens = build_tokenizer(config)(TEXTS)
    assert takes_short_texts(ours)
    assert shortened(tokens).shape == (2, 8)
    with torch.no_grad():
        expected = theirs.encode_text(tokens, normalize=True)
        assert torch.allclose(ours.encode_text(shortened(tokens), normalize=True), expected, atol=1e-6)
        assert torch.equal(ours.encode_text(tokens, normalize=True), expected)


def test_texts_of_a_model_without_causal_mask_keep_their_length() -> None:
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "no_causal_mask": True}}
    assert not takes_short_texts(build_model(config))


def test_bag_of_words_is_the_projected_mean_of_the_words() -> None:
    bag = BagOfWords(embed_dim=3, vocab_size=10, width=4)
    words, projection = bag.words.weight.detach(), bag.projection.weight.detach()
    text = torch.tensor([[1, 2, 2, 0, 0], [5, 0, 0, 0, 0]])
    expected = torch.stack([(words[1] + 2 * words[2]) / 3, words[5]]) @ projection.T
    assert torch.allclose(bag(text), expected, atol=1e-6)
    assert torch.allclose(bag(text[:, :3]), bag(text), atol=1e-7)


def test_bag_of_words_by_name_has_no_transformer() -> None:
    model: Any = build_model(with_towers(CONFIG, None, "cbow"))
    assert isinstance(model, BagOfWordsCLIP)
    assert {name for name, _ in model.text.named_parameters()} == {"words.weight", "projection.weight"}
    assert model.text.words.weight.shape == (49408, 16)
    assert model.encode_text(build_tokenizer(load_preset("demo-cbow").model)(TEXTS)).shape == (2, 16)


def test_a_timm_tower_by_name_with_its_own_normalisation() -> None:
    model: Any = build_model(with_towers(CONFIG, "test_resnet", None))
    assert model.encode_image(torch.zeros(2, 3, 32, 32)).shape == (2, 16)
    assert normalisation(model) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert normalisation(build_model(CONFIG))[0] == open_clip.OPENAI_DATASET_MEAN


def test_an_unknown_timm_tower() -> None:
    with pytest.raises(UserError, match="timm has no model 'resnet_50'; did you mean .*resnet50"):
        with_towers(CONFIG, "resnet_50", None)


def test_a_hugging_face_text_tower_locked_with_its_weights(tmp_path: Path) -> None:
    config = with_towers(CONFIG, None, bert(tmp_path))
    tokens = build_tokenizer(config)(["a dog", "a red square cat"])
    assert tokens.shape == (2, 8)
    assert tokens[0].tolist() == [2, 5, 6, 3, 0, 0, 0, 0]
    first, second = (starting_model(config, "towers") for _ in range(2))
    names = [name for name in first.state_dict() if name.startswith("text.transformer.")]
    assert all(torch.equal(first.state_dict()[name], second.state_dict()[name]) for name in names)
    lock_towers(first, "text")
    trained = {name for name, p in first.named_parameters() if p.requires_grad and "text" in name}
    assert trained == {"text.proj.weight"}


@pytest.mark.parametrize(
    ("lock", "still"), [("image", {"text"}), ("text", {"image"}), ("none", {"image", "text"})]
)
def test_locked_towers_take_no_gradient(lock: str, still: set[str]) -> None:
    model = build_model(CONFIG)
    lock_towers(model, lock)
    trained = [name for name, p in model.named_parameters() if p.requires_grad and name != "logit_scale"]
    assert {"image" if name.startswith("visual.") else "text" for name in trained} == still


def test_locking_all_leaves_nothing_to_train() -> None:
    with pytest.raises(UserError, match="lock both leaves nothing to train"):
        lock_towers(build_model(CONFIG), "both")


def test_starts_from_a_checkpoint_of_a_lower_resolution(tmp_path: Path) -> None:
    small: Any = build_model(CONFIG)
    path = str(tmp_path / "checkpoint.pt")
    write_checkpoint(path, {"state_dict": small.state_dict(), "step": 1})
    config = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "image_size": 48}}
    large: Any = starting_model(config, str(tmp_path))
    assert torch.equal(large.visual.conv1.weight, small.visual.conv1.weight)
    assert large.visual.positional_embedding.shape == (37, 32)
    assert torch.equal(large.visual.positional_embedding[0], small.visual.positional_embedding[0])


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint.pt")
    write_checkpoint(path, {"state_dict": build_model(CONFIG).state_dict(), "step": 1})
    wide = {**CONFIG, "embed_dim": 32}
    with pytest.raises(UserError, match=r"checkpoint\.pt is a checkpoint of another model \(see .*proj"):
        starting_model(wide, path)
    with pytest.raises(UserError, match="is a checkpoint of another model"):
        starting_model(with_towers(CONFIG, None, "cbow"), path)


def test_weights_that_are_nowhere() -> None:
    with pytest.raises(
        UserError, match="pretrained 'nowhere' is neither a file nor a tag .* laion2b_s34b_b79k"
    ):
        starting_model("ViT-B-32", "nowhere")
    with pytest.raises(UserError, match="pretrained towers needs a timm or HF tower"):
        starting_model(CONFIG, "towers")


def test_checkpointed_activations_give_the_same_gradients() -> None:
    config = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "layers": 2}}
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model: Any = build_model(config)
        if checkpointing:
            checkpoint_activations(model)
            assert model.visual.transformer.grad_checkpointing
        model.encode_image(torch.ones(2, 3, 32, 32)).sum().backward()
        gradients.append(model.visual.conv1.weight.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)


def test_a_resnet_cannot_checkpoint_its_activations() -> None:
    with torch.device("meta"):
        model = build_model("RN50-quickgelu")
    with pytest.raises(UserError, match="use micro_batch instead"):
        checkpoint_activations(model)


def test_model_configs_are_json() -> None:
    assert json.loads(json.dumps(with_towers(CONFIG, "test_vit", "cbow")))["text_cfg"]["cbow"] is True
