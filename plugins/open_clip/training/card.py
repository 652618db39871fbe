"""The model card written beside a checkpoint."""

from __future__ import annotations

_CARD = """\
# {shape}

A small CLIP that finds emoji by English words: {parameters:.2f} million parameters, {pixels} pixel pictures,
{dimensions}-dimensional embeddings. It is a plain open_clip model and knows nothing but emoji; it is meant
for demonstrations and tests.

```python
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:PATH_OF_THIS_FOLDER")
tokenizer = open_clip.get_tokenizer("local-dir:PATH_OF_THIS_FOLDER")
```

## Data and licences

- Pictures: Noto Color Emoji 2.042 (SIL Open Font License 1.1), {glyphs} glyphs.
- Names and keywords: English annotations of Unicode CLDR 41 (Unicode-DFS-2016).

The licence texts are in `definitions/data/emoji`.

## Recipe

Contrastive training from random weights: {steps} steps of {batch} glyphs with three texts each (the name, one
keyword, two keywords), soft targets that count every picture a text describes, random backgrounds, scale,
rotation, shift and colour; {optimizer}, learning rate {lr:g} with a
cosine schedule, seed {seed}, float32 on a CPU. It took {minutes:.1f} CPU minutes ({state}). The weights
are the running average, stored in half precision.

## Figures

{table}

The pairs are {pairs} pairs of keywords of one glyph that no training text contained. Every glyph was seen in
training: the figures say how well names and keywords are recalled, not how the model would do on pictures
it has never seen. Shown again by

```sh
python plugins/open_clip/training/evaluate.py --model PATH_OF_THIS_FOLDER
```
"""


def model_card(**facts: object) -> str:
    """Fill in the model card.

    Args:
        **facts: The placeholders' values.

    Returns:
        The text of README.md.
    """
    return _CARD.format(**facts)
