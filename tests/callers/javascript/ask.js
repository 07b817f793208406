// Asks for an access token through the Azure CLI, as programs with these libraries do: `LIBRARY COUNT TENANT`, TENANT being `-`
// for none. Prints a JSON object for each of COUNT that ask at once, each with a credential of its own.

async function byIdentity(tenant) {
  const { AzureCliCredential } = require("@azure/identity");
  const token = await new AzureCliCredential(tenant ? { tenantId: tenant } : {}).getToken("https://vault.azure.net/.default");
  return { token: token.token, expires_on: Math.floor(token.expiresOnTimestamp / 1000) };
}

async function byNodeauth() {
  const { AzureCliCredentials } = require("@azure/ms-rest-nodeauth");
  const credentials = await AzureCliCredentials.create({ resource: "https://vault.azure.net" }).catch((error) => {
    // It starts two az at once, and begins with which of them failed first: az's own words are the same.
    throw new Error(/ERROR: [^]*?(?=\n\s+at )/.exec(String(error))?.[0] ?? String(error));
  });
  const token = await credentials.getToken();
  return { token: token.accessToken, expires_on: Math.floor(token.expiresOn.getTime() / 1000) };
}

async function main() {
  const [library, count, tenant] = process.argv.slice(2);
  const ask = { identity: byIdentity, nodeauth: byNodeauth }[library];
  const asking = Array.from({ length: Number(count) }, () =>
    ask(tenant === "-" ? undefined : tenant).catch((error) => ({ error: String(error.message ?? error) })),
  );
  for (const answer of await Promise.all(asking)) console.log(JSON.stringify(answer));
}

main();
