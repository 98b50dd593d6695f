"""Words for what is wrong with an image, and for what hangs on it."""

from __future__ import annotations

from kubedash.web.pages.words import AttachmentWord, attachment_words, broken_words


def test_a_broken_index_is_told_before_all_else() -> None:
    assert broken_words(()) == ()
    assert broken_words(("linux/arm64",)) == (AttachmentWord("broken: linux/arm64 missing", "bad"),)
    assert broken_words(("linux/arm64", "linux/amd64"))[0].text == "broken: 2 entries missing"


def test_presence_is_not_called_trust() -> None:
    (word,) = attachment_words(("cosign_signature",), None)
    assert word == AttachmentWord("signature: present, not checked", "plain")
