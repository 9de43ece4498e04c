"""How a network's outputs become probabilities: what its graph says, and what a person says."""

from classifier.model.manifest import Output
from tools.errors import ToolError

OUTPUTS = ("probabilities", "logits", "sigmoid")


def resolve_output(option: str | None, last: str) -> Output:
    """The output of a network.

    option: one of OUTPUTS, or None. last: the activation that its graph ends in, "softmax" or
    "sigmoid"; empty: none.

    Raises ToolError: the option contradicts the graph.
    """
    if option is None:
        return Output(probabilities=bool(last), activation=last or "softmax")
    if option != "sigmoid":
        return Output(probabilities=option == "probabilities")
    if last == "softmax":
        raise ToolError(
            "--output sigmoid: the network ends in a softmax, so its classes exclude each other;"
            " leave it out"
        )
    return Output(probabilities=last == "sigmoid", activation="sigmoid")
