"""Sounds: decoded, resampled and turned into Kaldi's filter bank."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from embeddings_orch.errors import ItemError
from embeddings_orch_plugins.imagebind import audio

from .conftest import sound, wav


def kaldi(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same filter bank by transformers' independent code, as its feature extractor of AST calls it."""
    filters = mel_filter_bank(257, 128, 20, 8000, 16_000, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True)
    result: np.ndarray[Any, Any] = spectrogram(
        samples,
        window_function(400, "hann", periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    )
    return result.T


def noise(seconds: float = 2.0) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(0).normal(0, 0.1, int(16_000 * seconds)) + 0.05).astype(np.float32)


@pytest.mark.parametrize("samples", [noise(), sound(523.0, 2.0)[0]])
def test_the_filter_bank_is_kaldis(samples: np.ndarray[Any, Any]) -> None:
    ours = audio.filter_bank(torch.from_numpy(samples)).numpy()
    theirs = kaldi(samples)
    assert ours.shape == theirs.shape == (198, 128)
    assert np.abs(ours - theirs).max() < 1e-2
    assert np.abs(ours - theirs).mean() < 1e-4


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_tone_keeps_its_pitch_and_form_at_another_rate(rate: int) -> None:
    there = sound(440.0, 1.0, rate)
    ours = audio.resample(torch.from_numpy(there), rate, 16_000).numpy()[0]
    expected = sound(440.0, 1.0)[0]
    assert len(ours) == 16_000
    assert np.abs(ours - expected)[200:-200].max() < 2e-3
    # scipy's filter is another one, and agrees.
    assert np.abs(ours - resample_poly(there[0], 16_000, rate)[:16_000])[200:-200].max() < 5e-3


def test_what_is_above_the_new_rates_range_is_filtered_out() -> None:
    high = audio.resample(torch.from_numpy(sound(15_000.0, 1.0, 48_000)), 48_000, 16_000)
    assert high[:, 200:-200].abs().max() < 0.02


def test_a_sound_is_three_spectrograms() -> None:
    found = audio.clips(wav(sound(440, 8)))
    assert (found.shape, found.dtype) == ((3, 1, 128, 204), torch.float32)
    samples = torch.from_numpy(audio.decode_audio(wav(sound(440, 8)))[0])
    for index, start in enumerate((0, 32_000, 64_000)):  # 0, 2 and 4 of the 6 seconds where a clip can start
        part = samples[0, start : start + 32_000]
        expected = (audio.filter_bank(part - part.mean()).T + 4.268) / 9.138
        assert torch.allclose(found[index, 0, :, :198], expected, atol=1e-4)
        assert torch.allclose(found[index, 0, :, 198:], torch.tensor(4.268 / 9.138))


def test_a_short_sound_is_the_same_clip_three_times() -> None:
    found = audio.clips(wav(sound(440, 0.5)))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_wav_is_decoded(width: int, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = sound(300, 0.2, 22_050, channels)
    monkeypatch.setattr(audio, "find_spec", lambda _: None)  # as without soundfile
    found, rate = audio.decode_audio(wav(samples, 22_050, width))
    assert (rate, found.shape, found.dtype) == (22_050, samples.shape, np.float32)
    assert np.abs(found - samples).max() < 2.0 ** (2 - 8 * width) + 1e-6


def test_soundfile_reads_the_same_and_more(package: Path) -> None:
    import soundfile

    samples = sound(300, 0.5, 22_050, 2)
    flac = io.BytesIO()
    soundfile.write(flac, samples.T, 22_050, format="FLAC")
    for data in (wav(samples, 22_050), flac.getvalue()):
        found, rate = audio.decode_audio(data)
        assert rate == 22_050
        assert np.abs(found - samples).max() < 1e-4


@pytest.mark.parametrize("soundfile", [True, False])
@pytest.mark.parametrize("data", [b"", b"no sound", wav(sound())[:30], wav(sound(seconds=0))])
def test_what_is_no_sound_is_the_items_fault(
    package: Path, data: bytes, soundfile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not soundfile:
        monkeypatch.setattr(audio, "find_spec", lambda _: None)
    with pytest.raises(ItemError):
        audio.clips(data)


def test_a_sound_that_is_too_short_is_the_items_fault() -> None:
    with pytest.raises(ItemError, match="too short: 10 ms"):
        audio.clips(wav(sound(440, 0.01)))


def test_other_kinds_name_what_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "find_spec", lambda _: None)
    with pytest.raises(ItemError, match="pip install soundfile"):
        audio.decode_audio(b"fLaC\0\0\0\0")
