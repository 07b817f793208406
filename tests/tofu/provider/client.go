package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Resource Manager, as whoever is signed in.
type client struct {
	arm          *azarm.Client
	subscription string
}

func newClient(ctx context.Context, settings settings) (*client, error) {
	configuration := cloud.Configuration{
		ActiveDirectoryAuthorityHost: settings.AuthorityHost.ValueString(),
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {
				Audience: settings.Audience.ValueString(),
				Endpoint: settings.Endpoint.ValueString(),
			},
		},
	}
	options := policy.ClientOptions{Cloud: configuration}
	var credential azcore.TokenCredential
	var err error
	switch {
	case settings.UseMSI.ValueBool():
		identity := azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		credential, err = azidentity.NewManagedIdentityCredential(&identity)
	case settings.UseCLI.ValueBool():
		credential, err = azidentity.NewAzureCLICredential(nil)
	default:
		err = errors.New("one of use_cli and use_msi is needed")
	}
	if err != nil {
		return nil, err
	}
	subscription := settings.SubscriptionID.ValueString()
	if subscription == "" {
		if subscription, err = currentSubscription(ctx); err != nil {
			return nil, err
		}
	}
	client := client{subscription: subscription}
	client.arm, err = azarm.NewClient("tests/tofu", "v1.0.0", credential, &azarm.ClientOptions{ClientOptions: options})
	return &client, err
}

// The one that az has, as the providers ask for it where their block names none.
func currentSubscription(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "az", "account", "show", "-o=json").Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("az account show: %w: %s", err, failed.Stderr)
		}
		return "", err
	}
	var account struct {
		ID string `json:"id"`
	}
	return account.ID, json.Unmarshal(out, &account)
}

// What Resource Manager has of a resource, or is told of it.
type document struct {
	ID         string            `json:"id,omitempty"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags"`
	Properties map[string]any    `json:"properties"`
}

// An answer with another status than those that are looked for is an error, with what it says.
func (client *client) ask(
	ctx context.Context, method, id, version string, body *document, good ...int,
) (int, *document, error) {
	request, err := runtime.NewRequest(ctx, method, runtime.JoinPaths(client.arm.Endpoint(), id))
	if err != nil {
		return 0, nil, err
	}
	query := request.Raw().URL.Query()
	query.Set("api-version", version)
	request.Raw().URL.RawQuery = query.Encode()
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		if err := request.SetBody(streaming.NopCloser(bytes.NewReader(text)), "application/json"); err != nil {
			return 0, nil, err
		}
	}
	answer, err := client.arm.Pipeline().Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	if !runtime.HasStatusCode(answer, good...) {
		return 0, nil, runtime.NewResponseError(answer)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode == http.StatusNotFound || len(bytes.TrimSpace(text)) == 0 {
		return answer.StatusCode, nil, err
	}
	var document document
	return answer.StatusCode, &document, json.Unmarshal(text, &document)
}

func (client *client) idOf(path string) string {
	return "/subscriptions/" + client.subscription + "/" + strings.TrimPrefix(path, "/")
}
