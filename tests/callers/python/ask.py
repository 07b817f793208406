"""Asks for an access token through the Azure CLI, as programs with azure-identity do: `sync|aio COUNT TENANT`, TENANT being `-`
for none. Prints a JSON object for each of COUNT that ask at once, each with a credential of its own."""

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor

from azure.identity import AzureCliCredential
from azure.identity.aio import AzureCliCredential as AsyncAzureCliCredential

SCOPE = "https://vault.azure.net/.default"


def told(token):
    return {"token": token.token, "expires_on": token.expires_on}


def told_of(error):
    # With an az that is late the library may also fail in ways of its own.
    return {"error": getattr(error, "message", None) or repr(error)}


def ask(tenant):
    try:
        return told(AzureCliCredential(tenant_id=tenant).get_token(SCOPE))
    except Exception as error:
        return told_of(error)


async def ask_without_threads(tenant):
    async with AsyncAzureCliCredential(tenant_id=tenant) as credential:
        return told(await credential.get_token(SCOPE))


async def gather(count, tenant):
    asking = (ask_without_threads(tenant) for _ in range(count))
    answers = await asyncio.gather(*asking, return_exceptions=True)
    return [told_of(answer) if isinstance(answer, BaseException) else answer for answer in answers]


def main():
    way, count, tenant = sys.argv[1], int(sys.argv[2]), sys.argv[3].removeprefix("-")
    if way == "aio":
        answers = asyncio.run(gather(count, tenant))
    else:
        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(ask, [tenant] * count))
    for answer in answers:
        print(json.dumps(answer))


main()
