"""Methods whose arguments are the fields of a class: one list of them, checked in one place, and typed."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

P = ParamSpec("P")
SelfT = TypeVar("SelfT")
AskedT = TypeVar("AskedT")
ReturnT = TypeVar("ReturnT")


def takes(
    make: Callable[P, AskedT],
) -> Callable[[Callable[[SelfT, AskedT], ReturnT]], Callable[Concatenate[SelfT, P], ReturnT]]:
    """A method that is called with the arguments that make its one argument."""
    arguments = inspect.signature(make)

    def decorate(method: Callable[[SelfT, AskedT], ReturnT]) -> Callable[Concatenate[SelfT, P], ReturnT]:
        @wraps(method)
        def call(self: SelfT, /, *args: P.args, **kwargs: P.kwargs) -> ReturnT:
            arguments.bind(*args, **kwargs)  # a wrong name is told as one of this call
            return method(self, make(*args, **kwargs))

        @wraps(method)
        async def call_later(self: SelfT, /, *args: P.args, **kwargs: P.kwargs) -> Any:
            return await cast(Awaitable[Any], call(self, *args, **kwargs))

        own = inspect.signature(method)
        first = next(iter(own.parameters.values()))
        taken = cast(
            Callable[Concatenate[SelfT, P], ReturnT], call_later if inspect.iscoroutinefunction(method) else call
        )
        signature = own.replace(parameters=[first, *arguments.parameters.values()])
        taken.__signature__ = signature  # type: ignore[attr-defined]
        return taken

    return decorate
