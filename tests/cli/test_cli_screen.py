"""What names, captions and reasons hold is shown by a terminal, and not obeyed."""

import csv
import io
import re
import sys
from contextlib import contextmanager

import pytest
from PIL import Image
from rich.text import Text

from embeddings_orch.cli.common import print_json
from embeddings_orch.cli.output.console import PlainConsole
from embeddings_orch.cli.output.screen import Screen, screens, visible
from embeddings_orch.cli.output.terminal import plain_table
from embeddings_orch.policy.secrets import remember

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NAME = "a\x1b[2Jb\x1b]0;title\x07c\rd\x9b31me\u202egnp.f\x08"
ORDINARY = "señor 日本語 עברית \u200fو\u200c \N{FAMILY} 👩\u200d🚀 é\tand [b]tags[/b] :smile: %s {}"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, declare, process):
    """A pipeline over names and captions that are escape sequences; one picture cannot be decoded."""
    folder = tmp_path_factory.mktemp("hostile")
    index = {"vectors": ["toy"], "full_text": ["caption"], "checks": {"max_failed": 1}}
    toy = {"provider": "counting", "decode": True}
    file = declare(folder / "project", embeddings={"toy": toy}, indexes={"found": index})
    media = folder / "project" / "media"
    Image.new("RGB", (24, 16), "red").save(media / f"{NAME}.png")
    (media / f"broken {NAME}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with (media / "metadata.csv").open("a", newline="") as file_of_captions:
        file_of_captions.write("\n")
        csv.writer(file_of_captions).writerow([f"{NAME}.png", f"{NAME} {ORDINARY}"])
    return file, process("run", "--file", file, cwd=folder, home=folder / "home")


@pytest.mark.process
def test_a_run_shows_what_it_left_out_in_plain_characters(hostile):
    _, done = hostile
    said = done.stdout + done.stderr
    assert r"broken a\x1b[2Jb\x1b]0;title\x07c" in said, said
    assert not CONTROL.search(said)


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments", [("search", "a picture"), ("failures",), ("status",), ("plan",), ("generations",)]
)
def test_no_command_lets_a_control_character_through(hostile, process, arguments):
    file, _ = hostile
    done = process(*arguments, "--file", file, cwd=file.parent, home=file.parents[1] / "home")
    said = done.stdout + done.stderr
    assert not CONTROL.search(said), said
    assert arguments != ("search", "a picture") or r"\x1b[2J" in said


@pytest.mark.process
def test_a_message_with_an_argument_in_it_is_shown_in_plain_characters(process, tmp_path):
    done = process("search", "--file", f"{tmp_path}/{NAME}", "x")
    assert done.returncode == 2
    assert not CONTROL.search(done.stderr), done.stderr


def test_ordinary_text_of_any_script_stays_as_it_is():
    assert visible(ORDINARY) == ORDINARY


@pytest.fixture
def screened(monkeypatch):
    """Standard output and standard error as files, with screens on them meanwhile; what is written is read by name."""
    files = {name: io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for name in ("stdout", "stderr")}

    def read(name="stdout"):
        files[name].flush()
        return files[name].buffer.getvalue().decode()

    @contextmanager
    def begin():
        for name, stream in files.items():
            monkeypatch.setattr(sys, name, stream)
        with screens():
            yield read
        assert (sys.stdout, sys.stderr) == tuple(files.values())

    return begin


def test_rich_takes_nothing_for_markup_and_styles_what_is_escaped(screened):
    table = plain_table("id")
    table.add_row(f"{NAME} [bold]x[/bold] :smile: [/]")
    table.add_row(Text("\x1b[2J" * 20 + " whole", style="bold"))
    with screened() as written:
        console = PlainConsole(width=200)
        console.print(table)
        console.print("[/red] \x1b[31m", style="yellow")
    assert not CONTROL.search(written())
    assert "[bold]x[/bold] :smile: [/]" in written()
    assert "[/red] \\x1b[31m" in written()
    assert "c\\rd\\x9b31m" in written()
    assert "\\x1b[2J" * 20 + " whole" in written()


def test_a_label_keeps_its_colour_and_its_text_has_none_of_its_own(screened):
    with screened() as written:
        sys.stderr.write("\x1b[31m\x1b[1merror: \x1b[0m")
        sys.stderr.write("\x1b[31mno\x1b[0m\n")
        sys.stderr.write("\r 10%|#  |")
        sys.stderr.writelines(["\rover the line before\n"])
    assert written("stderr") == (
        "\x1b[31m\x1b[1merror: \x1b[0m\\x1b[31mno\\x1b[0m\n\r 10%|#  |\\rover the line before\n"
    )


def test_streams_are_as_they_were_after_a_command(screened):
    with screened() as written:
        assert isinstance(sys.stdout, Screen)
    print("\x1b and go on")
    assert written() == "\x1b and go on\n"


def test_a_secret_is_written_to_no_stream(screened):
    remember("sk-proj-Zq7Xw2Lk9Vb4")
    signed = {"url": "https://host/a.jpg?sig=0f1e", "key": "sk-proj-Zq7Xw2Lk9Vb4"}
    with screened() as written:
        print_json(signed)
        print_json(signed, own_data=True)
        print("the key sk-proj-Zq7Xw2Lk9Vb4 of https://me:pa55@host")
        PlainConsole().print("the key sk-proj-Zq7Xw2Lk9Vb4 of https://me:pa55@host")
        print("sk-proj-Zq7Xw2Lk9Vb4", file=sys.stderr)
    assert written() == (
        '{"url": "https://host/a.jpg?sig=[secret]", "key": "[secret]"}\n'
        '{"url": "https://host/a.jpg?sig=0f1e", "key": "[secret]"}\n'
        "the key [secret] of https://[secret]@host\nthe key [secret] of https://[secret]@host\n"
    )
    assert written("stderr") == "[secret]\n"
