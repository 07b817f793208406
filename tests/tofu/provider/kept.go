package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// A resource of any type: it is not there, it is put, and then it is there.
type kept struct {
	client *client
}

// What a block of it says, and what is found out.
type model struct {
	Path       types.String `tfsdk:"path"`
	APIVersion types.String `tfsdk:"api_version"`
	Location   types.String `tfsdk:"location"`
	Tags       types.Map    `tfsdk:"tags"`
	ID         types.String `tfsdk:"id"`
	State      types.String `tfsdk:"provisioning_state"`
}

func (*kept) Metadata(_ context.Context, _ resource.MetadataRequest, response *resource.MetadataResponse) {
	response.TypeName = "arm_resource"
}

func (*kept) Schema(_ context.Context, _ resource.SchemaRequest, response *resource.SchemaResponse) {
	forGood := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	known := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	response.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"path":               schema.StringAttribute{Required: true, PlanModifiers: forGood},
		"api_version":        schema.StringAttribute{Required: true},
		"location":           schema.StringAttribute{Required: true, PlanModifiers: forGood},
		"tags":               schema.MapAttribute{Optional: true, ElementType: types.StringType},
		"id":                 schema.StringAttribute{Computed: true, PlanModifiers: known},
		"provisioning_state": schema.StringAttribute{Computed: true, PlanModifiers: known},
	}}
}

func (kept *kept) Configure(_ context.Context, request resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	// There is none while a configuration is only looked at.
	if found, is := request.ProviderData.(*client); is {
		kept.client = found
	}
}

func (kept *kept) Create(ctx context.Context, request resource.CreateRequest, response *resource.CreateResponse) {
	var plan model
	response.Diagnostics.Append(request.Plan.Get(ctx, &plan)...)
	if response.Diagnostics.HasError() {
		return
	}
	id := kept.client.idOf(plan.Path.ValueString())
	status, _, err := kept.client.ask(ctx, http.MethodGet, id, plan.APIVersion.ValueString(), nil, 200, 404)
	switch {
	case err != nil:
		response.Diagnostics.AddError("cannot look for "+id, err.Error())
	case status == http.StatusOK:
		response.Diagnostics.AddError(id+" is there already", "import it")
	default:
		kept.put(ctx, id, &plan, &response.Diagnostics)
	}
	if !response.Diagnostics.HasError() {
		response.Diagnostics.Append(response.State.Set(ctx, plan)...)
	}
}

func (kept *kept) Read(ctx context.Context, request resource.ReadRequest, response *resource.ReadResponse) {
	var state model
	response.Diagnostics.Append(request.State.Get(ctx, &state)...)
	if response.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	status, found, err := kept.client.ask(ctx, http.MethodGet, id, state.APIVersion.ValueString(), nil, 200, 404)
	switch {
	case err != nil:
		response.Diagnostics.AddError("cannot read "+id, err.Error())
	case status == http.StatusNotFound:
		response.State.RemoveResource(ctx)
	default:
		response.Diagnostics.Append(state.take(ctx, found)...)
		response.Diagnostics.Append(response.State.Set(ctx, state)...)
	}
}

func (kept *kept) Update(ctx context.Context, request resource.UpdateRequest, response *resource.UpdateResponse) {
	var plan model
	response.Diagnostics.Append(request.Plan.Get(ctx, &plan)...)
	if response.Diagnostics.HasError() {
		return
	}
	kept.put(ctx, plan.ID.ValueString(), &plan, &response.Diagnostics)
	if !response.Diagnostics.HasError() {
		response.Diagnostics.Append(response.State.Set(ctx, plan)...)
	}
}

func (kept *kept) Delete(ctx context.Context, request resource.DeleteRequest, response *resource.DeleteResponse) {
	var state model
	response.Diagnostics.Append(request.State.Get(ctx, &state)...)
	if response.Diagnostics.HasError() {
		return
	}
	id, version := state.ID.ValueString(), state.APIVersion.ValueString()
	if _, _, err := kept.client.ask(ctx, http.MethodDelete, id, version, nil, 200, 204); err != nil {
		response.Diagnostics.AddError("cannot delete "+id, err.Error())
	}
}

// Puts what is planned, and reads what became of it.
func (kept *kept) put(ctx context.Context, id string, plan *model, diagnostics *diag.Diagnostics) {
	version := plan.APIVersion.ValueString()
	body := document{Location: plan.Location.ValueString(), Properties: map[string]any{}}
	diagnostics.Append(plan.Tags.ElementsAs(ctx, &body.Tags, true)...)
	if diagnostics.HasError() {
		return
	}
	if _, _, err := kept.client.ask(ctx, http.MethodPut, id, version, &body, 200, 201); err != nil {
		diagnostics.AddError("cannot put "+id, err.Error())
		return
	}
	_, found, err := kept.client.ask(ctx, http.MethodGet, id, version, nil, 200)
	if err != nil {
		diagnostics.AddError("cannot read "+id, err.Error())
		return
	}
	if state := fmt.Sprint(found.Properties["provisioningState"]); state != "Succeeded" {
		diagnostics.AddError(id+" is not done", state)
		return
	}
	diagnostics.Append(plan.take(ctx, found)...)
}

// Takes over what Resource Manager has.
func (model *model) take(ctx context.Context, found *document) diag.Diagnostics {
	tags, diagnostics := types.MapValueFrom(ctx, types.StringType, found.Tags)
	model.ID, model.Location = types.StringValue(found.ID), types.StringValue(found.Location)
	model.State, model.Tags = types.StringValue(fmt.Sprint(found.Properties["provisioningState"])), tags
	return diagnostics
}
