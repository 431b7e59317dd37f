"""What decisions amount to."""

import pytest

from avmatch.core.decisions import Decision, Ruling, rulings
from avmatch.core.errors import UsageError


def amounts_to(*decisions):
    return rulings(Decision("clip", *decision) for decision in decisions)["clip"]


def test_the_last_verdict_holds_and_notes_stay():
    found = amounts_to(("accept", "a", 0.1), ("note", None, None, False, "loud"), ("none",))
    assert found == Ruling("none", note="loud")


def test_to_accept_takes_back_what_forbade_it():
    assert amounts_to(("forbid", "a"), ("forbid", "b"), ("accept", "a")).forbidden == ("b",)


def test_to_forbid_takes_back_what_accepted_or_pinned_it():
    assert amounts_to(("accept", "a", 0.1), ("forbid", "a")) == Ruling(forbidden=("a",))
    assert amounts_to(("pin", "a"), ("forbid", "a")) == Ruling(forbidden=("a",))
    assert amounts_to(("accept", "a", 0.1), ("forbid", "b")).recording == "a"


def test_a_pin_can_be_taken_back():
    assert amounts_to(("pin", "a"), ("pin", None)) == Ruling()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("accept",), "needs a recording"),
        (("accept", "a", float("nan")), "a number of seconds"),
        (("note", None, None, False, "x" * 2001), "at most 2000 characters, got 2001"),
        (("device", None, None, False, "x" * 81), "at most 80 characters, got 81"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        Decision("clip", *arguments)
