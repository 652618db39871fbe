"""Every column of a header has a name of its own."""

from embeddings_orch.media.catalog.names import distinct_names


def test_a_number_that_another_column_has_is_passed_over():
    names, twice = distinct_names(["a", "a_2", "a", "a", "", "", ""])
    assert names == ["a", "a_2", "a_3", "a_4", "", "column_6", "column_7"]
    assert twice == {"a_3": "a", "a_4": "a", "column_6": "", "column_7": ""}


def test_a_header_of_one_name_alone_takes_no_minutes():
    names, _ = distinct_names(["price"] * 20_000)
    assert names[-1] == "price_20000"
    assert len(set(names)) == 20_000
