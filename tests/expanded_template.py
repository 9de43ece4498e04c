"""template.yaml as CloudFormation expands it: with the API's definition, then by SAM."""

import copy
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

ROOT = Path(__file__).parents[1]

Template = dict[str, Any]

# What `sam deploy` uploads first.
UPLOADED = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


class ManagedPolicies:
    """Stands in for the list of AWS's managed policies, which is read from IAM."""

    def load(self) -> dict[str, str]:
        names = (
            "AWSXRayDaemonWriteAccess",
            "AWSXrayWriteOnlyAccess",
            "AWSLambdaBasicExecutionRole",
        )
        return {name: f"arn:aws:iam::aws:policy/{name}" for name in names}


def expand(definition: Template) -> Template:
    """As CloudFormation does: first AWS::Include, then AWS::Serverless."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    body = template["Resources"]["Api"]["Properties"]["DefinitionBody"]
    assert body["Fn::Transform"] == {
        "Name": "AWS::Include",
        "Parameters": {"Location": "apigateway.yaml"},
    }
    template["Resources"]["Api"]["Properties"]["DefinitionBody"] = copy.deepcopy(definition)
    for name, resource in template["Resources"].items():
        if key := UPLOADED.get(resource["Type"]):
            resource["Properties"][key] = f"s3://packages/{name}"
    template["Globals"]["Function"].pop("CodeUri")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        done: Template = transform(template, {}, ManagedPolicies())
    return done
