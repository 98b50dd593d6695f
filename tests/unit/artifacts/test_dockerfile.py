"""History as the lines of a Dockerfile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.artifacts.dockerfile import Instruction, instruction_of


@pytest.mark.parametrize(
    ("created_by", "verb", "text"),
    [
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN", "apt-get update"),
        ("RUN /bin/sh -c set -eux;\n  make\n# buildkit", "RUN", "set -eux;\n  make"),
        ("RUN |2 VERSION=1 FLAGS=-a -b /bin/sh -c make all # buildkit", "RUN", "make all"),
        ("RUN |1 A=b make # buildkit", "RUN", "|1 A=b make"),
        ("RUN /bin/bash -o pipefail -c a | b # buildkit", "RUN", "a | b"),
        ("RUN /bin/bash -euxo pipefail -c a", "RUN", "a"),
        ("RUN make # buildkit", "RUN", "make"),
        ("RUN /usr/bin/shellcheck -c x", "RUN", "/usr/bin/shellcheck -c x"),
        ("COPY app /srv/ # buildkit", "COPY", "app /srv/"),
        ('CMD ["nginx" "-g" "daemon off;"]', "CMD", '["nginx" "-g" "daemon off;"]'),
        ("EXPOSE map[443/tcp:{} 80/tcp:{}]", "EXPOSE", "443/tcp 80/tcp"),
        ("EXPOSE map[80/tcp:struct {}{}]", "EXPOSE", "80/tcp"),
        ("ENV A=b", "ENV", "A=b"),
        ("WORKDIR /srv", "WORKDIR", "/srv"),
        ("ENTRYPOINT", "ENTRYPOINT", ""),
        ('/bin/sh -c #(nop)  CMD ["bash"]', "CMD", '["bash"]'),
        ("/bin/sh -c #(nop) ADD file:0a1b in / ", "ADD", "file:0a1b /"),
        ("/bin/sh -c #(nop) COPY dir:ff00 in /srv ", "COPY", "dir:ff00 /srv"),
        ("/bin/sh -c #(nop)  EXPOSE 80", "EXPOSE", "80"),
        ("/bin/sh -c #(nop)  something else", "", "something else"),
        ("/bin/sh -c make", "RUN", "make"),
        ("|1 A=b /bin/sh -c make", "RUN", "make"),
        ("cmd /S /C dir", "RUN", "dir"),
        ("powershell -Command $ErrorActionPreference = 'Stop'; dir", "RUN", "$ErrorActionPreference = 'Stop'; dir"),
        ("bazel build //:image", "", "bazel build //:image"),
        ("RUNNER", "", "RUNNER"),
        ("run x", "", "run x"),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_the_forms_that_builders_write(created_by: str | None, verb: str, text: str) -> None:
    assert instruction_of(created_by) == Instruction(verb, text)


@given(st.text(max_size=80))
def test_any_text_is_an_instruction(text: str) -> None:
    found = instruction_of(text)
    assert found.text == found.text.strip()


@pytest.mark.parametrize("text", [" " * 300_000 + "x", "|1 " + "sh -a " * 50_000, "EXPOSE map[" + "a" * 300_000])
def test_long_hostile_text_ends(text: str) -> None:
    assert instruction_of(text).text


@pytest.mark.parametrize("words", [" powershell -a", " sh -a", " pwsh -a b;"])
def test_a_command_of_many_shells_takes_no_longer_than_its_length(words: str) -> None:
    """By the square of it, this would take minutes, and everybody else would wait."""
    text = f"|1{words * 100_000}"
    assert instruction_of(text).text == text
