import pytest
from typer.main import get_command
from typer.testing import CliRunner

from avmatch.cli import app
from avmatch.cli.evaluate import new_line, spelled_out

COMMANDS = ("retrieval", "sync", "match", "words", "classify", "probe")


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
        ("--noise pink:-5 pink:0 RUN", "--noise pink:-5 --noise pink:0 RUN"),
        ("--piece 0 2 4 DATA", "--piece 0 --piece 2 --piece 4 DATA"),
        ("match 1 2 -o 3", "match 1 2 -o 3"),
        ("--k", "--k"),
        ("--k five", "--k five"),
    ],
)
def test_each_number_gets_its_option(given, spelled):
    assert spelled_out(given.split()) == spelled.split()


@pytest.mark.parametrize(
    ("former", "new"),
    [
        ("RUN DATA --protocol classify --no-cache", "classify RUN DATA --cache none"),
        ("RUN DATA --noise -5 10 --noise-kind pink --protocol sync", "sync RUN DATA --noise pink:-5 pink:10"),
        ("--noise-kind=white RUN DATA --noise=5 --k 5 9 --protocol match", "match RUN DATA --noise=white:5 --k 5 9"),
    ],
)
def test_former_options_are_translated(former, new):
    assert new_line(former.split(), COMMANDS) == f"avmatch evaluate {new}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_few_options_and_none_is_hidden(name):
    parameters = get_command(app).commands["evaluate"].commands[name].params
    options = [one for one in parameters if one.param_type_name == "option"]
    assert len(options) <= (9 if name == "sync" else 8)  # --per-file, for generated talking heads, is the ninth
    assert not any(option.hidden for option in options)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (("loud",), "--noise loud: give the signal-to-noise ratio in dB"),
        (("pink:5", "0"), "--noise pink:5 0: give one kind of noise for all ratios"),
        (("pop:5",), "no noise 'pop'; there are white, pink, babble"),
    ],
)
def test_a_wrong_noise_is_refused(noise, message, tmp_path):
    error = CliRunner().invoke(app, ["evaluate", "sync", "lips", str(tmp_path), "--noise", *noise]).exception
    assert str(error).startswith(message)
