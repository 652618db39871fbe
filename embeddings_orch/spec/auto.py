"""What a user declares of runs that nobody asks for: which are started, how often, and how much they may do."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from embeddings_orch.spec.base import Spec

_CRON_FIELD = r"[\dA-Za-z*/,#?L-]+"
_CRON = re.compile(rf"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|{_CRON_FIELD}( +{_CRON_FIELD}){{4}})$")


class AutoSpec(Spec):
    """What is started without being asked for, and how much of it."""

    max_items: int = Field(default=1_000_000, ge=0, description="Most contents that a sensor has embedded in one run.")
    max_cost_usd: float = Field(default=5.0, ge=0, description="Most that a sensor's run may cost, as estimated.")
    models: bool = Field(default=True, description="Whether the model-config sensor runs from the start.")
    media: bool = Field(default=True, description="Whether the media sensor runs from the start.")
    interval: int = Field(default=30, ge=1, description="Seconds between two ticks of a sensor, at the least.")
    settle: float = Field(
        default=30, ge=0, description="Seconds without a change in the media before the media sensor starts a run."
    )
    cron: str | None = Field(default=None, description="A schedule of whole runs, as in crontab: 0 3 * * *")
    timezone: str = Field(default="UTC", description="Time zone of the schedule: Europe/Berlin")

    @field_validator("cron")
    @classmethod
    def _schedule(cls, cron: str | None) -> str | None:
        if cron is not None and not _CRON.match(cron):
            raise PydanticCustomError(
                "cron", "a schedule has five fields (minute hour day month weekday) or is @daily, @hourly, ..."
            )
        return cron

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise PydanticCustomError("timezone", "there is no such time zone; as in Europe/Berlin") from error
        return name
