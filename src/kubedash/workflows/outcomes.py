"""For those who want a change done or an error: programs and the command line. Pages show the outcome itself."""

from __future__ import annotations

from kubedash.errors import NotDone
from kubedash.records import ChangeOutcome, ChangeState


def require_done(outcome: ChangeOutcome) -> ChangeOutcome:
    """Raises `NotDone`, whose sentence says whether everything is as before."""
    if outcome.state is ChangeState.DONE:
        return outcome
    raise NotDone(outcome.sentence, hint=outcome.hint, answered=outcome.detail)
