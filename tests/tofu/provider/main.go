// A provider for OpenTofu that keeps Azure's resources as the providers for Azure do: what gets its tokens from az is
// azidentity, what asks Resource Manager with them is azcore's pipeline, and both are as they come from the Go module
// proxy.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func main() {
	options := providerserver.ServeOpts{Address: "azward.test/tests/arm"}
	if err := providerserver.Serve(context.Background(), func() provider.Provider { return arm{} }, options); err != nil {
		log.Fatal(err)
	}
}

type arm struct{}

// What the block says of whom to ask, and as whom.
type settings struct {
	UseCLI         types.Bool   `tfsdk:"use_cli"`
	UseMSI         types.Bool   `tfsdk:"use_msi"`
	Endpoint       types.String `tfsdk:"endpoint"`
	AuthorityHost  types.String `tfsdk:"authority_host"`
	Audience       types.String `tfsdk:"audience"`
	SubscriptionID types.String `tfsdk:"subscription_id"`
}

func (arm) Metadata(_ context.Context, _ provider.MetadataRequest, response *provider.MetadataResponse) {
	response.TypeName = "arm"
}

func (arm) Schema(_ context.Context, _ provider.SchemaRequest, response *provider.SchemaResponse) {
	response.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"use_cli":         schema.BoolAttribute{Optional: true},
		"use_msi":         schema.BoolAttribute{Optional: true},
		"endpoint":        schema.StringAttribute{Required: true},
		"authority_host":  schema.StringAttribute{Required: true},
		"audience":        schema.StringAttribute{Required: true},
		"subscription_id": schema.StringAttribute{Optional: true},
	}}
}

func (arm) Configure(ctx context.Context, request provider.ConfigureRequest, response *provider.ConfigureResponse) {
	var settings settings
	response.Diagnostics.Append(request.Config.Get(ctx, &settings)...)
	if response.Diagnostics.HasError() {
		return
	}
	client, err := newClient(ctx, settings)
	if err != nil {
		response.Diagnostics.AddError("there is nobody to ask Resource Manager as", err.Error())
		return
	}
	response.ResourceData = client
}

func (arm) DataSources(context.Context) []func() datasource.DataSource {
	return nil
}

func (arm) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return &kept{} }}
}
