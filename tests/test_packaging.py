"""What is installed works: from the wheel, from the sdist and editable, each in a virtual environment of its own.

A copy of the tree is built, so that the checkout stays clean. The wheels of the libraries are kept beside the
interpreter that runs the tests: after the first time this needs no network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import pbx

ROOT = Path(__file__).parent.parent
WHEELS = Path(sys.prefix, "wheels")
NOT_OURS = (".venv", ".git", "run", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "*.so")
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
CAN_COMPILE = bool(shutil.which(COMPILER)) and Path(sysconfig.get_path("include"), "Python.h").exists()
LIBRARIES = sysconfig.get_path("purelib")  # those of the tests, where an environment of its own needs no copies
IS_NATIVE = "from pbx.media import native; print(native.is_there())"

pytestmark = pytest.mark.timeout(400)


def run(*words: str | Path, cwd: Path, may_fail: bool = False, **more: str) -> str | None:
    """Return what a command printed; when it fails, fail with all of it, or return None if it may.

    :param more: variables of its environment.
    """
    # Neither the checkout nor anybody's own settings may lend what an installation lacks.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PBX_"))}
    done = subprocess.run(
        words, check=False, cwd=cwd, env={**clean, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode and not may_fail:
        pytest.fail(f"{' '.join(map(str, words))}\n{done.stdout}", pytrace=False)
    return None if done.returncode else done.stdout


def python(*words: str | Path, cwd: Path, may_fail: bool = False, **more: str) -> str | None:
    return run(sys.executable, "-m", *words, cwd=cwd, may_fail=may_fail, **more)


@dataclass(frozen=True)
class Built:
    """A copy of the tree and what was built from it."""

    tree: Path
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    tree = tmp_path_factory.mktemp("packaging") / "tree"
    shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(*NOT_OURS))
    # The wheel is built from the sdist here: what the sdist lacks, the wheel lacks too.
    python("build", "--no-isolation", tree, cwd=tree)
    (wheel,), (sdist,) = (tree / "dist").glob("*.whl"), (tree / "dist").glob("*.tar.gz")
    fetch = ["pip", "download", "--quiet", "--find-links", WHEELS, "--dest", WHEELS, wheel, "setuptools>=77"]
    if python(*fetch, "--no-index", cwd=tree, may_fail=True) is None:
        python(*fetch, cwd=tree)
    (WHEELS / wheel.name).unlink()
    return Built(tree, wheel, sdist)


@pytest.mark.parametrize("form", ["wheel", "sdist", "editable"])
def test_installation_works(built, form, tmp_path):
    home, folder = tmp_path / "venv", tmp_path / "empty"
    folder.mkdir()
    python("venv", "--without-pip", home, cwd=tmp_path)
    source = {"wheel": [built.wheel], "sdist": [built.sdist], "editable": ["--editable", built.tree]}[form]
    install = ["install", "--quiet", "--no-compile", "--no-index", "--find-links", WHEELS, *source]
    python("pip", "--python", home / "bin" / "python", *install, cwd=folder)

    where = run(home / "bin" / "python", "-c", "import pbx; print(pbx.__file__)", cwd=folder)
    assert Path(where.strip()).is_relative_to(built.tree if form == "editable" else home)
    assert "\n    pbx " in run(home / "bin" / "twistd", "--help", cwd=folder)
    assert pbx.__version__ in run(home / "bin" / "pbx", "--version", cwd=folder)

    assert run(home / "bin" / "python", "-c", IS_NATIVE, cwd=folder).strip() == str(CAN_COMPILE)

    (folder / "pbx.toml").write_text('[database]\nurl = "sqlite:///there.db"\n')
    run(home / "bin" / "pbx", "db", "upgrade", cwd=folder)
    assert (folder / "there.db").stat().st_size > 0


@pytest.mark.skipif(not CAN_COMPILE, reason="no C compiler, or no headers of Python")
def test_wheel_with_the_native_relay_is_good_for_all_pythons(built):
    assert "-cp311-abi3-linux_" in built.wheel.name
    assert [name for name in zipfile.ZipFile(built.wheel).namelist() if name.endswith((".so", ".c", ".h"))] == [
        "pbx/media/_native.abi3.so"
    ]


@pytest.mark.parametrize("compiler", ["/no/compiler", "false"])
@pytest.mark.parametrize("form", ["wheel", "editable"])
def test_without_a_compiler_that_works_the_native_relay_is_left_out(built, compiler, form, tmp_path):
    home, tree = tmp_path / "venv", tmp_path / "tree"
    shutil.copytree(built.tree, tree, symlinks=True, ignore=shutil.ignore_patterns(*NOT_OURS))
    python("venv", "--without-pip", home, cwd=tmp_path)
    install = ["install", "--no-compile", "--no-index", "--no-deps", "--no-build-isolation"]
    source = ["--editable", tree] if form == "editable" else [tree]
    python(
        "pip", "--python", home / "bin" / "python", *install, *source, cwd=tmp_path, CC=compiler, PYTHONPATH=LIBRARIES
    )
    assert not [*home.rglob("_native*.so"), *tree.rglob("_native*.so")]
    assert run(home / "bin" / "python", "-c", IS_NATIVE, cwd=tmp_path, PYTHONPATH=LIBRARIES).strip() == "False"


def test_wheel_holds_the_exchange_and_nothing_else(built):
    names = zipfile.ZipFile(built.wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"pbx", "twisted", f"txpbx-{pbx.__version__}.dist-info"}
    assert [name for name in names if name.startswith("twisted/")] == ["twisted/plugins/pbx_plugin.py"]
    assert {"pbx/py.typed", "pbx/migrations/env.py"} <= set(names)
    prompts = {str(path.relative_to(built.tree)) for path in (built.tree / "pbx" / "media" / "prompts").rglob("*.*")}
    assert prompts and prompts <= set(names)


def test_wheel_holds_every_module_of_the_tree(built):
    names = set(zipfile.ZipFile(built.wheel).namelist())
    modules = {
        str(Path(folder, file).relative_to(built.tree))
        for folder, _, files in os.walk(built.tree / "pbx", followlinks=True)
        for file in files
        if file.endswith(".py")
    }
    assert not modules - names, "add the package to `packages` in setup.cfg"


def test_sdist_holds_what_make_needs(built):
    top = built.sdist.name.removesuffix(".tar.gz")
    with tarfile.open(built.sdist) as archive:
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    assert {
        "Makefile",
        "native/build.py",
        "native/relay.h",
        "native/worker.c",
        "setup.py",
        "etc/pbx.toml",
        "tests/conftest.py",
        "tools/run.py",
        "docs/glossary.md",
    } <= names
