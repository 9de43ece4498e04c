"""An AWS account on this machine: CloudFormation makes things, and Lambda runs them."""
