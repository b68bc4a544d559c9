"""Writes the JSON Schemas in versions/schema, so that editors check and complete the TOML files.

They are made of the structs that alpypy reads the files into.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpypy.bench.catalog import BenchmarkData
from alpypy.build.reference import ReferenceSystem
from alpypy.core.durations import DurationData
from alpypy.core.fields import json_schema
from alpypy.images.runtime import ImageSettings
from alpypy.offline.contents import DataList, KitList, SourceList, WheelPackageList
from alpypy.offline.extra import ExtraTools
from alpypy.proxy.config import ProxySettings
from alpypy.publish.index import ReleaseSettings
from alpypy.recipes import data
from alpypy.recipes.libraries import StaticLibraryList
from alpypy.recipes.musl import MuslData
from alpypy.recipes.optimize import OptimizationData
from alpypy.suites.ledger import LedgerData
from alpypy.suites.plan import SuiteSettings
from alpypy.update.addresses import UpdatePages
from alpypy.verify.findings import Policy
from alpypy.wheels.cibuildwheel import CibuildwheelData
from alpypy.wheels.pip import PipData
from alpypy.wheels.recipe import WheelData

ROOT = Path(__file__).parents[1]
FOLDER = "versions/schema"
KINDS: Mapping[str, Any] = {
    "alpine": data.AlpineData,
    "benchmarks": BenchmarkData,
    "check": SuiteSettings,
    "cibuildwheel": CibuildwheelData,
    "durations": DurationData,
    "image": ImageSettings,
    "kit": KitList,
    "kit-data": DataList,
    "kit-sources": SourceList,
    "kit-wheels": WheelPackageList,
    "kit-libraries": ExtraTools,
    "ledger": LedgerData,
    "libraries": StaticLibraryList,
    "musl": MuslData,
    "optimize": OptimizationData,
    "packages": data.PackageData,
    "pip": PipData,
    "proxy": ProxySettings,
    "pypy": data.PypyData,
    "python2": data.Python2Data,
    "reference": ReferenceSystem,
    "release": ReleaseSettings,
    "rpython": data.QuickstartData,
    "tls": data.TlsData,
    "translation": data.TranslationData,
    "update": UpdatePages,
    "verify": Policy,
    "wheels": WheelData,
}


def texts() -> Mapping[str, str]:
    """The schemas by the names of their files."""
    return {
        f"{name}.json": json.dumps(json_schema(kind), indent=2) + "\n"
        for name, kind in KINDS.items()
    }


def main() -> None:
    """Write all of them, and remove those of files that are gone."""
    folder = ROOT / FOLDER
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.json"):
        path.unlink()
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
