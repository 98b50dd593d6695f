"""`kubedash user …` and `kubedash token …`."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App, Parameter

from kubedash.cli.doors import Json, PasswordStdin, act, read_password
from kubedash.cli.output import print_json, print_line, print_note, print_table
from kubedash.policy.lists import ListQuery, page_of
from kubedash.records import CreatedToken, CreatedUser, Role
from kubedash.workflows import people, tokens

PASSWORD_VARIABLE: Final = "KUBEDASH_USER_PASSWORD"  # noqa: S105 (a name, not a password)
EVERYTHING: Final = 1_000_000
DEFAULT_NAME: Final = "command line"
users = App(name="user", help="Add and list users.")
api_tokens = App(name="token", help="Create API tokens.")


@users.command(name="add")
def add_user(
    name: Annotated[str, Parameter(help="Lower-case letters, digits and . _ @ -.")],
    /,
    *,
    role: Annotated[Role, Parameter(help="What the user may do.")] = Role.VIEWER,
    password_stdin: PasswordStdin = False,
    json: Json = False,
) -> None:
    """Add a user. Without a password on the standard input or in KUBEDASH_USER_PASSWORD, prints a generated one."""
    given = read_password(from_stdin=password_stdin, variable=PASSWORD_VARIABLE, prompt="Password", needed=False)
    user, password = act(lambda services, actor: people.add_user(services, actor, name, role, given))
    generated = password if given is None else None
    if json:
        print_json(CreatedUser(user=user, password=generated))
        return
    print_note(f"Added {user.name} ({user.role}).")
    if generated is not None:
        print_line(generated)


@users.command(name="list")
def list_users(*, json: Json = False) -> None:
    """List the users."""
    found = act(people.list_users)
    if json:
        print_json(page_of(found, ListQuery(limit=EVERYTHING), {}, lambda user: user.name))
        return
    print_table(
        ("NAME", "ROLE", "CREATED", "LAST SEEN", "STATE"),
        [(u.name, u.role, u.created_at, u.last_seen, "disabled" if u.disabled else "active") for u in found],
    )


@api_tokens.command(name="create")
def create_token(
    *,
    user: Annotated[str, Parameter(help="Whose token it is.")] = people.FIRST_USER,
    role: Annotated[Role | None, Parameter(help="No more than this; what its user may, where left out.")] = None,
    expires: Annotated[int | None, Parameter(help="Days until it expires; never, where left out.")] = None,
    name: Annotated[str, Parameter(help="What to call it.")] = DEFAULT_NAME,
    json: Json = False,
) -> None:
    """Create an API token and print it, alone and only this once."""
    token, secret = act(lambda services, actor: tokens.create_token(services, actor, name, role, expires, user=user))
    if json:
        print_json(CreatedToken(token=token, secret=secret))
    else:
        print_line(secret)
