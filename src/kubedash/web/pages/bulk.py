"""Deleting many tags of a repository: chosen by hand or by rules, one plan for all, and on to the job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Response

from kubedash.errors import Conflict, InvalidInput, KubedashError
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.deletion import DeletionChoices
from kubedash.records import BulkPlan, BulkTag, Registry, Selection
from kubedash.web.addresses import query_string
from kubedash.web.pages.deletions import STRATEGIES
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import bulk_delete, registries
from kubedash.workflows.bulk_delete import Shown
from kubedash.workflows.services import Services

MAX_SHOWN: Final = 500
"""Rows of either list; the counts are of all."""
NUMBERS: Final = ("older_than_days", "not_pulled_days", "keep_newest")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen, as it was sent."""

    tags: tuple[str, ...] = ()
    patterns: str = ""
    older_than_days: str = ""
    not_pulled_days: str = ""
    keep_newest: str = ""
    everything: bool = False
    take_orphans: bool = False

    @property
    def chosen(self) -> bool:
        """Something is chosen, so that there is something to plan."""
        return bool(self.tags or self.patterns or self.everything or any(getattr(self, name) for name in NUMBERS))


class BulkView(msgspec.Struct, frozen=True, kw_only=True):
    registry: Registry
    """Where the repository is."""
    repository: RepositoryName
    """Whose tags may go."""
    rules: Rules
    """What was chosen."""
    orphans_href: dict[str, str]
    """The same plan with attachments left (`leave`) and taken along (`take`)."""
    change_href: str
    """The form with these rules in it."""
    chosen_by: tuple[str, ...]
    """The rules in words."""
    plan: BulkPlan | None = None
    """What would be done; None while nothing was chosen."""
    going: tuple[BulkTag, ...] = ()
    """Tags that would go, in their order; as many as are shown."""
    kept: tuple[BulkTag, ...] = ()
    """Tags that were chosen and cannot go, as many as are shown."""
    ways: tuple[tuple[str, int], ...] = ()
    """How they go: a sentence, and how many go that way."""
    typed: str = ""
    """What was typed to confirm."""
    errors: dict[str, str] = {}
    """What is wrong, by field."""
    problem: str | None = None
    """What is wrong with the whole."""
    hint: str | None = None
    """What to try."""


async def show_bulk(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName
) -> Response[str]:
    """`{repository}/-/deletion?tag=&tag=` or by rules; without either, or with `change=true`, the form for them."""
    _require(services, actor)
    asked = request.query_params
    rules = read_rules(asked, asked.getall("tag", []))
    view = await _view(request, services, actor, registry, repository, rules)
    if not rules.chosen or asked.get("change") == "true":
        return _shown(request, view)
    try:
        choices = DeletionChoices(take_orphans=rules.take_orphans)
        plan = await bulk_delete.plan(services, actor, registry, repository, selection_of(rules), choices)
    except InvalidInput as error:
        return _shown(request, _refused(view, error), error.status)
    return _shown(request, planned(view, plan))


async def perform_bulk(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName
) -> Response[Any]:
    """`POST {repository}/-/deletion`: plans again, and begins the job where it is what was shown."""
    _require(services, actor)
    form = await request.form()
    rules = read_rules({str(name): str(form[name]) for name in form}, [str(tag) for tag in form.getall("tag", [])])
    view = await _view(request, services, actor, registry, repository, rules)
    expected, typed = str(form.get("expected", "")), str(form.get("confirm", "")).strip()
    try:
        selection = selection_of(rules)
        if typed != repository:
            wrong = {"confirm": f"Type {repository} to confirm."}
            again = await _planned_again(services, actor, view, selection)
            return _shown(request, msgspec.structs.replace(again, typed=typed[:300], errors=wrong), 422)
        shown = Shown(expected=expected or None, take_orphans=rules.take_orphans)
        job = await bulk_delete.execute(services, actor, registry, repository, selection, shown)
    except InvalidInput as error:
        return _shown(request, _refused(view, error), error.status)
    except Conflict as error:
        again = await _planned_again(services, actor, view, selection)
        return _shown(request, _refused(again, error), error.status)
    return redirect(request, urls_of(request).path(f"/jobs/{job.id}"))


def read_rules(sent: Mapping[str, str], tags: Sequence[str]) -> Rules:
    """What an address or a form says. Pure."""
    return Rules(
        tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        patterns=" ".join(sent.get("patterns", "").split()),
        older_than_days=sent.get("older_than_days", "").strip(),
        not_pulled_days=sent.get("not_pulled_days", "").strip(),
        keep_newest=sent.get("keep_newest", "").strip(),
        everything=sent.get("everything") == "true",
        take_orphans=sent.get("orphans") == "take",
    )


def selection_of(rules: Rules) -> Selection:
    """The rules as values. Raises `InvalidInput` whose `fields` names what cannot be read."""
    problems: dict[str, str] = {}
    numbers: dict[str, int | None] = {}
    for name in NUMBERS:
        text = getattr(rules, name)
        if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
            problems[name] = "is no number"
        numbers[name] = int(text) if text and name not in problems else None
    if problems:
        raise InvalidInput("Some of the rules cannot be read.", fields=problems)
    return Selection(
        tags=tuple(Tag.parse(tag) for tag in rules.tags),
        patterns=tuple(rules.patterns.split()),
        everything=rules.everything,
        older_than_days=numbers["older_than_days"],
        not_pulled_days=numbers["not_pulled_days"],
        keep_newest=numbers["keep_newest"],
    )


def planned(view: BulkView, plan: BulkPlan) -> BulkView:
    """With the plan in words. Pure."""
    return msgspec.structs.replace(
        view,
        plan=plan,
        going=tuple(tag for tag in plan.tags if tag.refused is None)[:MAX_SHOWN],
        kept=tuple(tag for tag in plan.tags if tag.refused is not None)[:MAX_SHOWN],
        ways=tuple((STRATEGIES.get(way, way), number) for way, number in plan.strategies.items() if way != "refuse"),
    )


async def _planned_again(services: Services, actor: Actor, view: BulkView, selection: Selection) -> BulkView:
    choices = DeletionChoices(take_orphans=view.rules.take_orphans)
    plan = await bulk_delete.plan(services, actor, view.registry.name, view.repository, selection, choices)
    return planned(view, plan)


def _require(services: Services, actor: Actor) -> None:
    access.require(actor, Permission.TAGS_DELETE)
    access.require_deletion(actor, services.settings.delete_images)


async def _view(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, repository: RepositoryName, rules: Rules
) -> BulkView:
    owner = await registries.show_registry(services, actor, registry)
    place = urls_of(request).repository(registry, repository, "deletion")
    return BulkView(
        registry=owner,
        repository=repository,
        rules=rules,
        orphans_href={choice: place + _query(rules, choice) for choice in ("leave", "take")},
        change_href=place + _query(msgspec.structs.replace(rules, tags=()), "leave", change="true"),
        chosen_by=chosen_by(rules),
    )


def chosen_by(rules: Rules) -> tuple[str, ...]:
    """The rules as people say them; none for what was chosen by hand alone. Pure."""
    found = (
        (rules.patterns, f"names {rules.patterns}"),
        (rules.older_than_days, f"older than {rules.older_than_days} days"),
        (rules.not_pulled_days, f"not pulled for {rules.not_pulled_days} days"),
        (rules.keep_newest, f"but the newest {rules.keep_newest}"),
        (rules.everything, "all tags"),
    )
    return tuple(words for given, words in found if given)


def _query(rules: Rules, orphans: str, **more: str) -> str:
    """The rules as an address."""
    one = {
        "patterns": rules.patterns,
        **{name: getattr(rules, name) for name in NUMBERS},
        "everything": "true" if rules.everything else None,
        "orphans": orphans if orphans == "take" else None,
        **more,
    }
    tags = "&".join(query_string({"tag": tag})[1:] for tag in rules.tags)
    rest = query_string(one)[1:]
    return f"?{'&'.join(filter(None, (tags, rest)))}"


def _refused(view: BulkView, error: KubedashError) -> BulkView:
    fields = error.fields if isinstance(error, InvalidInput) else {}
    return msgspec.structs.replace(view, errors=fields, problem=error.message, hint=error.hint)


def _shown(request: HtmlRequest, view: BulkView, status: int = 200) -> Response[str]:
    return page(request, "changes/bulk.html", view, section="registries", status=status)
