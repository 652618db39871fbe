"""Names of models on Bedrock: base ids, inference profiles of regions, and ARNs.

Forms after the pattern of ``InvokeModelIdentifier`` in the service model of bedrock-runtime (2023-09-30).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from embeddings_orch.models import suggestion
from embeddings_orch_plugins.aws.families import MODELS

_ARN = re.compile(r"arn:aws[\w-]*:bedrock:([a-z0-9-]*):(\d{12})?:([a-z-]+)/(.+)")
_PROFILE = re.compile(r"[a-z]{2,6}(-gov)?\.(?=(amazon|cohere|twelvelabs)\.)")
_ID = re.compile(r"([^:]+)(?::(\d+))?(?::\w+)?")
_TELLING = ("foundation-model", "inference-profile")
_SAME_WEIGHTS = (*_TELLING, "application-inference-profile")
_CALLABLE = ("application-inference-profile", "provisioned-model", "custom-model-deployment")
_STEMS = {base.partition(":")[0]: base for base in MODELS}


@dataclass(frozen=True)
class Named:
    """What a name says.

    Attributes:
        base: the key of the model's entry in `MODELS`.
        model: what makes the vectors, the same for every way of calling it.
    """

    base: str
    model: str


def parse_model_id(name: str) -> Named:
    """The model behind a name.

    Raises:
        ValueError: no embedding model of Bedrock is called so.
    """
    if name.startswith("arn:"):
        kind, resource = _kind(name), name.partition("/")[2]
        if kind not in _TELLING:
            raise ValueError(
                f"an ARN of the kind {kind} does not say which model it calls: write the ARN into 'arn' and the "
                "model's id here"
            )
    else:
        resource = name
    identifier = resource[matched.end() :] if (matched := _PROFILE.match(resource)) else resource
    parts = _ID.fullmatch(identifier)
    base = _STEMS.get(parts[1]) if parts else None
    if parts is None or base is None:
        raise ValueError(
            f"there is no embedding model {identifier!r} here{suggestion(identifier, MODELS)}; also as an inference "
            "profile (us.…, eu.…, apac.…, global.…) or an ARN that has the id in it"
        )
    version = parts[2]
    usual = version in (None, "0", base.partition(":")[2])
    return Named(base, base if usual else f"{parts[1]}:{version}")


def check_arn(arn: str) -> None:
    """Refuse what cannot be called as an ARN.

    Raises:
        ValueError: it is of another kind, or none.
    """
    if _kind(arn) not in (*_TELLING, *_CALLABLE):
        raise ValueError(f"cannot be invoked: an ARN of {', '.join((*_CALLABLE, *_TELLING))} is needed")


def base_in(arn: str) -> str | None:
    """The model of an ARN that has its id in it, None for any other."""
    return parse_model_id(arn).base if _kind(arn) in _TELLING else None


def own_weights(arn: str) -> bool:
    """Whether what an ARN calls may have been trained further, so that the base model's id does not say all."""
    return _kind(arn) not in _SAME_WEIGHTS


def region_in(name: str) -> str | None:
    """The region of an ARN, None where it has none."""
    matched = _ARN.fullmatch(name)
    return (matched[1] or None) if matched else None


def _kind(arn: str) -> str:
    matched = _ARN.fullmatch(arn)
    if matched is None:
        raise ValueError("is not an ARN of Bedrock: arn:aws:bedrock:REGION:ACCOUNT:KIND/ID")
    return matched[3]
