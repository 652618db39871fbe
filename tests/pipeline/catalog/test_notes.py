"""What a scan did not take in is told later, without a scan."""

from embeddings_orch.pipeline.catalog.notes import ScanNotes, read_notes
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.garbage.deployments import drop_deployment
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.pipeline.plan.status import make_status
from embeddings_orch.store import Store
from galleries import Gallery
from kept import after


def kinds(gallery):
    return {kind.kind: kind.count for kind in read_notes(gallery.pipeline()).passed_over}


@after(Gallery.run)
def test_what_is_passed_over_is_told_by_the_status_and_makes_no_version_of_the_catalog(gallery):
    versions = gallery.versions()
    assert read_notes(gallery.pipeline()) == ScanNotes()
    gallery.media.joinpath("a.heic").write_bytes(b"?")
    gallery.captions["gone.png"] = {"caption": "a picture that is not there"}
    gallery.write_captions()

    plan = make_plan(gallery.pipeline())
    assert [(kind.kind, kind.count) for kind in plan.passed_over] == [(".heic", 1)]
    assert gallery.versions() == versions  # a plan writes nothing

    report = scan_media(gallery.pipeline())
    assert [(kind.kind, kind.count) for kind in report.passed_over] == [(".heic", 1)]
    media = make_status(gallery.pipeline())["media"]
    assert (media["left_out"], media["passed_over"], len(media["left_out_named"])) == (1, 1, 1)
    assert media["passed_over_kinds"][0]["examples"] == ["a.heic"]
    assert {name: number for name, number in gallery.versions().items() if name in versions} == versions

    before = gallery.versions()
    scan_media(gallery.pipeline())
    assert gallery.versions() == before
    gallery.media.joinpath("a.heic").unlink()
    gallery.media.joinpath("b.mov").write_bytes(b"?")
    scan_media(gallery.pipeline())
    assert kinds(gallery) == {".mov": 1}
    gallery.media.joinpath("b.mov").unlink()
    gallery.captions.pop("gone.png")
    gallery.write_captions()
    scan_media(gallery.pipeline())
    assert read_notes(gallery.pipeline()) == ScanNotes()


def test_notes_go_with_their_deployment(gallery):
    gallery.media.joinpath("a.heic").write_bytes(b"?")
    gallery.run()
    store = gallery.pipeline().store
    drop_deployment(Store(store.uri, "other"), store.deployment)
    assert store.scans.get("gallery") == {}
