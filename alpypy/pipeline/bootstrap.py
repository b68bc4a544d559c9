"""The whole way: carry out a plan stage by stage, each once, and verify what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from alpypy.build import image, package, plan, translate
from alpypy.build.estimates import Durations
from alpypy.build.package import Made, Tarball
from alpypy.build.plan import Plan, PypyTwo, Stage
from alpypy.build.translate import Translation
from alpypy.core import archive
from alpypy.core.fetch import Fetcher
from alpypy.core.store import Store, key_of
from alpypy.engine.docker import Engine
from alpypy.pipeline.request import Build
from alpypy.recipes.manifest import Translator
from alpypy.recipes.recipe import Recipe
from alpypy.verify import receipt as verdict
from alpypy.verify import run as verify
from alpypy.verify.run import Report


@dataclass(frozen=True)
class Outcome:
    """The tarball in artifacts/ and what verify found."""

    tarball: Path
    report: Report


@dataclass(frozen=True)
class _BuildImage:
    """An image that translates; ``kind`` is ``cpython`` or ``pypy``."""

    id: str
    translator: Translator
    kind: str


class Builder:
    """Everything a build uses: the project's data, the cache, the engine.

    ``root`` is the project's folder; artifacts go below it. ``say`` prints one line.
    """

    def __init__(
        self,
        root: Path,
        cache: Path,
        engine: Engine,
        fetcher: Fetcher,
        build: Build,
        say: Callable[[str], None],
    ) -> None:
        self._root = root
        self._engine = engine
        self._fetcher = fetcher
        self._order = build.order
        self._say = say
        self._jobs = build.order.jobs or min(translate.default_jobs(), engine.processors)
        self._cache = cache
        self._store = Store(cache)
        self._durations = Durations(root, self._store)
        self._sources = build.sources
        self.plan = self._make_plan(build)

    @property
    def artifacts(self) -> Path:
        """Where finished tarballs go."""
        return self._root / "artifacts"

    def stages(self) -> tuple[Stage, ...]:
        """Every stage, in order, whether it is finished, and how long it should take."""
        one, found = self.plan, list[Stage]()
        if one.bootstrap:
            found.append(self._image_stage("bootstrap image", one.bootstrap, "bootstrap"))
        if one.small and one.small_translation and one.small_package:
            found += self._pypy_stages(
                one.small, one.small_translation, one.small_package, "cpython"
            )
        if one.self_hosted:
            if self._ready_image():
                found = [replace(stage, done=True) for stage in found]
            found.append(self._image_stage("self-hosted image", one.self_hosted, "self_hosted"))
        found += self._pypy_stages(one.recipe, one.translation, one.package, one.translator)
        tarball = package.finished(self._store, one.package)
        key = self._verify_key(tarball.sha256) if tarball else ""
        done = bool(key) and self._store.record(key) is not None
        found.append(Stage("verify", key, done, self._durations.stage("verify")))
        return tuple(found)

    def run(self) -> Outcome:
        """Carry out what is not finished yet.

        Raises:
            AlpypyError: of the stage that failed; those before it stay finished.
        """
        tarball = package.finished(self._store, self.plan.package) or self._build()
        report = self._verify(tarball)
        target = self.artifacts / tarball.path.name
        if report.failures:
            return Outcome(tarball.path, report)
        if not archive.published(target, tarball.sha256):
            archive.publish(tarball.path, self.artifacts, tarball.sha256)
        verdict.keep(target, report)
        return Outcome(target, report)

    def _make_plan(self, build: Build) -> Plan:
        recipe, chosen = build.recipe, build.order.base_image
        base = image.find_base(
            self._engine, self._fetcher, recipe.alpine, recipe.target.arch, chosen, self._say
        )
        digests = {release: opened.digest for release, opened in build.sources.items()}
        return plan.make(self._root, recipe, build.small, base, digests, build.given)

    def _image_stage(self, name: str, key: str, duration: str) -> Stage:
        done = image.built(self._engine, key) is not None
        return Stage(name, key, done, self._durations.stage(duration))

    def _pypy_stages(
        self, recipe: Recipe, translation: str, packaging: str, translator: str
    ) -> list[Stage]:
        packaged = package.finished(self._store, packaging) is not None
        translated = packaged or translate.finished(self._store, translation) is not None
        phases = self._durations.phases(recipe, translator, self._jobs)
        return [
            Stage(translate.title(recipe), translation, translated, sum(phases.values())),
            Stage(
                f"package {recipe.target.release}",
                packaging,
                packaged,
                self._durations.stage("package"),
            ),
        ]

    def _build(self) -> Tarball:
        self._prepare()
        one = self.plan
        if one.self_hosted is None:
            return self._pypy(one.recipe, one.translation, one.package, self._cpython_builder())
        builder = self._self_hosted_builder(one.self_hosted)
        return self._pypy(one.recipe, one.translation, one.package, builder)

    def _prepare(self) -> None:
        """Say now what would be missing up to an hour later: memory, disk, a source."""
        for recipe, key in self._untranslated():
            if not self._store.being_made(key):  # else it is waited for, and needs nothing here
                translate.check_resources(recipe, self._cache)
            self._sources[recipe.target.release].fetch()
            for wheel in recipe.requires:
                self._fetcher.fetch(wheel)

    def _untranslated(self) -> Iterator[tuple[Recipe, str]]:
        one = self.plan
        if one.small and one.small_translation and one.small_package and not self._ready_image():
            packaged = package.finished(self._store, one.small_package)
            if not packaged and not translate.finished(self._store, one.small_translation):
                yield one.small, one.small_translation
        if not translate.finished(self._store, one.translation):
            yield one.recipe, one.translation

    def _pypy(
        self, recipe: Recipe, translation_key: str, package_key: str, builder: _BuildImage
    ) -> Tarball:
        """A packaged PyPy: translated and laid out, unless either is there already."""
        origin = self._sources[recipe.target.release].origin
        made = Made(origin, self.plan.base, builder.id, builder.translator)
        translation = self._translate(recipe, translation_key, builder)
        return package.package(
            self._engine,
            self._store,
            self._root,
            recipe,
            translation,
            made,
            key=package_key,
            keep=self._order.keep,
            say=self._say,
        )

    def _translate(self, recipe: Recipe, key: str, builder: _BuildImage) -> Translation:
        done = translate.finished(self._store, key)
        if done:
            return done
        source = self._sources[recipe.target.release].lay_out
        return translate.translate(
            self._engine,
            self._fetcher,
            self._store,
            translate.Task(key, recipe, builder.id, builder.kind, source),
            expected=self._durations.phases(recipe, builder.kind, self._jobs),
            jobs=self._jobs,
            keep=self._order.keep,
            say=self._say,
        )

    def _cpython_builder(self) -> _BuildImage:
        cpython = self.plan.recipe.cpython
        translator = Translator(cpython.file_name.removesuffix(".tgz"), cpython.sha256)
        return _BuildImage(self._bootstrap_image(), translator, "cpython")

    def _bootstrap_image(self) -> str:
        key = self.plan.bootstrap or ""
        done = image.built(self._engine, key)
        if done:
            return done
        self._say("bootstrap image: Alpine, build packages, CPython 2.7")
        return image.build_bootstrap(
            self._engine,
            self._fetcher,
            self._root,
            self.plan.recipe,
            self.plan.base,
            key,
            self._say_step,
            self._jobs,
        )

    def _self_hosted_builder(self, key: str) -> _BuildImage:
        ready = self._ready_image()
        if ready:
            return ready
        pypy = self.plan.given or self._small_pypy()
        translator = Translator(pypy.path.name.removesuffix(".tar.bz2"), pypy.sha256)
        built = image.built(self._engine, key)
        if built is None:
            self._say(f"self-hosted image: Alpine, build packages, {translator.name}")
            built = image.build_self_hosted(
                self._engine,
                self._root,
                self.plan.recipe,
                self.plan.base,
                key,
                pypy.path,
                translator,
                self._say_step,
            )
        return _BuildImage(built, translator, "pypy")

    def _ready_image(self) -> _BuildImage | None:
        """The self-hosted image, if it is there and says what is inside it."""
        built = image.built(self._engine, self.plan.self_hosted or "")
        inside = image.translator_in(self._engine, built) if built else None
        return _BuildImage(built, inside, "pypy") if built and inside else None

    def _small_pypy(self) -> PypyTwo:
        one = self.plan
        if one.small is None or one.small_translation is None or one.small_package is None:
            raise AssertionError("a plan with a self-hosted image has a PyPy for it")
        tarball = package.finished(self._store, one.small_package) or self._pypy(
            one.small, one.small_translation, one.small_package, self._cpython_builder()
        )
        return PypyTwo(tarball.path, tarball.sha256)

    def _say_step(self, line: str) -> None:
        if line.startswith("Step "):
            self._say(f"  {line[:100]}")

    def _verify_key(self, sha256: str) -> str:
        return key_of(tarball=sha256, checks=verify.digest_of_checks())

    def _verify(self, tarball: Tarball) -> Report:
        """Verify, unless these very checks have passed this very tarball."""
        key = self._verify_key(tarball.sha256)
        record = self._store.record(key)
        if record:
            return Report.from_record(record["report"])
        self._say(f"verify {tarball.path.name}")
        report = verify.verify(tarball.path, self._engine, base_image=self.plan.base.reference)
        if report.exit_code == 0:
            with self._store.making(key, keep=False):
                if self._store.record(key):  # by a run that this one waited for
                    return report
                record = {"stage": "verify", "seconds": report.seconds}
                self._store.finish(key, {**record, "report": report.to_record()})
        return report
