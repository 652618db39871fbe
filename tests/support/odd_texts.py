"""The odd texts of ``tests/data/odd``, and folders of texts with odd metadata files."""

from __future__ import annotations

import csv
import io

from odd_pictures import encoded, smooth

GREETING = "Grüße aus Łódź, 東京 und مراكش"
DECOMPOSED = "Gru\u0308ße aus dem Cafe\u0301"


def make_texts() -> dict[str, bytes]:
    """All of them, by name."""
    files = {
        "greeting.txt": GREETING.encode(),
        "mark.txt": b"\xef\xbb\xbf" + GREETING.encode(),
        "greeting.md": GREETING.encode(),
        "utf-16.txt": GREETING.encode("utf-16-le").join([b"\xff\xfe", b""]),
        "utf-16-big.txt": b"\xfe\xff" + GREETING.encode("utf-16-be"),
        "utf-16-without-mark.txt": "Köln am Rhein".encode("utf-16-le"),
        "latin-1.txt": "Grüße aus München".encode("latin-1"),
        "windows.txt": "“quoted” – €".encode("cp1252"),
        "shift-jis.txt": "東京".encode("shift-jis"),
        "utf-32.txt": "Köln".encode("utf-32"),
        "cut-character.txt": "zwölf Züge".encode()[:-3] + b"\xc3",
        "lines.txt": b"first line\nsecond line\n",
        "crlf.txt": b"first line\r\nsecond line\r\n",
        "cr.txt": b"first line\rsecond line\r",
        "empty.txt": b"",
        "mark-alone.txt": b"\xef\xbb\xbf",
        "blanks.txt": b" \t\r\n \n",
        "nul.txt": b"before\0behind",
        "controls.txt": b"bell\x07 escape\x1b[31m backspace\x08",
        "long-line.txt": b"hay " * 4_000 + b"zneedle",
        "long-word.txt": b"x" * 15_000,
        "composed.txt": "Grüße aus dem Café".encode(),
        "decomposed.txt": DECOMPOSED.encode(),
        "marks-in-heaps.txt": ("Z" + "\u0301\u0316" * 200 + "algo").encode(),
        "right-to-left.txt": "שלום עולם, مرحبا بالعالم".encode(),
        "turned-by-sign.txt": "harmless\u202egpj.exe".encode(),
        "families.txt": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪".encode(),
        "beyond.txt": "𝔊𝔬𝔱𝔥𝔦𝔠 𠜎 𐍈".encode(),
        "not-a-character.txt": "\ufffe\uffff\U0010ffff private \ue000".encode(),
        "half-pair.txt": b"\xed\xa0\x80 half a surrogate pair",
        "overlong.txt": b"\xc0\xaf",
    }
    return files | make_captions() | make_names()


def make_captions() -> dict[str, bytes]:
    """Folders with a metadata file each, of which the columns go into one catalog.

    The file of a decomposed name is written when the test runs: git on a Mac composes it.
    """
    files: dict[str, bytes] = {}
    for folder, (name, metadata, items) in {
        "plain": ("metadata.csv", b"file_name,caption,stars\na.txt,a plain caption,1\n", "a.txt b.txt"),
        "plain/below": ("metadata.csv", b"file_name,caption,stars\na.txt,one folder down,2\n", "a.txt"),
        "reaching-down": ("metadata.csv", b"file_name,caption\n./sub/a.txt,from above\n", "sub/a.txt"),
        "lines": ("metadata.jsonl", b'{"file_name": "a.txt", "caption": "by lines", "stars": 3}\n\n', "a.txt"),
        "mark": ("metadata.csv", b"\xef\xbb\xbffile_name,caption\r\na.txt,marked\r\n", "a.txt"),
        "semicolons": ("metadata.csv", b"file_name;caption;stars\na.txt;red, green;4\n", "a.txt"),
        "quotes": ("metadata.csv", b'file_name,caption\na.txt,"two\nlines, ""quoted"""\n', "a.txt"),
        "ragged": ("metadata.csv", b"file_name,caption,stars\na.txt,red, green,5\nb.txt,kept,6\n", "a.txt b.txt"),
        "bad-line": (
            "metadata.jsonl",
            b'{"file_name": "a.txt", "caption": "kept"}\n{"file_name": "b.txt", caption}\n[1]\n',
            "a.txt b.txt",
        ),
        "unnamed": ("metadata.csv", b"file_name,caption\n,whose?\na.txt,kept\n", "a.txt"),
        "missing": ("metadata.csv", b"file_name,caption\ngone.txt,whose?\na.txt,kept\n", "a.txt"),
        "twice": ("metadata.csv", b"file_name,caption\na.txt,the first\n./a.txt,the second\n", "a.txt"),
        "slash": ("metadata.csv", b"file_name,caption\nsub\\a.txt,whose?\n", "sub/a.txt"),
        "blank": ("metadata.csv", b"file_name,caption\na.txt ,whose?\n", "a.txt"),
        "outside": ("metadata.csv", b"file_name,caption\n../plain/b.txt,from next door\n", "a.txt"),
        "header-alone": ("metadata.csv", b"file_name,caption\n", "a.txt"),
        "decomposed": (
            "metadata.csv",
            "file_name,caption\nschön.txt,composed in the table\n".encode(),
            "",
        ),
    }.items():
        files[f"captions/{folder}/{name}"] = metadata
        for item in items.split():
            files[f"captions/{folder}/{item}"] = f"the text {item} of {folder}\n".encode()
    return files


def make_names() -> dict[str, bytes]:
    """Captions of files with odd names; the files are not here, as git and some file systems cannot hold them."""
    rows = [
        # Either way to write a letter names a file that has it in the other.
        ("composed/u\u0308.png", "a composed name"),
        ("decomposed/\u00fc.png", "a decomposed name"),
        ("a b.png", "a blank within"),
        (" first.png", "a blank before"),
        ("#1.png", "a sharp"),
        ("%41.png", "a percent sign"),
        ("line\nbreak.png", "a new line"),
        ("-dash.png", "a dash"),
        ('say "hi".png', "quotes"),
        ("a,b;c.png", "separators"),
        ("🦊.png", "a fox"),
    ]
    data = io.StringIO()
    csv.writer(data, lineterminator="\n").writerows([("file_name", "caption"), *rows])
    return {"names/metadata.csv": data.getvalue().encode()}


def make_folders() -> dict[str, bytes]:
    """Folders of which each is a source of its own: some are refused as a whole."""
    text, picture = b"a text\n", encoded(smooth(), "PNG")
    return {
        "nothing-known/notes.xyz": b"?",
        "hidden/a.txt": text,
        "hidden/.a.txt": text,
        "hidden/._b.png": b"\0\5\x16\7",
        "hidden/.DS_Store": b"\0",
        "hidden/.cache/c.txt": text,
        "like-a-picture/folder.png/a.txt": text,
        "like-a-picture/metadata.csv/b.txt": b"another text\n",
        "other-types/one/a.txt": b"one\n",
        "other-types/one/metadata.csv": b"file_name,stars,price,day\na.txt,1,1,2024-01-05\n",
        "other-types/two/a.txt": b"two\n",
        "other-types/two/metadata.csv": b"file_name,stars,price,flag\na.txt,many,2.5,true\n",
        "other-types/three/a.txt": b"three\n",
        "other-types/three/metadata.jsonl": b'{"file_name": "a.txt", "stars": 3, "price": 7, "flag": false}\n',
        "two-metadata/a.txt": text,
        "two-metadata/metadata.csv": b"file_name,caption\na.txt,one\n",
        "two-metadata/metadata.jsonl": b'{"file_name": "a.txt", "caption": "two"}\n',
        "no-file-name/a.txt": text,
        "no-file-name/metadata.csv": b"filename,caption\na.txt,one\n",
        "cut-captions/a.png": picture,
        "cut-captions/metadata.csv": b"file_name,caption,stars\na.png,one,1\nb.png,tw",
        "latin-1-captions/a.png": picture,
        "latin-1-captions/metadata.csv": "file_name,caption\na.png,grün\n".encode("latin-1"),
        "open-quote/a.png": picture,
        "open-quote/metadata.csv": b'file_name,caption\na.png,"never closed\nb.png,two\n',
    }
