"""cfn-lint on what CloudFormation makes of the template, with the rules of all regions.

`sam validate --lint` sees the template before SAM's transform, and one region. cfn-lint follows
both values of every condition by itself.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from expanded_template import expand

from tools.deploy import regions
from tools.errors import ToolError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    template = tmp_path_factory.mktemp("expanded") / "template.json"
    definition = yaml.safe_load((ROOT / "apigateway.yaml").read_bytes())
    template.write_text(json.dumps(expand(definition)))
    lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [str(lint), "--format", "json", "--regions", "ALL_REGIONS", "--template", str(template)],
        capture_output=True,
        text=True,
        check=False,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_the_expanded_template_is_valid_in_every_region(findings: list[dict[str, Any]]) -> None:
    problems = {finding["Rule"]["Id"]: finding["Message"] for finding in findings}
    # SAM's transform resolves this parameter itself.
    assert problems.pop("W2001", "Parameter DeploymentType not used.").startswith(
        "Parameter DeploymentType"
    )
    # What it says of SnapStart is the next test's.
    problems.pop("E2530", None)
    assert problems == {}


def test_the_tool_refuses_snapstart_where_cfn_lint_does(findings: list[dict[str, Any]]) -> None:
    [message] = [each["Message"] for each in findings if each["Rule"]["Id"] == "E2530"]
    without = re.findall(r"'([a-z]+-[a-z]+-[a-z0-9-]+)'", message)
    assert without
    for region in without:
        with pytest.raises(ToolError, match="has no SnapStart"):
            regions.check({"SnapStart": "true"}, region, None)
