"""Groups of pyproject.toml that not every environment has: installed when they are needed."""

import importlib
import subprocess
import sys
from importlib.util import find_spec

from tools.errors import ToolError
from tools.project import ROOT


def require(group: str, *modules: str) -> None:
    """Install ``group`` where one of its ``modules`` is missing; progress goes to standard error.

    Raises ToolError: it cannot be installed.
    """
    missing = [name for name in modules if not find_spec(name)]
    if not missing:
        return
    sys.stderr.write(f"This needs {', '.join(missing)}, which .venv lacks: installing.\n")
    (ROOT / ".venv" / group).unlink(missing_ok=True)  # It says that the group is there.
    setup = subprocess.run([ROOT / "scripts" / "setup.sh", group], stdout=sys.stderr, check=False)
    importlib.invalidate_caches()
    if setup.returncode or not all(map(find_spec, modules)):
        raise ToolError(f"{', '.join(missing)} cannot be installed; see above")
