"""What is drawn on a real terminal."""

import contextlib
import os
import pty

import pytest

import warm


@pytest.mark.process
def test_the_bar_moves_on_a_terminal_while_a_step_of_dagster_runs(gallery, dagster_home, monkeypatch):
    gallery.model(delay=0.15, batch_size=1)
    seen = bytearray()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    ours, theirs = pty.openpty()
    arguments = ("run", "--file", gallery.file)
    process = warm.start("embeddings-orch", *arguments, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    with contextlib.suppress(OSError):  # the other end is closed
        while data := os.read(ours, 4096):
            seen.extend(data)
    os.close(ours)

    assert process.wait(120) == 0
    text = seen.decode(errors="replace")
    assert "starting" in text
    states = {state for state in ("0/12", *(f"{done}/12" for done in range(1, 12))) if state in text}
    assert len(states) >= 2, text[-2000:]
    assert "gallery/embeddings/toy: 12 new" in text
