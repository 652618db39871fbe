"""Whose part of a store a process reads and writes."""

import pytest

from embeddings_orch.errors import StoreError
from embeddings_orch.spec.deployment import VARIABLE, open_store, resolve_deployment
from embeddings_orch.spec.pipeline import StoreSpec
from embeddings_orch.store import Store

BRANCH = {"DAGSTER_CLOUD_IS_BRANCH_DEPLOYMENT": "1"}
NAMED_BRANCH = {**BRANCH, "DAGSTER_CLOUD_DEPLOYMENT_NAME": "feature-1"}


@pytest.mark.parametrize(
    ("declared", "environ", "name"),
    [
        (None, {}, "main"),
        (None, {VARIABLE: ""}, "main"),
        (None, {VARIABLE: "pr-7"}, "pr-7"),
        ("try", {VARIABLE: "pr-7", **NAMED_BRANCH}, "try"),
        (None, {VARIABLE: "pr-7", **NAMED_BRANCH}, "pr-7"),
        (None, NAMED_BRANCH, "feature-1"),
        (None, {**NAMED_BRANCH, "DAGSTER_CLOUD_IS_BRANCH_DEPLOYMENT": "0"}, "main"),
    ],
)
def test_the_declaration_goes_before_the_environment_and_ours_before_dagsters(declared, environ, name):
    assert resolve_deployment("/data/store", declared, environ) == name


@pytest.mark.parametrize("uri", ["/data/store", "s3://bucket/store"])
@pytest.mark.parametrize("environ", [BRANCH, {**NAMED_BRANCH, "DAGSTER_CLOUD_DEPLOYMENT_NAME": ""}])
def test_a_branch_deployment_without_a_name_is_never_main(uri, environ):
    with pytest.raises(StoreError, match=f"without a name.*set {VARIABLE}"):
        resolve_deployment(uri, None, environ)


def test_a_store_that_is_no_local_folder_needs_it_said():
    with pytest.raises(StoreError, match=f"s3://bucket/store may be shared.*set {VARIABLE}=main"):
        resolve_deployment("s3://bucket/store", None, {})
    with pytest.raises(StoreError, match="has to be said"):
        resolve_deployment("s3://bucket/store", None, {"DAGSTER_CLOUD_DEPLOYMENT_NAME": "prod"})
    assert resolve_deployment("s3://bucket/store", "main", {}) == "main"
    assert resolve_deployment("s3://bucket/store", None, {VARIABLE: "main"}) == "main"
    assert resolve_deployment("s3://bucket/store", None, NAMED_BRANCH) == "feature-1"


def test_other_characters_of_a_name_of_dagsters_become_a_hash_and_two_names_stay_two():
    names = {
        resolve_deployment("/store", None, {**BRANCH, "DAGSTER_CLOUD_DEPLOYMENT_NAME": name})
        for name in ("feature/x", "feature.x", "feature-x", "feature/x", "f" * 200)
    }
    assert len(names) == 4
    assert {name[:9] for name in names} == {"feature-x", "f" * 9}
    assert max(map(len, names)) <= 100


def test_other_characters_of_a_name_that_somebody_set_are_refused():
    with pytest.raises(StoreError, match="'feature/x' cannot be the name of a deployment"):
        resolve_deployment("/store", None, {VARIABLE: "feature/x"})


def test_a_declared_store_is_opened_as_its_deployment(tmp_path, monkeypatch):
    spec = StoreSpec(uri=str(tmp_path), deployment="try")
    assert (open_store(spec).uri, open_store(spec).deployment) == (str(tmp_path), "try")
    monkeypatch.setenv(VARIABLE, "pr-7")
    assert open_store(StoreSpec(uri=str(tmp_path))).deployment == "pr-7"


@pytest.mark.parametrize("name", ["", "feature/x", "a.b", "a\n", "a" * 101])
def test_a_declared_name_that_cannot_be_one_is_refused_as_the_store_does(name):
    with pytest.raises(ValueError, match="deployment"):
        StoreSpec(deployment=name)
    with pytest.raises(StoreError, match="cannot be the name of a deployment"):
        Store("/store", name)


@pytest.mark.parametrize("name", ["a", "PR_7-x", "a" * 100])
def test_a_declared_name_that_can_be_one_is_taken_as_the_store_does(name):
    assert Store("/store", name).deployment == StoreSpec(deployment=name).deployment == name
