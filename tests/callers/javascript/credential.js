// Asks for an access token for Resource Manager, as programs with @azure/identity do that know nothing of where they
// run: `managed|default|cli`. Prints a JSON object.

const { AzureCliCredential, DefaultAzureCredential, ManagedIdentityCredential } = require("@azure/identity");

async function ask(kind) {
  const kinds = { managed: ManagedIdentityCredential, default: DefaultAzureCredential, cli: AzureCliCredential };
  const token = await new kinds[kind]().getToken("https://management.azure.com/.default");
  return { token: token.token, expires_on: Math.floor(token.expiresOnTimestamp / 1000) };
}

ask(process.argv[2])
  .catch((error) => ({ error: String(error.message ?? error) }))
  .then((answer) => console.log(JSON.stringify(answer)));
