"""Image classification on AWS Lambda with MXNet."""
