"""Record the link's vectors: python tests/vectors/make_link.py writes link.json."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / name) for name in ("shared", "host", "tests/portable")]

import link_script as script  # noqa: E402
from paebiru.transport.aes import aes  # noqa: E402
from sil.link.aes import AesFactory  # noqa: E402


def conversation(aes: AesFactory | None = None) -> list[dict[str, str]]:
    """Return every frame of the conversation, in order, with its type."""
    said = []

    def heard(who: str, data: bytes) -> None:
        for frame in script.split(data):
            said.append({"from": who, "type": script.type_of(frame), "bytes": frame.hex()})

    script.converse(heard, aes)
    return said


def main() -> None:
    """Write link.json beside this file."""
    vectors = {
        "secret": script.SECRET.hex(),
        "board_nonce": script.BOARD_NONCE.hex(),
        "hub_nonce": script.HUB_NONCE.hex(),
        "conversation": conversation(),
        "encrypted": conversation(aes),
    }
    (HERE / "link.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
