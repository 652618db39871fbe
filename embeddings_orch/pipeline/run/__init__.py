"""A run without an orchestrator, and what every orchestrator's run consists of: its steps, and its outcome."""
