import numpy as np
import pytest
from sklearn import metrics as sk

from avmatch.core.errors import UsageError
from avmatch.metrics.classes import averages, class_scores, confusion_matrix, log_loss, reliability


def drawn(num: int = 400, num_classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(num_classes), num)
    return probabilities, np.array([rng.choice(num_classes, p=own) for own in probabilities])


def test_log_loss_is_scikit_learns():
    probabilities, label = drawn()
    assert log_loss(probabilities, label) == pytest.approx(sk.log_loss(label, probabilities), abs=1e-12)


def test_zero_for_what_was_costs_as_much_as_a_probability_of_1e_15():
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-15))


def test_three_decimals_shift_the_log_loss():
    probabilities = np.array([[0.9997, 0.0003], [0.3, 0.7]])
    label = np.array([1, 1])
    assert log_loss(probabilities.round(3), label) > log_loss(probabilities, label) + 5


@pytest.mark.parametrize(
    ("probabilities", "label", "message"),
    [
        ([[0.5, 0.4]], [0], "sum to 0.900"),
        ([[1.5, -0.5]], [0], "not negative"),
        ([[0.5, 0.5]], [2], "labels must lie in 0…1"),
        (np.zeros((0, 2)), [], "nothing to measure"),
    ],
)
def test_what_isnt_a_distribution_is_refused(probabilities: object, label: object, message: str):
    with pytest.raises(UsageError, match=message):
        log_loss(np.array(probabilities, np.float64), np.array(label, np.int64))


def test_precision_recall_f1_and_their_means_are_scikit_learns():
    probabilities, label = drawn()
    guess = probabilities.argmax(axis=1)
    confusion = confusion_matrix(label, guess, 5)
    np.testing.assert_array_equal(confusion, sk.confusion_matrix(label, guess))
    expected = sk.classification_report(label, guess, output_dict=True)
    scores = class_scores(confusion)
    for number, one in enumerate(scores):
        wanted = expected[str(number)]
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(
            (wanted["precision"], wanted["recall"], wanted["f1-score"], wanted["support"])
        )
    for found, name in zip(averages(scores), ("macro avg", "weighted avg"), strict=True):
        wanted = expected[name]
        assert (found.precision, found.recall, found.f1) == pytest.approx(
            (wanted["precision"], wanted["recall"], wanted["f1-score"])
        )


def test_a_class_that_isnt_there_is_left_out_of_the_macro_mean():
    label, guess = np.array([0, 0, 1]), np.array([0, 2, 1])
    macro, weighted = averages(class_scores(confusion_matrix(label, guess, 4)))
    wanted = sk.precision_recall_fscore_support(label, guess, labels=[0, 1], average="macro", zero_division=0)
    assert (macro.precision, macro.recall, macro.f1) == pytest.approx(wanted[:3])
    assert weighted.support == 3


def test_reliability_agrees_with_scikit_learns_curve():
    probabilities, label = drawn(num_classes=2)
    bins = reliability(probabilities, label, num_bins=10)
    hits = probabilities.argmax(axis=1) == label
    share, mean = sk_curve(hits, probabilities.max(axis=1))
    there = bins.count > 0
    np.testing.assert_allclose(bins.accuracy[there], share)
    np.testing.assert_allclose(bins.probability[there], mean)


def sk_curve(hits: np.ndarray, likeliest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.calibration import calibration_curve

    return calibration_curve(hits, likeliest, n_bins=10)


def test_honest_probabilities_have_a_small_calibration_error_and_bold_ones_a_large():
    probabilities, label = drawn(20_000)
    bold = np.eye(5)[probabilities.argmax(axis=1)]
    assert reliability(probabilities, label).error < 0.02
    wrong = (probabilities.argmax(axis=1) != label).mean()
    assert reliability(bold, label).error == pytest.approx(wrong)
