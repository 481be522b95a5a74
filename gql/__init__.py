"""The wire: HTTP and websocket transports, schema assembly, live operations, limits, errors, the explorer and the command line.

The transports (`gql.http`, `gql.websocket`) know the rest only through `gql.wire.Service`: they decode requests, ask the service, and
carry bytes that were encoded once.
"""
