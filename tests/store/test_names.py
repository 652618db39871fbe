"""Names of tables and rows: texts that know their parts."""

import pytest

from embeddings_orch.store.names import QualifiedName, TableName


@pytest.mark.parametrize(
    ("table", "text", "parts"),
    [
        (TableName.of_catalog("photos"), "catalog.photos", ("catalog", "photos", None, "", "")),
        (TableName.of_vectors("9e66"), "vectors.9e66", ("vectors", "", None, "9e66", "")),
        (
            TableName.of_index("photos", "found", "1f0c"),
            "index.photos.found.1f0c",
            ("index", "photos", "photos/found", "", "1f0c"),
        ),
        (TableName("published"), "published", ("", "", None, "", "")),
    ],
)
def test_a_table_name_parses_and_prints_itself(table, text, parts):
    assert table == text
    assert (table.kind, table.pipeline, table.declared_as, table.fingerprint, table.hash) == parts


@pytest.mark.parametrize("text", ["", "index.photos", "index.photos.found.1f0c.old", "catalog", "vectors.a.b", "mine"])
def test_a_table_of_somebody_else_is_of_no_kind(text):
    table = TableName(text)
    assert (table.kind, table.pipeline, table.declared_as, table.fingerprint, table.hash) == ("", "", None, "", "")


def test_a_qualified_name_has_a_pipeline_and_a_name():
    name = QualifiedName.of("photos", "found")
    assert (name, name.pipeline, name.name) == ("photos/found", "photos", "found")
