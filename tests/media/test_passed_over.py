"""Files that a scan passes over: counted by kind, some of them named, with what to do."""

import os

import pytest
from PIL import Image

from embeddings_orch.media.decoding.kinds import kind_of
from embeddings_orch.media.passed_over import PassedOver, PassedOverTally, advise, describe_rows
from embeddings_orch.media.sources.folder import FolderConfig, FolderSource


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def scan(folder, **settings):
    return FolderSource(FolderConfig(path=folder, **settings)).scan(None).passed_over


def test_each_kind_is_counted_and_says_what_to_do(folder):
    for name in (
        "b.heic",
        "a.HEIC",
        "c.heic",
        "d.heic",
        "x.psd",
        "x.cr2",
        "clip.mov",
        "song.mp3",
        "README",
        "a.strange",
    ):
        (folder / name).write_bytes(b"?")
    kinds = {kind.kind: kind for kind in scan(folder)}
    assert next(iter(kinds)) == ".heic"
    assert kinds[".heic"] == PassedOver(
        ".heic", 4, "HEIF pictures are not read: convert them to JPEG or PNG", ("a.HEIC", "b.heic", "c.heic")
    )
    assert kinds.keys() == {".heic", ".psd", ".cr2", ".mov", ".mp3", ".strange", "without an extension"}
    assert "export them as PNG or JPEG" in kinds[".psd"].advice
    assert "export them as JPEG or TIFF" in kinds[".cr2"].advice
    assert "videos are not read" in kinds[".mov"].advice
    assert kinds[".mp3"].advice == "sounds count where `include` names their extension, as **/*.mp3"
    assert kinds["without an extension"].examples == ("README",)
    told = describe_rows([kind.to_row() for kind in scan(folder)])
    assert told.startswith("passed over 10 files: 4 .heic (a.HEIC, b.heic, c.heic, ...: HEIF pictures are not read")
    assert "; 1 .strange (a.strange: no kind of picture, text or sound that is read)" in told


def test_what_nobody_misses_is_not_told(folder):
    for name in (".hidden", ".DS_Store", "Thumbs.db", "desktop.ini", "metadata.csv", "out.heic"):
        (folder / name).write_text("file_name,caption\n")
    (folder / ".git").mkdir()
    (folder / ".git" / "index").write_text("?")
    assert scan(folder, exclude=("out.*",)) == ()


def test_a_picture_without_an_extension_is_told_by_its_bytes(folder):
    for name, kind in (("IMG_1", "JPEG"), ("IMG_2", "PNG"), ("IMG_3.0001", "WEBP"), ("IMG_4.jpg~", "GIF")):
        Image.new("RGB", (4, 4)).save(folder / name, kind)
    (folder / "LICENSE").write_text("words")
    os.mkfifo(folder / "pipe")
    kinds = {kind.kind: kind for kind in scan(folder)}
    pictures = kinds["without an extension, a picture inside"]
    assert (pictures.count, pictures.examples) == (4, ("IMG_1", "IMG_2", "IMG_3.0001"))
    assert pictures.advice == "give each the extension of its format, as IMG_1.jpg"
    assert (kinds["without an extension"].count, kinds["without an extension"].examples) == (1, ("LICENSE",))
    assert kinds["no regular file"].examples == ("pipe",)


def test_names_are_the_first_ones_whatever_the_order_of_the_listing():
    tally = PassedOverTally()
    for number in reversed(range(5000)):
        tally.add(f"{number:04}.psd")
        tally.add(f"plain{number:04}")
    asked = []

    def read_start(name):
        asked.append(name)
        return b""

    psd, plain = sorted(tally.kinds(read_start), key=lambda kind: kind.kind)
    assert (psd.count, psd.examples) == (5000, ("0000.psd", "0001.psd", "0002.psd"))
    assert (plain.count, plain.examples[0]) == (5000, "plain0000")
    assert len(asked) <= 1000


def test_of_many_kinds_the_rarest_count_together():
    tally = PassedOverTally()
    for number in range(50):
        tally.add(f"a.k{number}x")
    tally.add("b.k1x")
    kinds = tally.kinds(lambda _: b"")
    assert (len(kinds), sum(kind.count for kind in kinds)) == (20, 51)
    assert (kinds[0].kind, kinds[-1].kind) == (".k1x", "other kinds")


def test_what_is_kept_as_json_is_read_back():
    kind = PassedOver(".psd", 4, "export them", ("a.psd",))
    assert PassedOver.from_data(kind.to_data()) == kind


def test_nothing_is_said_of_nothing():
    assert describe_rows([]) == ""


@pytest.mark.parametrize("name", ["a.mpo", "a.jfif", "a.jpe", "B.MPO"])
def test_other_extensions_of_jpeg_are_pictures(name):
    kind = kind_of(name)
    assert (kind.modality, kind.mime) == ("image", "image/jpeg")
    assert advise("a.unheard") == "no kind of picture, text or sound that is read"


def test_of_an_mpo_the_first_picture_counts(folder):
    from embeddings_orch.media import decode_image

    left, right = Image.new("RGB", (16, 12), "red"), Image.new("RGB", (16, 12), "blue")
    left.save(folder / "both.mpo", "MPO", save_all=True, append_images=[right])
    found = FolderSource(FolderConfig(path=folder)).scan(None)
    (row,) = found.table.to_pylist()
    assert (row["id"], row["modality"], row["width"], row["height"]) == ("both.mpo", "image", 16, 12)
    red, _, blue = decode_image((folder / "both.mpo").read_bytes()).getpixel((3, 3))
    assert (red > 200, blue < 50) == (True, True)
