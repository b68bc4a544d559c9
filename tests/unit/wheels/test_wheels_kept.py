"""Which wheels belong together in an image, and which may be replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.errors import SpecError
from alpypy.wheels import record as wheel_record
from alpypy.wheels.file import Wheel, read_wheel
from alpypy.wheels.maker import belonging, refuse_other_alpine
from tests.releases import wheel, with_record


def named(*names: str) -> list[Wheel]:
    return [read_wheel(Path(f"{name}-py3-none-any.whl")) for name in names]


def test_what_pip_installed_belongs_to_the_module_however_pip_writes_it() -> None:
    wheels = named("own-1.0", "zope_interface-6.0", "under_score-1.0.0rc1", "a_1-2.0", "a-1.2.0")
    said = ["own-1.0", "zope.interface-6.0", "under_score-1.0.0-rc1", "A-1-2.0"]
    assert belonging(wheels[0], wheels, said) == wheels[:4]
    assert belonging(wheels[0], wheels, ["under_score-1.0.0rc1"]) == [wheels[0], wheels[2]]
    assert belonging(wheels[0], wheels, ["zope-interface"]) == wheels[:2]


def test_a_module_s_own_wheel_belongs_to_it_whatever_pip_says() -> None:
    wheels = named("own-1.0", "other-1.0")
    assert belonging(wheels[0], wheels, ["own-2020a"]) == wheels[:1]
    assert belonging(wheels[0], wheels, []) == wheels[:1]


def kept(folder: Path, tag: str = "cp311-cp311-linux_x86_64") -> Wheel:
    """A wheel with its record, which says Alpine 3.23."""
    return read_wheel(with_record(wheel(folder, tag=tag)))


def test_a_wheel_of_another_alpine_is_not_replaced(tmp_path: Path) -> None:
    one = kept(tmp_path)
    with pytest.raises(SpecError) as caught:
        refuse_other_alpine(one.path.parent, one, "3.18")
    assert caught.value.what == f"{one.path} exists already, for Alpine 3.23"
    assert caught.value.remedy == "keep the wheels for Alpine 3.18 in another folder: --out FOLDER"
    refuse_other_alpine(tmp_path / "another", one, "3.18")


def test_a_wheel_of_the_same_alpine_is_replaced(tmp_path: Path) -> None:
    one = kept(tmp_path)
    refuse_other_alpine(one.path.parent, one, "3.23")


def test_a_wheel_without_compiled_code_is_for_every_alpine(tmp_path: Path) -> None:
    one = kept(tmp_path, "py3-none-any")
    refuse_other_alpine(one.path.parent, one, "3.18")


def test_a_wheel_that_was_not_tested_as_it_is_may_be_replaced(tmp_path: Path) -> None:
    one = kept(tmp_path)
    record = wheel_record.read(one.path)
    assert record is not None
    wheel_record.keep(one.path, structs.replace(record, sha256="0" * 64))
    refuse_other_alpine(one.path.parent, one, "3.18")
    one.path.unlink()
    refuse_other_alpine(one.path.parent, one, "3.18")
