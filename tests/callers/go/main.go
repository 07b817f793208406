// Asks for an access token through the Azure CLI, as programs with these libraries do: `LIBRARY COUNT TENANT`, TENANT being `-`
// for none. Prints a JSON object for each of COUNT that ask at once, each with a credential of its own.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/hashicorp/go-azure-sdk/sdk/auth"
	"github.com/hashicorp/go-azure-sdk/sdk/environments"
)

func byAzidentity(ctx context.Context, tenant string) (string, time.Time, error) {
	credential, err := azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: tenant})
	if err != nil {
		return "", time.Time{}, err
	}
	options := policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}
	token, err := credential.GetToken(ctx, options)
	return token.Token, token.ExpiresOn, err
}

// What the Terraform providers for Azure do before they ask anything.
func byHashicorp(ctx context.Context, tenant string) (string, time.Time, error) {
	options := auth.AzureCliAuthorizerOptions{Api: environments.AzurePublic().KeyVault, TenantId: tenant}
	authorizer, err := auth.NewAzureCliAuthorizer(ctx, options)
	if err != nil {
		return "", time.Time{}, err
	}
	token, err := authorizer.Token(ctx, nil)
	if err != nil {
		return "", time.Time{}, err
	}
	return token.AccessToken, token.Expiry, nil
}

func main() {
	ask := map[string]func(context.Context, string) (string, time.Time, error){
		"azidentity": byAzidentity,
		"hashicorp":  byHashicorp,
	}[os.Args[1]]
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	tenant := os.Args[3]
	if tenant == "-" {
		tenant = ""
	}
	answers := make([]map[string]any, count)
	var group sync.WaitGroup
	for place := range answers {
		group.Go(func() {
			token, expiresOn, err := ask(context.Background(), tenant)
			if err != nil {
				answers[place] = map[string]any{"error": err.Error()}
				return
			}
			answers[place] = map[string]any{"token": token, "expires_on": expiresOn.Unix()}
		})
	}
	group.Wait()
	for _, answer := range answers {
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			panic(err)
		}
	}
}
