"""Private: the forms in which AWS delivers a message, shared by ``synthetic_boto3`` and ``synthetic_awslambda``.

It imports nothing of AWS: a function that only answers HTTP need not load botocore.
"""
