"""What is told of an error of LanceDB."""

import pytest

from embeddings_orch.store.base import short


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no such table, /root/.cargo/rustc/lance/src/io.rs:12:3\nmore", "no such table"),
        ("no such table,  rustc/lance, and more", "no such table"),
        ("lance error: LanceError(IO): gone, /build/src/io.rs:12:3", "lance error: LanceError(IO): gone"),
        ("lance error: gone, src/io.rs:12:3, src/a.rs:1:2 again", "lance error: gone"),
        ("see src/io.rs:12:3 of it", "see src/io.rs:12:3 of it"),
        ("", "ValueError"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_the_place_in_its_own_source_is_left_out(message, told):
    assert short(ValueError(message)) == told


@pytest.mark.parametrize("part", ["(", " ", ", ", ", a", ", .rs:1", "rust", ", .rs:1: "])
def test_a_long_message_is_cut(part):
    assert len(short(ValueError("regex parse error: " + part * 100_000 + "!"))) <= 300
