"""`kubedash`: the verbs. 0 is done, 1 is refused or failed with the reason on stderr, 2 is misused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App
from rich.console import Console

from kubedash import __version__
from kubedash.cli.output import print_refusal
from kubedash.errors import KubedashError

app = App(
    name="kubedash",
    help="The dashboard for Docker and OCI registries.",
    version=__version__,
    error_console=Console(stderr=True),
    result_action="return_value",
)
VERBS: Final = (
    ("serve", "serve:serve", "Serve pages and API, and keep the index fresh, until SIGTERM or Ctrl-C."),
    ("worker", "serve:worker", "Keep the index fresh without serving anything."),
    ("db", "serve:database", "Look after the database."),
    ("registry", "registry:app", "Add, list, show, check and remove registries."),
    ("sync", "sync:sync", "Read the registries anew and wait for it."),
    ("ls", "browse:ls", "List the repositories of a registry, or the tags of a repository."),
    ("inspect", "browse:inspect_reference", "Show one image, index, chart or other artifact."),
    ("tag", "change:tag", "Add or move a tag."),
    ("rm", "change:rm", "Delete a tag, or a manifest by its digest."),
    ("restore", "change:restore_tag", "Give a deleted tag back, or roll one back."),
    ("deleted", "browse:deleted", "List the tags of a repository that are not there any more."),
    ("history", "change:history", "Show what a tag pointed to."),
    ("diff", "compare:diff", "Show what differs between two images."),
    ("events", "events:events", "Show what registries told, and follow it."),
    ("prune", "prune:prune", "Delete many tags of a repository by rules."),
    ("copy", "copies:copy_image", "Copy an image with its attachments to another repository or registry."),
    ("audit", "audit:audit", "Show who changed what."),
    ("user", "people:users", "Add and list users."),
    ("token", "people:api_tokens", "Create API tokens."),
)
for verb, place, meaning in VERBS:
    # Named, not imported: `kubedash token create` needs no web server.
    app.command(f"kubedash.cli.{place}", name=verb, help=meaning)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one verb and ends the process with its exit code."""
    try:
        app(sys.argv[1:] if arguments is None else list(arguments))
    except KubedashError as error:
        print_refusal(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has enough of it: that is no failure of ours.
        sys.stderr.close()
        sys.exit(0)
