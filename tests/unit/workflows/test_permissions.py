"""Nobody gets past the first line of a workflow without the permission that it names."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubedash import workflows
from kubedash.errors import NotSignedIn
from kubedash.policy.access import ANONYMOUS
from tests.support.aio import run

FOR_ANYBODY = {
    "kubedash.workflows.health.check_ready",
    "kubedash.workflows.sign_in.sign_in",
    "kubedash.workflows.sign_in.actor_of_session",
    "kubedash.workflows.sign_in.actor_of_token",
}
"""What finds out who somebody is, and what says no more than whether the house stands."""


def _public() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in pkgutil.iter_modules(workflows.__path__, "kubedash.workflows."):
        found = importlib.import_module(module.name)
        for name, value in vars(found).items():
            if not name.startswith("_") and inspect.isfunction(value) and value.__module__ == module.name:
                yield f"{module.name}.{name}", value


WORKFLOWS = {name: function for name, function in _public() if "actor" in inspect.signature(function).parameters}


def _arguments(function: Callable[..., Any]) -> list[Any]:
    """None for everything but the actor: a workflow that looks at anything before it asks falls over it."""
    needed = inspect.signature(function).parameters.values()
    return [
        ANONYMOUS if parameter.name == "actor" else None
        for parameter in needed
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_stranger_is_refused_before_anything_else(name: str) -> None:
    function = inspect.unwrap(WORKFLOWS[name])

    async def ask() -> None:
        answer = function(*_arguments(function))
        if inspect.isasyncgen(answer):
            await anext(answer)
        elif inspect.isawaitable(answer):
            await answer

    with pytest.raises(NotSignedIn):
        run(ask())


def test_there_are_workflows_to_ask() -> None:
    assert len(WORKFLOWS) > 30


def test_the_web_calls_nothing_else() -> None:
    """Of the workflows' modules, pages and API call what asks for an actor, or is for anybody."""
    house = dict(_public())
    takes_services = {name for name, function in house.items() if "services" in inspect.signature(function).parameters}
    for module in ("kubedash.web.pages", "kubedash.web.api"):
        package = importlib.import_module(module)
        for info in pkgutil.iter_modules(package.__path__, f"{module}."):
            loaded = importlib.import_module(info.name)
            tree = ast.parse(inspect.getsource(loaded))
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
                    owner = vars(loaded).get(call.func.value.id)
                    called = f"{getattr(owner, '__name__', '')}.{call.func.attr}"
                    if called in takes_services:
                        assert called in WORKFLOWS or called in FOR_ANYBODY, f"{info.name} calls {called}"
