"""Asks for an access token for Resource Manager, as programs with azure-identity do that know nothing of where they
run: `sync|aio managed|default|cli`. Prints a JSON object."""

import asyncio
import json
import sys

from azure.core.pipeline.transport import AsyncioRequestsTransport
from azure.identity import AzureCliCredential, DefaultAzureCredential, ManagedIdentityCredential
from azure.identity import aio

SCOPE = "https://management.azure.com/.default"
CREDENTIALS = {
    "managed": (ManagedIdentityCredential, aio.ManagedIdentityCredential),
    "default": (DefaultAzureCredential, aio.DefaultAzureCredential),
    "cli": (AzureCliCredential, aio.AzureCliCredential),
}


async def ask_without_threads(credential, kind):
    # The transport that needs no other package than the credential does.
    options = {} if kind == "cli" else {"transport": AsyncioRequestsTransport()}
    async with credential(**options) as credential:
        return await credential.get_token(SCOPE)


def main():
    way, kind = sys.argv[1:]
    ours, theirs = CREDENTIALS[kind]
    try:
        token = asyncio.run(ask_without_threads(theirs, kind)) if way == "aio" else ours().get_token(SCOPE)
        answer = {"token": token.token, "expires_on": token.expires_on}
    except Exception as error:
        answer = {"error": getattr(error, "message", None) or repr(error)}
    print(json.dumps(answer))


main()
