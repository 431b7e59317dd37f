"""`avmatch evaluate words` from outside."""


def test_options_of_other_evaluations_are_refused(avmatch, tmp_path):
    run = avmatch("evaluate", "words", tmp_path, tmp_path, "--k", 5, "--piece", 2, exits=2)
    assert "No such option: --k" in run.stderr


def test_a_folder_without_a_model_is_refused(avmatch, tmp_path):
    run = avmatch("evaluate", "words", tmp_path, tmp_path, exits=1)
    assert "no model there; give a run of `avmatch train` with the recipe `words`" in run.stderr
