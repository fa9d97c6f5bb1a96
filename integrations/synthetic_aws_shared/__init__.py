"""Private: what ``synthetic_boto3`` and ``synthetic_awslambda`` share, the forms in which AWS delivers a message.

It imports nothing of AWS: a function that only answers HTTP need not load botocore.
"""
