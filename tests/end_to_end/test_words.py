"""`avmatch evaluate --protocol words` from outside."""


def test_options_of_other_protocols_are_refused(avmatch, tmp_path):
    run = avmatch("evaluate", tmp_path, tmp_path, "--protocol", "words", "--k", 5, "--piece", 2, exits=2)
    assert "--k and --piece can't be used with --protocol words" in run.stderr


def test_a_folder_without_a_reader_is_told(avmatch, tmp_path):
    run = avmatch("evaluate", tmp_path, tmp_path, "--protocol", "words", exits=1)
    assert "no model there; give a run of `avmatch train` with the recipe `words`" in run.stderr
