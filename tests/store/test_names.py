"""Names of tables and rows: texts that know their parts."""

import pytest

from embeddings_orch.errors import StoreError
from embeddings_orch.store.names import DeployedName, QualifiedName, TableName, check_deployment


@pytest.mark.parametrize(
    ("table", "text", "parts"),
    [
        (TableName.of_catalog("photos"), "items.main.photos", ("catalog", "photos", None, "", "")),
        (TableName.of_catalog("photos", "pr-7"), "items.pr-7.photos", ("catalog", "photos", None, "", "")),
        (TableName.of_vectors("9e66"), "embeddings.9e66", ("vectors", "", None, "9e66", "")),
        (
            TableName.of_index("photos", "found", "1f0c"),
            "index.photos.found.1f0c",
            ("index", "photos", "photos/found", "", "1f0c"),
        ),
        (TableName("pointers"), "pointers", ("", "", None, "", "")),
    ],
)
def test_a_table_name_parses_and_prints_itself(table, text, parts):
    assert table == text
    assert (table.kind, table.pipeline, table.declared_as, table.fingerprint, table.hash) == parts


@pytest.mark.parametrize(
    "text", ["", "index.photos", "index.photos.found.1f0c.old", "items.photos", "embeddings.a.b", "mine"]
)
def test_a_table_of_somebody_else_is_of_no_kind(text):
    table = TableName(text)
    assert (table.kind, table.pipeline, table.declared_as, table.fingerprint, table.hash) == ("", "", None, "", "")


def test_a_qualified_name_has_a_pipeline_and_a_name():
    name = QualifiedName.of("photos", "found")
    assert (name, name.pipeline, name.name) == ("photos/found", "photos", "found")


def test_a_catalog_says_whose_it_is():
    assert TableName.of_catalog("photos", "pr-7").deployment == "pr-7"
    assert TableName.of_index("photos", "found", "1f0c").deployment == ""


def test_a_deployed_name_has_a_deployment_and_a_name_in_it():
    name = DeployedName.of("pr-7", "photos", "found")
    assert (name, name.deployment, name.qualified) == ("pr-7/photos/found", "pr-7", "photos/found")
    assert (name.qualified.pipeline, name.qualified.name) == ("photos", "found")


@pytest.mark.parametrize("name", ["main", "PR_7-x", "a" * 100])
def test_a_deployment_has_such_a_name(name):
    assert check_deployment(name) == name


@pytest.mark.parametrize("name", ["", "feature/x", "a.b", "a b", "é", "a\n", "a" * 101, "a'b"])
def test_a_deployment_cannot_have_such_a_name(name):
    with pytest.raises(StoreError, match="cannot be the name of a deployment"):
        check_deployment(name)
