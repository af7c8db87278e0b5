"""How schemathesis sends lines of JSON: as the text that they are."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    return (value if isinstance(value, str) else json.dumps(value)).encode(errors="surrogatepass")
