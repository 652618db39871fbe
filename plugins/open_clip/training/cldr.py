"""Names, keywords and groups of emoji, read from the CLDR files that Debian's unicode-cldr-core installs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

CLDR_ROOT = Path("/usr/share/unicode/cldr/common")

# CLDR's labels keep people with smileys and clothing with people; today's emoji charts do not.
_PEOPLE = ("person", "family", "body")

# CLDR 41 labels Emoji 11 and orders Emoji 13.1. These are what Emoji 14 added, grouped as its chart does.
_EMOJI_14 = {
    "Smileys & Emotion": "🫠🫢🫣🫡🫥🫤🥹",
    "People & Body": "🫱🫲🫳🫴🫰🫵🫶🫦🫅🫃🫄🧌",
    "Animals & Nature": "🪸🪷🪹🪺",
    "Food & Drink": "🫘🫗🫙",
    "Travel & Places": "🛝🛞🛟",
    "Activities": "🪩",
    "Objects": "🪫🩼🩻🫧🪬🪪",
    "Symbols": "🟰",
}

# A range in the labels' line of sports runs over the two vehicles next to them.
_CORRECTIONS = {"🏍": "Travel & Places", "🏎": "Travel & Places"}


@dataclass(frozen=True)
class Annotation:
    """What CLDR says about one code point.

    Attributes:
        character: The code point, as a string of length one.
        name: The short name ("dog face").
        keywords: The search keywords, in CLDR's order.
    """

    character: str
    name: str
    keywords: tuple[str, ...]


def read_annotations(root: Path = CLDR_ROOT, language: str = "en") -> list[Annotation]:
    """Read the annotations of every single code point that has a name.

    Args:
        root: CLDR's ``common`` folder.
        language: The locale whose annotations are read.

    Returns:
        The annotations, by code point.
    """
    names: dict[str, str] = {}
    keywords: dict[str, str] = {}
    for node in ElementTree.parse(root / "annotations" / f"{language}.xml").iter("annotation"):
        target = names if node.get("type") == "tts" else keywords
        target[node.get("cp", "")] = (node.text or "").strip()
    return [
        Annotation(character, names[character], _split(keywords.get(character, "")))
        for character in sorted(names)
        if len(character) == 1
    ]


def read_groups(root: Path = CLDR_ROOT) -> dict[str, str]:
    """Assign a coarse group to every emoji CLDR labels or orders.

    A code point takes the group of its label in ``properties/labels.txt``. One without a label takes the
    group of the labelled code point before it in the root collation's emoji order, which runs group by
    group. What is newer than both comes from a short list in this module.

    Args:
        root: CLDR's ``common`` folder.

    Returns:
        Group names by character.
    """
    groups = _read_labels(root / "properties" / "labels.txt")
    current = ""
    for character in _read_order(root / "collation" / "root.xml"):
        if character in groups:
            current = groups[character]
        elif current:
            groups[character] = current
    groups.update(_CORRECTIONS)
    for group, characters in _EMOJI_14.items():
        groups.update((character, group) for character in characters if character not in groups)
    return groups


def _split(keywords: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in keywords.split("|") if word.strip())


def _read_labels(path: Path) -> dict[str, str]:
    groups: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [field.strip() for field in line.split(";")]
        if not line.startswith("[") or len(fields) < 3:
            continue
        group = fields[1]
        if group == "Smileys & People":
            people = fields[2].startswith(_PEOPLE)
            group = "People & Body" if people else "Smileys & Emotion"
            group = "Objects" if fields[2] == "clothing" else group
        singles = re.sub(r"\{[^}]*\}", "", fields[0][1:-1])  # braces hold sequences
        for first, last, single in re.findall(r"(.)-(.)|(.)", singles):
            for code in range(ord(first or single), ord(last or single) + 1):
                groups.setdefault(chr(code), group)
    return groups


def _read_order(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    text = text[text.index("<collation type='emoji'>") :]
    text = text[text.index("[before 1]") : text.index("]]>")]
    # "<*abc" lists single code points; "< abc" is one sequence, whose parts belong to other groups.
    return "".join(re.findall(r"^<\*(.+)$", text, flags=re.MULTILINE))
