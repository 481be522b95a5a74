"""What is kept: tables, reads and writes, read sets, the change stream, blobs, settings and the embedded servers.

Knows nothing of GraphQL or HTTP. Only this package imports the drivers of MongoDB and S3.
"""
