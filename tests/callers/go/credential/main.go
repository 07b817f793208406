// Asks for an access token for Resource Manager, as programs with azidentity do that know nothing of where they run:
// `managed|default|cli`. Prints a JSON object.
package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func credential(kind string) (azcore.TokenCredential, error) {
	switch kind {
	case "managed":
		return azidentity.NewManagedIdentityCredential(nil)
	case "default":
		return azidentity.NewDefaultAzureCredential(nil)
	default:
		return azidentity.NewAzureCLICredential(nil)
	}
}

func ask(kind string) (map[string]any, error) {
	credential, err := credential(kind)
	if err != nil {
		return nil, err
	}
	options := policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}}
	token, err := credential.GetToken(context.Background(), options)
	if err != nil {
		return nil, err
	}
	return map[string]any{"token": token.Token, "expires_on": token.ExpiresOn.Unix()}, nil
}

func main() {
	answer, err := ask(os.Args[1])
	if err != nil {
		answer = map[string]any{"error": err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		panic(err)
	}
}
