"""The suite itself: it passes what is sound, and finds what each of the toys breaks."""

from __future__ import annotations

import unittest

import pytest

from embeddings_orch.models.content import Item, content_hash, content_key
from embeddings_orch_testing.conformance import EmbedderConformance

PROMISES = sorted(name for name in dir(EmbedderConformance) if name.startswith("test_"))
SLOW = {"test_the_fingerprint_is_the_same_in_every_process", "test_importing_it_loads_no_sdk"}


def suite_of(config, **options):
    class Suite(EmbedderConformance):
        count = 40
        sdks = ("toy_sdk",)

        def make_config(self):
            return config

        def make_bad_items(self):
            return [Item(content_key("text", content_hash("bad")), "text", "bad", "a bad one")]

    for name, value in options.items():
        setattr(Suite, name, value)
    return Suite


def broken_promises(suite, promises):
    """The promises that do not hold, each with what the suite says of it."""
    broken = {}
    for promise in promises:
        try:
            getattr(suite(), promise)()
        except unittest.SkipTest:
            continue
        except Exception as error:
            broken[promise] = f"{type(error).__name__}: {error}"
    suite.teardown_class()
    return broken


@pytest.mark.process
def test_a_sound_embedder_passes(toys):
    # It takes the item that is bad for the others.
    sound = suite_of(toys.SoundConfig(), make_bad_items=lambda self: [])
    assert broken_promises(sound, PROMISES) == {}


@pytest.mark.process
@pytest.mark.parametrize(
    ("toy", "promise", "said"),
    [
        ("Shuffles", "test_order_is_kept_in_batches_of_all_sizes_by_several_threads", "in a batch than alone"),
        ("DropsOne", "test_each_item_has_one_vector_of_the_declared_length", "6 vectors for 7 items"),
        ("DropsOne", "test_order_is_kept_in_batches_of_all_sizes_by_several_threads", "not one vector each"),
        ("WrongLength", "test_each_item_has_one_vector_of_the_declared_length", "dimensions() says 9"),
        (
            "FollowsItsNeighbours",
            "test_order_is_kept_in_batches_of_all_sizes_by_several_threads",
            "in a batch than alone",
        ),
        ("NeverTheSame", "test_the_same_content_has_the_same_vector", "equal contents, other vectors"),
        ("AllTheSame", "test_the_same_content_has_the_same_vector", "other contents, equal vectors"),
        ("AllTheSame", "test_order_is_kept_in_batches_of_all_sizes_by_several_threads", "too much alike"),
        ("NotFinite", "test_vectors_are_finite_float32", "not finite"),
        ("AsciiOnly", "test_text_of_any_script_is_embedded", "UnicodeEncodeError"),
        ("CountsWrong", "test_tokens_are_counted_as_a_number", "-1 tokens"),
        ("FailsWithItsBatch", "test_a_bad_item_fails_alone", "TerminalError: one of them is bad"),
        ("TakesBadItems", "test_a_bad_item_fails_alone", "a good item has no vector, or a bad one has"),
        ("ClosesForever", "test_it_works_again_after_close", "it is closed"),
        ("LetsErrorsThrough", "test_every_error_is_classified", "ConnectionError became ConnectionError"),
        ("QueriesDifferInLength", "test_documents_and_queries_have_vectors_of_one_space", "differ in shape"),
        ("SaysOperational", "test_no_operational_field_changes_the_vectors", "name 'toy' -> 'toy-other'"),
        ("ForgetsAField", "test_each_identity_field_changes_the_fingerprint", "dim 8 -> 9 keeps"),
        ("CountsOperational", "test_no_operational_field_changes_the_fingerprint", "url 'http://localhost'"),
        ("FollowsTheHashSeed", "test_the_fingerprint_is_the_same_in_every_process", "here"),
        ("SaysNoRole", "test_every_field_is_identity_or_operational", "declare region with identity"),
        ("TakesAnyKey", "test_an_unknown_key_is_refused", "an unknown key is taken"),
        ("CanBeChanged", "test_the_config_cannot_be_changed", "normalize can be set"),
        ("LosesSettings", "test_settings_make_the_same_config_again", "is not"),
        ("OfAnotherName", "test_it_is_registered_under_its_providers_name", "its config is SoundConfig"),
    ],
)
def test_a_broken_promise_is_found(toys, toy, promise, said):
    config_class = getattr(toys, toy).config_class
    # LosesSettings loses what differs from the default.
    config = config_class(name="other") if toy == "LosesSettings" else config_class()
    assert said in broken_promises(suite_of(config), [promise])[promise]


@pytest.mark.process
def test_an_sdk_imported_with_the_module_is_found(toys):
    from toy_hasty import HastyConfig

    promise = "test_importing_it_loads_no_sdk"
    assert "importing toy_hasty loads toy_sdk" in broken_promises(suite_of(HastyConfig()), [promise])[promise]


@pytest.mark.process
def test_an_sdk_that_another_module_imported_is_not_held_against_it(toys):
    from toy_hasty import HastyConfig

    promise = "test_importing_it_loads_no_sdk"
    assert broken_promises(suite_of(HastyConfig()), [promise])
    assert broken_promises(suite_of(toys.SoundConfig()), [promise]) == {}


def test_a_fingerprint_that_is_not_the_golden_one_is_found(toys):
    promise = "test_the_fingerprint_is_the_golden_one"
    said = broken_promises(suite_of(toys.SoundConfig(), golden="0" * 64), [promise])[promise]
    assert "would re-embed everything" in said


def test_a_breakage_breaks_no_promise_that_has_nothing_to_do_with_it(toys):
    fast = [promise for promise in PROMISES if promise not in SLOW]
    for toy in ("ForgetsAField", "SaysNoRole", "TakesAnyKey", "CanBeChanged", "CountsWrong"):
        suite = suite_of(getattr(toys, toy).config_class(), make_bad_items=lambda self: [])
        broken = broken_promises(suite, fast)
        assert len(broken) == 1, f"{toy}: {broken}"


def test_a_field_whose_values_cannot_be_guessed_has_to_be_given_some(toys):
    promise = "test_each_identity_field_changes_the_fingerprint"
    suite = suite_of(toys.SoundConfig(), variations={"dim": [1]})
    assert "give some in variations['dim']" in broken_promises(suite, [promise])[promise]
