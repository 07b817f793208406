//! Asks for an access token through the Azure CLI, as programs with these libraries do: `LIBRARY COUNT TENANT`, TENANT being `-`
//! for none. Prints a JSON object for each of COUNT that ask at once, each with a credential of its own.

use azure_core::credentials::TokenCredential;
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions};
use object_store::azure::{AzureCredential, MicrosoftAzureBuilder};
use serde_json::{Value, json};

async fn by_azure_identity(tenant: Option<String>) -> Result<Value, String> {
    let options = AzureCliCredentialOptions { tenant_id: tenant, ..Default::default() };
    let credential = AzureCliCredential::new(Some(options)).map_err(|error| error.to_string())?;
    let token = credential.get_token(&["https://vault.azure.net/.default"], None).await;
    let token = token.map_err(|error| error.to_string())?;
    Ok(json!({"token": token.token.secret(), "expires_on": token.expires_on.unix_timestamp()}))
}

/// What delta-rs, polars and DataFusion do.
async fn by_object_store() -> Result<Value, String> {
    let builder = MicrosoftAzureBuilder::new().with_account("account").with_container_name("container");
    let store = builder.with_use_azure_cli(true).build().map_err(|error| error.to_string())?;
    match store.credentials().get_credential().await.map_err(|error| error.to_string())?.as_ref() {
        AzureCredential::BearerToken(token) => Ok(json!({"token": token})),
        other => Err(format!("no token: {other:?}")),
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, count, tenant] = arguments.as_slice() else { panic!("three arguments") };
    let tenant = Some(tenant.clone()).filter(|tenant| tenant != "-");
    let asking: Vec<_> = (0..count.parse().expect("a number"))
        .map(|_| {
            let (library, tenant) = (library.clone(), tenant.clone());
            tokio::spawn(async move {
                match library.as_str() {
                    "azure_identity" => by_azure_identity(tenant).await,
                    _ => by_object_store().await,
                }
            })
        })
        .collect();
    for one in asking {
        let answer = one.await.expect("no panic").unwrap_or_else(|error| json!({"error": error}));
        println!("{answer}");
    }
}
