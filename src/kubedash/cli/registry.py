"""`kubedash registry …`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from kubedash.cli.doors import Json, PasswordStdin, act, read_file, read_password
from kubedash.cli.output import print_facts, print_json, print_line, print_table
from kubedash.errors import RegistryError
from kubedash.oci.reference import RepositoryName
from kubedash.policy.lists import ListQuery, page_of
from kubedash.records import Registry, RegistrySecrets, RegistrySettings
from kubedash.workflows import registries
from kubedash.workflows.registries import CheckReport

PASSWORD_VARIABLE: Final = "KUBEDASH_REGISTRY_PASSWORD"  # noqa: S105 (a name, not a password)
EVERYTHING: Final = 1_000_000
Name = Annotated[str, Parameter(help="The registry's name here, as in `kubedash registry list`.")]
app = App(name="registry", help="Add, list, show, check and remove registries.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Connection:
    """How the registry is reached."""

    title: str = ""
    "What people see; the name where it is left out."
    username: str | None = None
    "Who signs in to the registry."
    insecure: Annotated[bool, Parameter(negative="")] = False
    "Do not check the registry's certificate."
    ca_file: Path | None = None
    "PEM file of the authority that signed the registry's certificate."
    client_certificate_file: Path | None = None
    "PEM file of the certificate that we show to the registry."
    client_key_file: Path | None = None
    "PEM file of its private key."
    proxy: str | None = None
    "HTTP proxy on the way to the registry."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Presentation:
    """How the registry is shown."""

    pull_host: str | None = None
    "The host in pull commands, where it differs from the address."
    repository: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    "A repository to list, where the registry has no catalog; may be repeated."
    protected_tag: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    "A tag or pattern that nothing may delete; may be repeated."


@app.command(name="add")
def add(
    name: Annotated[str, Parameter(help="Its name here: lower-case letters, digits and dashes.")],
    url: Annotated[str, Parameter(help="Its address, such as https://registry.example.com:5000.")],
    /,
    *,
    connection: Connection | None = None,
    presentation: Presentation | None = None,
    password_stdin: PasswordStdin = False,
    test: Annotated[bool, Parameter(help="Try the connection first, and save nothing where it fails.")] = True,
    json: Json = False,
) -> None:
    """Add a registry. The password comes from the standard input, KUBEDASH_REGISTRY_PASSWORD or a question."""
    reached, shown = connection or Connection(), presentation or Presentation()
    settings = _settings(name, url, reached, shown)
    secrets = _secrets(reached, from_stdin=password_stdin)
    added = act(lambda services, actor: registries.add_registry(services, actor, settings, secrets, test=test))
    if json:
        print_json(added)
    else:
        print_line(f"Added {added.name} at {added.url}. `kubedash sync {added.name}` reads it now.")


@app.command(name="list")
def list_all(*, json: Json = False) -> None:
    """List the registries."""
    found = act(registries.list_registries)
    if json:
        print_json(page_of(found, ListQuery(limit=EVERYTHING), {}, lambda registry: registry.name))
        return
    print_table(
        ("NAME", "STATUS", "REPOSITORIES", "TAGS", "LAST SYNC", "URL"),
        [(r.name, r.status, r.repository_count, r.tag_count, r.last_synced, r.url) for r in found],
    )


@app.command(name="show")
def show(name: Name, /, *, json: Json = False) -> None:
    """Show one registry."""
    found = act(lambda services, actor: registries.show_registry(services, actor, name))
    if json:
        print_json(found)
    else:
        print_facts(_facts(found))


@app.command(name="check")
def check(name: Name, /, *, json: Json = False) -> None:
    """Try the connection step by step; ends with 1 where it fails."""
    report = act(lambda services, actor: registries.check_stored(services, actor, name))
    if json:
        print_json(report)
    else:
        _print_report(report)
    if not report.ok:
        raise SystemExit(RegistryError.exit_code)


@app.command(name="remove")
def remove(name: Name, /, *, json: Json = False) -> None:
    """Forget a registry and its index. The registry itself is not touched."""
    act(lambda services, actor: registries.remove_registry(services, actor, name))
    if not json:
        print_line(f"Removed {name}.")


def _settings(name: str, url: str, connection: Connection, presentation: Presentation) -> RegistrySettings:
    return RegistrySettings(
        name=name,
        title=connection.title,
        url=url,
        username=connection.username,
        tls_verify=not connection.insecure,
        ca_pem=read_file(connection.ca_file),
        client_certificate_pem=read_file(connection.client_certificate_file),
        proxy=connection.proxy,
        pull_host=presentation.pull_host,
        repositories=tuple(RepositoryName.parse(repository) for repository in presentation.repository),
        protected_tags=presentation.protected_tag,
    )


def _secrets(connection: Connection, *, from_stdin: bool) -> RegistrySecrets:
    password = read_password(
        from_stdin=from_stdin,
        variable=PASSWORD_VARIABLE,
        prompt=f"Password of {connection.username}",
        needed=connection.username is not None,
    )
    return RegistrySecrets(password=password, client_key_pem=read_file(connection.client_key_file))


def _facts(found: Registry) -> list[tuple[str, str | int | None]]:
    return [
        ("name", found.name),
        ("title", found.title),
        ("url", found.url),
        ("username", found.username),
        ("password", "set" if found.has_password else "not set"),
        ("certificate", "checked" if found.tls_verify else "not checked"),
        ("pull host", found.pull_host),
        ("status", found.status),
        ("detail", found.status_detail),
        ("last sync", found.last_synced.isoformat() if found.last_synced else "never"),
        ("repositories", found.repository_count),
        ("tags", found.tag_count),
    ]


def _print_report(report: CheckReport) -> None:
    for step in report.steps:
        print_line(f"{step.state:8} {step.title}: {step.sentence}")
        if step.diagnostics is not None:
            print_facts((("  asked", step.diagnostics.asked), ("  answered", step.diagnostics.answered)))
            print_facts((("  try", step.diagnostics.hint),))
