import pytest

from avmatch.cli.evaluate import spelled_out


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("", ""),
        ("evaluate RUN DATA", "evaluate RUN DATA"),
        ("--k 1 5 10 --json", "--k 1 --k 5 --k 10 --json"),
        ("--k 1 --k 5", "--k 1 --k 5"),
        ("--noise -5 0 2.5 RUN", "--noise -5 --noise 0 --noise 2.5 RUN"),
        ("--k 1 5 --noise 0 10", "--k 1 --k 5 --noise 0 --noise 10"),
        ("--k 1 --subset 10 --draws 5", "--k 1 --subset 10 --draws 5"),
        ("--k 1 RUN 5", "--k 1 RUN 5"),
        ("--k=1 5", "--k=1 --k 5"),
        ("--k 1 -- 5 6", "--k 1 -- 5 6"),
        ("--piece 0 2 4 DATA", "--piece 0 --piece 2 --piece 4 DATA"),
        ("match 1 2 -o 3", "match 1 2 -o 3"),
        ("--k", "--k"),
        ("--k five", "--k five"),
    ],
)
def test_each_number_gets_its_option(given, spelled):
    assert spelled_out(given.split()) == spelled.split()
