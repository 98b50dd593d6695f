"""What the application hands to every handler that asks for it by name (`services`, `actor`)."""

from __future__ import annotations

from typing import TypeAlias

from litestar.di import NamedDependency

from kubedash.policy.access import Actor
from kubedash.workflows.services import Services

GivenServices: TypeAlias = NamedDependency[Services]
GivenActor: TypeAlias = NamedDependency[Actor]
