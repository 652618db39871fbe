"""Letters and their accents are found however they were written: as one character, or as several."""

from unicodedata import normalize

import pytest

from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.search import Index

WORDS = {language: (normalize("NFC", word), normalize("NFD", word)) for language, word in {
    "French": "café", "Vietnamese": "Việt", "Korean": "고양이가", "Japanese": "ガラス",
    "Yoruba": "ọ̀rọ̀", "Arabic": "آدم",
}.items()}  # fmt: skip
# Unicode has a composed form of these letters, and composes none to it.
WORDS["Hebrew"] = "\ufb2a\ufb35\u05dd", "\u05e9\u05c1\u05d5\u05bc\u05dd"
WORDS["Hebrew, points in another order"] = "\u05d0\u05b7\u05bc\u05d1", "\u05d0\u05bc\u05b7\u05d1"
WORDS["Hindi"] = "\u0958\u0932\u092e", "\u0915\u093c\u0932\u092e"
TOKENIZERS = ("icu/split", "icu", "simple", "whitespace", "ngram")
FORMS = ("NFC", "NFD")


def captioned(make_gallery, captions, **full_text):
    gallery = make_gallery(pictures=len(captions) + 1)
    gallery.captions = {}
    for name, caption in captions.items():
        gallery.captions[name] = {"caption": caption}
    gallery.write_captions()  # the last picture has no caption
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": {"columns": ["caption"], **full_text}}})
    gallery.run()
    return gallery


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_either_form_of_a_word_finds_both(make_gallery, tokenizer):
    forms = [form for forms in WORDS.values() for form in forms]
    captions = {f"p{number:03}.png": f"{form} {number}" for number, form in enumerate(forms)}
    gallery = captioned(make_gallery, captions, tokenizer=tokenizer)
    with Index.open("found", file=gallery.file) as index:
        for number, form in enumerate(forms):
            both = {f"p{number - number % 2:03}.png", f"p{number - number % 2 + 1:03}.png"}
            assert {hit.id for hit in index.search(keyword=form)} == both, (form, number)
        if tokenizer.startswith(("icu", "simple")):
            assert {hit.id for hit in index.search(keyword="cafe")} == {"p000.png", "p001.png"}


def test_the_catalog_and_what_is_embedded_stay_as_they_are(make_gallery):
    apart = normalize("NFD", "un café à Paris")
    gallery = captioned(make_gallery, {"p000.png": apart, "p001.png": "a dog"})
    pipeline = gallery.pipeline()
    assert pipeline.catalog()["caption"].to_pylist() == [apart, "a dog", None]
    rows = gallery.rows()
    assert [rows[name]["caption"] for name in sorted(rows)] == [normalize("NFC", apart), "a dog", None]
    assert next(check for check in check_index(pipeline, "found") if check.name == "row_parity").passed
    versions = gallery.versions()
    report = gallery.run().indexes["found"]
    assert (report.built, report.changed, gallery.versions()) == (False, 0, versions)

    gallery.add("new.png", caption=normalize("NFD", "Việt Nam"))
    report = gallery.run().indexes["found"]
    assert (report.new, report.changed, report.unchanged) == (1, 0, 3)
    with Index.open("found", file=gallery.file) as index:
        assert [hit.id for hit in index.search(keyword="Việt")] == ["new.png"]
    gallery.captions["new.png"]["caption"] = normalize("NFC", "Việt Nam")
    gallery.write_captions()
    assert gallery.run().indexes["found"].changed == 1, "another text is another text"


@pytest.mark.parametrize("tokenizer", ["icu/split", "raw"])
def test_names_of_files_stay_as_they_are_and_are_found_by_either_form(make_gallery, tokenizer):
    gallery = make_gallery(pictures=1)
    names = [normalize(form, "Việt.png") for form in FORMS]
    for name in names:
        gallery.add(name)
    full_text = {"columns": ["id", "caption"], "tokenizer": tokenizer}
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": full_text}})
    gallery.run()
    assert set(gallery.rows()) == {"p000.png", *names}
    with Index.open("found", file=gallery.file) as index:
        for name in names:
            hits = index.search(keyword=name).hits
            assert {hit.id for hit in hits if "Vi" in hit.id} >= set(names)
