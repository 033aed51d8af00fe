"""Add a file's options to a release's catalogue, tests/facts/options-RELEASE.json.gz.

    .venv/bin/python tests/tools/option_catalogue.py zed heat.conf SOURCE

SOURCE is another catalogue that has heat.conf (.json or .json.gz), or what the release's own code says, where Heat is
installed:

    oslo-config-generator --format json --config-file .../heat/config-generator.conf --output-file SOURCE

The generator says less than a catalogue: neither what the items of a list are, nor which options may be repeated, nor
whether choices ignore case. Where the checker then names a right value, add ``"ignore_case": true`` or
``"multi": true`` to the option by hand, and say so in tests/facts/README.md.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any, Dict

FACTS_DIR = Path(__file__).resolve().parents[1] / "facts"
# type_name in oslo_config/types.py -> the type's name in a catalogue.
TYPES = {
    "string value": "string",
    "boolean value": "boolean",
    "integer value": "integer",
    "floating point value": "float",
    "port": "port",
    "port value": "port",
    "list value": "list",
    "dict value": "dict",
    "IP address value": "ip",
    "host address value": "hostaddress",
    "host domain value": "hostdomain",
    "hostname value": "hostdomain",
    "uri value": "uri",
}


def main() -> None:
    """Add one file; arguments: the release, the file's name in the catalogue, the source."""
    if len(sys.argv) != 4:
        sys.exit("usage: option_catalogue.py RELEASE FILE SOURCE (see the docstring)")
    release, name, source = sys.argv[1:]
    target = FACTS_DIR / f"options-{release}.json.gz"
    catalogue = read_json(target) if target.exists() else {}
    catalogue[name] = read_options(read_json(Path(source)), name)
    target.write_bytes(pack_catalogue(catalogue))
    print(f"{target}: {name}: {sum(map(len, catalogue[name].values()))} options. Add the source to README.md there.")


def read_json(path: Path) -> Dict[str, Any]:
    """Return the content of a JSON file, packed or not."""
    data = path.read_bytes()
    content: Dict[str, Any] = json.loads(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data)
    return content


def pack_catalogue(catalogue: Dict[str, Any]) -> bytes:
    """Return a catalogue's file; the same catalogue gives the same bytes."""
    return gzip.compress(json.dumps(catalogue, sort_keys=True, separators=(",", ":")).encode(), mtime=0)


def read_options(source: Dict[str, Any], name: str) -> Dict[str, Any]:
    """Return a file's options by group, from another catalogue or from the generator's output."""
    if name in source:
        options: Dict[str, Any] = source[name]
        return options
    if "generator_options" not in source:
        sys.exit(f"the source has no {name}, and is not the output of oslo-config-generator --format json")
    return {
        group: {entry["dest"]: convert_option(entry, group) for entry in content["opts"]}
        for group, content in source["options"].items()
    }


def convert_option(entry: Dict[str, Any], group: str) -> Dict[str, Any]:
    """Return a catalogue's form of an option of the generator."""
    option = {
        "choices": [value for value, _ in entry["choices"]] or None,
        "default": entry["default"] if entry["sample_default"] is None else entry["sample_default"],
        "deprecated_for_removal": entry["deprecated_for_removal"],
        "deprecated_names": [f"{old['group'] or group}/{old['name']}" for old in entry["deprecated_opts"]],
        "required": entry["required"],
        "source": entry["namespace"],
        "type": TYPES.get(entry["type"], "custom"),
    }
    optional = {"min": entry["min"], "max": entry["max"], "secret": entry["secret"] or None}
    optional["deprecated_since"] = entry["deprecated_since"]
    return {**option, **{key: value for key, value in optional.items() if value is not None}}


if __name__ == "__main__":
    main()
