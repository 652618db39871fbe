"""From an encoded sound to what ImageBind hears: three clips of two seconds as log-mel spectrograms.

The numbers follow the ImageBind paper's code: 16 kHz, 128 mel bins and 204 frames of 10 ms a clip, Kaldi's filter
bank (htk_compat, Hann window of 25 ms, no dither), mean -4.268, deviation 9.138.
"""

from __future__ import annotations

import io
import math
import wave
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings_orch.models import ItemError

if TYPE_CHECKING:
    import torch

RATE = 16_000
CLIPS = 3
CLIP_SECONDS = 2
MEL_BINS = 128
FRAMES = 204
MEAN, DEVIATION = -4.268, 9.138

WINDOW, SHIFT, FFT = 400, 160, 512  # samples: 25 ms, 10 ms, the next power of two
PREEMPHASIS = 0.97
LOWEST_HERTZ = 20.0
FLOOR = float(np.finfo(np.float32).eps)

ZERO_CROSSINGS = 6
ROLLOFF = 0.99

_WAVE_SCALES = {1: 128.0, 2: 32_768.0, 3: 8_388_608.0, 4: 2_147_483_648.0}


def clips(data: bytes) -> torch.Tensor:
    """One sound as the model's spectrograms, float32 of shape (3, 1, 128, 204).

    A sound shorter than two seconds is padded with silence, three times the same.

    Args:
        data: the encoded sound: WAV, and what soundfile reads (FLAC, Ogg, MP3, ...) where it is installed.

    Raises:
        ItemError: it cannot be decoded, or is shorter than 25 ms.
    """
    import torch

    samples, rate = decode_audio(data)
    waveform = resample(torch.from_numpy(samples), rate, RATE)
    if waveform.shape[1] < WINDOW:
        raise ItemError(f"too short: {1000 * samples.shape[1] / rate:.0f} ms, at least 25 ms are needed")
    last = max(waveform.shape[1] / RATE - CLIP_SECONDS, 0)
    # As the sampler of pytorchvideo 0.1.5: the last clip does not reach the end.
    starts = [last * index / CLIPS for index in range(CLIPS)]
    parts = [waveform[:, int(start * RATE) : int((start + CLIP_SECONDS) * RATE)] for start in starts]
    return torch.stack([_spectrogram(part) for part in parts])


def decode_audio(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples from -1 to 1 of shape (channels, n), and their rate in hertz.

    Raises:
        ItemError: it is no sound, truncated, or of a kind that needs soundfile.
    """
    if not data:
        raise ItemError("empty file")
    try:
        samples, rate = _with_soundfile(data) if find_spec("soundfile") else _wave(data)
    except ItemError:
        raise
    except Exception as error:
        more = "" if find_spec("soundfile") else "; other kinds than WAV need soundfile: pip install soundfile"
        raise ItemError(f"not a sound that can be read ({type(error).__name__}: {error}){more}") from error
    if rate <= 0 or samples.shape[1] == 0:
        raise ItemError("the sound has no samples")
    return samples, rate


def _with_soundfile(data: bytes) -> tuple[NDArray[np.float32], int]:
    import soundfile  # type: ignore[import-not-found, unused-ignore]

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.T), int(rate)


def _wave(data: bytes) -> tuple[NDArray[np.float32], int]:
    with wave.open(io.BytesIO(data)) as file:
        width, channels, rate, count = file.getsampwidth(), file.getnchannels(), file.getframerate(), file.getnframes()
        raw = file.readframes(count)
    if len(raw) < count * width * channels:
        raise ItemError("truncated sound")
    if width == 1:  # the only one without a sign
        numbers = np.frombuffer(raw, np.uint8).astype(np.float32) - 128
    elif width == 3:
        padded = np.zeros((count * channels, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        numbers = (padded.view("<i4")[:, 0] >> 8).astype(np.float32)
    else:
        numbers = np.frombuffer(raw, f"<i{width}").astype(np.float32)
    return np.ascontiguousarray((numbers / _WAVE_SCALES[width]).reshape(-1, channels).T), rate


def resample(waveform: torch.Tensor, rate: int, target: int) -> torch.Tensor:
    """A waveform (channels, n) at another rate, by a sinc under a squared cosine (torchaudio's default filter)."""
    import torch

    divisor = math.gcd(rate, target)
    old, new = rate // divisor, target // divisor
    if old == new:
        return waveform
    cutoff = min(old, new) * ROLLOFF
    width = math.ceil(ZERO_CROSSINGS * old / cutoff)
    # One filter for each phase of the new samples between the old ones.
    phases = torch.arange(0, -new, -1, dtype=torch.float64)[:, None, None] / new
    times = phases + torch.arange(-width, width + old, dtype=torch.float64) / old
    times = (times * cutoff).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = torch.cos(times * math.pi / ZERO_CROSSINGS / 2) ** 2
    filters = (torch.sinc(times) * window * cutoff / old).float()
    around = torch.nn.functional.pad(waveform, (width, width + old))
    mixed = torch.nn.functional.conv1d(around[:, None], filters, stride=old)
    length = math.ceil(new * waveform.shape[1] / old)
    return mixed.transpose(1, 2).reshape(len(waveform), -1)[:, :length]


def filter_bank(samples: torch.Tensor) -> torch.Tensor:
    """Kaldi's log-mel filter bank of samples at 16 kHz: shape (frames, 128), natural logarithms of power."""
    import torch

    frames = samples.unfold(0, WINDOW, SHIFT)
    frames = frames - frames.mean(1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    window = torch.hann_window(WINDOW, periodic=False)
    power = torch.fft.rfft((frames - PREEMPHASIS * before) * window, FFT).abs() ** 2
    bank: torch.Tensor = (power @ _mel_weights().T).clamp(min=FLOOR).log()
    return bank


def _mel_weights() -> torch.Tensor:
    """Triangles, even in mel, over the bins of the spectrum: shape (128, 257)."""
    import torch

    def mel(hertz: torch.Tensor) -> torch.Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    ends = mel(torch.tensor([LOWEST_HERTZ, RATE / 2], dtype=torch.float64))
    corners = torch.linspace(float(ends[0]), float(ends[1]), MEL_BINS + 2, dtype=torch.float64)[:, None]
    bins = mel(torch.arange(FFT // 2 + 1, dtype=torch.float64) * RATE / FFT)
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()


def _spectrogram(waveform: torch.Tensor) -> torch.Tensor:
    import torch

    # Of several channels the first is heard, as in ImageBind's own code.
    bank = filter_bank((waveform - waveform.mean())[0]).T[:, :FRAMES]
    bank = torch.nn.functional.pad(bank, (0, FRAMES - bank.shape[1]))
    return ((bank - MEAN) / DEVIATION)[None]
