import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.models import decode_base64

heads = st.sampled_from(
    ["", "data:image/png;base64,", "data:;base64,", "data:image/svg+xml;charset=utf-8;BASE64,", " \nDATA:a/b;base64 , "]
)


@given(
    data=st.binary(max_size=200),
    head=heads,
    urls=st.booleans(),
    padded=st.booleans(),
    width=st.integers(1, 80),
    end=st.sampled_from(["\n", "\r\n", " ", "\t"]),
)
def test_the_same_bytes_come_of_every_way_to_write_them(data, head, urls, padded, width, end):
    text = (base64.urlsafe_b64encode if urls else base64.b64encode)(data).decode()
    text = text if padded else text.rstrip("=")
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    assert decode_base64(head + end.join([*lines, ""])) == data


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        ("AAAA%AAA", "its character 5 is '%'"),
        ("AA\nAA%AAA", "its character 6 is '%'"),
        ("data:;base64,AA.A", "its character 16 is '.'"),
        ("AAé=", "its character 3 is 'é'"),
        ("no base64!", "its character 10 is '!'"),
        ("AAAAA", "it ends within a byte, or goes on after its padding"),
        ("AA=", "it ends within a byte, or goes on after its padding"),
        ("AAAA====", "it ends within a byte, or goes on after its padding"),
        ("AA==AA==", "it ends within a byte, or goes on after its padding"),
        ("data:image/png,AAAA", "the data URI has no ';base64,'"),
        ("data:image/png;base64", "the data URI has no ';base64,'"),
    ],
)
def test_what_is_no_base64_is_refused_and_says_where(encoded, said):
    with pytest.raises(ValueError, match="^" + said.replace(".", r"\.")):
        decode_base64(encoded)
