"""The local stack: Lambda, API Gateway and S3 on one machine, without Docker."""
