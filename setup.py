"""The optional native build, and nothing else: the metadata is in setup.cfg.

Where there is no compiler, or it fails, what is installed has no native relay and the exchange says so when it starts.
PBX_NATIVE=0 leaves it out, PBX_NATIVE=1 makes its failure the installation's.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

WANTED = os.environ.get("PBX_NATIVE", "auto")


class OptionalBuild(build_ext):
    """Builds what can be built."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as failure:
            self._leave_out(failure)

    def build_extension(self, extension) -> None:
        try:
            super().build_extension(extension)
        except Exception as failure:
            self._leave_out(failure)

    def copy_extensions_to_source(self) -> None:
        """Of an editable install: copy what there is, and fail for nothing else."""
        everything = self.extensions
        built = Path(self.get_finalized_command("build_py").build_lib)
        self.extensions = [one for one in everything if (built / self.get_ext_filename(one.name)).exists()]
        try:
            super().copy_extensions_to_source()
        finally:
            self.extensions = everything

    def get_outputs(self) -> list[str]:
        return [output for output in super().get_outputs() if Path(output).exists()]

    @staticmethod
    def _leave_out(failure: Exception) -> None:
        if WANTED == "1":
            raise failure
        print(f"the native relay is left out: {failure}", file=sys.stderr)


def native() -> dict[str, object]:
    """What `setup` needs for the native relay; nothing where it is left out."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if WANTED == "0" or (WANTED != "1" and shutil.which(compiler) is None):
        return {}
    return {
        "cffi_modules": ["native/build.py:ffi"],
        "cmdclass": {"build_ext": OptionalBuild},
        "options": {"bdist_wheel": {"py_limited_api": "cp311"}},
    }


setup(**native())
