"""The tokenizer: whole words of the gallery's texts, with letters and endings to spell every other word."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing

CONTEXT_LENGTH = 24
PAD, UNKNOWN, END = "[PAD]", "[UNK]", "[EOS]"
ENDINGS = (
    *("es", "ies", "ed", "er", "ers", "est", "ing", "ings", "ly", "man", "men", "woman", "women"),
    *("ball", "berry", "boat", "fish", "house", "land", "like"),
)


def build_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Build a WordPiece tokenizer whose pieces are the texts' words, letters, digits and common endings.

    Matching is greedy, so a word that is not listed becomes its longest listed beginning and the rest
    ("dogs" is "dog" and "##s"). The end token has the highest id, which is where open_clip's ``argmax``
    pooling reads the text.

    Args:
        texts: Everything whose words deserve a piece of their own.

    Returns:
        The tokenizer.
    """
    normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.BertNormalizer(lowercase=True, strip_accents=True, handle_chinese_chars=True),
            normalizers.Replace(Regex(r"['\u2018\u2019]"), ""),
            normalizers.Replace(Regex(r"[\u201c\u201d\"(),.:;_/\u2010-\u2015-]"), " "),
        ]
    )
    splitter = pre_tokenizers.BertPreTokenizer()
    words: dict[str, int] = {}
    for text in texts:
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)):
            words[word] = words.get(word, 0) + 1
    letters = string.ascii_lowercase + string.digits
    pieces = [PAD, UNKNOWN, *letters, *(f"##{piece}" for piece in (*letters, *ENDINGS))]
    pieces += sorted(words, key=lambda word: (-words[word], word))
    vocabulary = {piece: index for index, piece in enumerate([*dict.fromkeys(pieces), END])}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=40))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, vocabulary[END])]
    )
    tokenizer.add_special_tokens([PAD, UNKNOWN, END])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the tokenizer as Transformers' ``AutoTokenizer`` reads it.

    Args:
        tokenizer: The tokenizer.
        folder: An existing folder.
    """
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT_LENGTH,
        "pad_token": PAD,
        "unk_token": UNKNOWN,
        "eos_token": END,
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
