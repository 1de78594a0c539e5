"""A sentence encoder that nobody has trained yet: a tokeniser for some texts and a transformer at its start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from rootward.encoders.pretrained import readable, without_bars
from rootward.errors import InputError, MissingExtraError, RunFolderError
from rootward.rng import stream

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def new_encoder(
    texts: Iterable[str],
    folder: str | Path,
    *,
    layers: int = 8,
    width: int = 512,
    heads: int = 8,
    mlp: int = 4_096,
    vocabulary: int = 32_000,
    longest: int = 128,
    seed: int = 0,
) -> Path:
    """Write an untrained encoder as a sentence-transformers folder, for `DualEncoder.text(pairs, "full", encoder=...)`.

    The defaults are the paper's product-search tower (arXiv 2509.16411, appendix B): 8 layers, width 512, 8 heads, GELU
    between, mean pooling; `DualEncoder.text` adds the projection and the unit sphere. Tokens are merged from pairs
    (BPE) and learnt from the texts: SentencePiece's unigrams, as the tokenizers library learns them, differ from run to
    run.

    Args:
        texts: to learn tokens from.
        folder: to be made.
        layers, width, heads, mlp: of the transformer; heads divide the width.
        vocabulary: tokens at most.
        longest: tokens of a text that are read.
        seed: of the weights.

    Returns:
        The folder.

    Raises:
        InputError: sizes that do not fit, or texts without a letter.
        RunFolderError: the folder is there already.
        MissingExtraError: sentence-transformers is not installed.
    """
    if min(layers, width, heads, mlp, longest) < 1 or width % heads:
        raise InputError(
            f"layers, width, heads, mlp and longest must be at least 1 and heads divide width; got {layers}, {width}, "
            f"{heads}, {mlp} and {longest}."
        )
    folder = Path(folder)
    if folder.exists():
        raise RunFolderError(f"{folder} is there already; choose another folder for the new encoder.")
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer  # noqa: PLC0415
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("A text encoder from scratch", "text") from error
    tokens = _tokens([text for text in map(readable, texts) if text], vocabulary)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), _SPECIAL, strict=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, model_max_length=longest, **names)
    config = BertConfig(
        vocab_size=tokens.get_vocab_size(),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=mlp,
        max_position_embeddings=longest,
        type_vocab_size=1,
        pad_token_id=0,
    )
    with TemporaryDirectory() as there, torch.random.fork_rng(devices=[]), without_bars():
        torch.manual_seed(int(stream(seed, "new encoder").integers(1 << 62)))
        BertModel(config).save_pretrained(there)
        tokenizer.save_pretrained(there)
        modules = [Transformer(there, max_seq_length=longest), Pooling(width)]
        SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


def _tokens(texts: list[str], vocabulary: int) -> Any:
    """A tokeniser of pairs merged within words, a mark in place of a space."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: PLC0415

    if not texts:
        raise InputError("A new encoder learns its tokens from texts; none of those given has anything to read.")
    tokens = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokens.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokens.pre_tokenizer, tokens.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(_SPECIAL), show_progress=False)
    tokens.train_from_iterator(texts, trainer)
    ends = [(each, tokens.token_to_id(each)) for each in ("[CLS]", "[SEP]")]
    tokens.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokens
