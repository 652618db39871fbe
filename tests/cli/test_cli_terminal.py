"""What is drawn on a real terminal."""

import os
import pty
import sys


def test_the_bar_moves_on_a_terminal_while_a_step_of_dagster_runs(gallery, dagster_home, monkeypatch):
    gallery.model(delay=0.3, batch_size=1)
    seen = bytearray()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    quiet, shown = os.open(os.devnull, os.O_WRONLY), os.dup(1)
    os.dup2(quiet, 1)  # pty.spawn copies to standard output

    def read(descriptor):
        data = os.read(descriptor, 4096)
        seen.extend(data)
        return data

    command = "from embeddings_orch.cli import main; main()"
    try:
        status = pty.spawn([sys.executable, "-c", command, "run", "--file", str(gallery.file)], read)
    finally:
        os.dup2(shown, 1)
        os.close(quiet)
        os.close(shown)

    assert os.waitstatus_to_exitcode(status) == 0
    text = seen.decode(errors="replace")
    assert "starting" in text
    states = {state for state in ("0/12", *(f"{done}/12" for done in range(1, 12))) if state in text}
    assert len(states) >= 2, text[-2000:]
    assert "gallery/embeddings/toy: 12 new" in text
