package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8/fake"
)

// held is what a pretended ARM keeps: every resource has the identities of the one it is.
type held struct {
	kind armcompute.ResourceIdentityType
	all  map[string]*armcompute.UserAssignedIdentitiesValue
}

// pretended is Microsoft's own fake, with a merge as ARM does it behind its decoding.
func pretended() (azcore.TokenCredential, *arm.ClientOptions, error) {
	set, machine := &held{}, &held{}
	sets := fake.VirtualMachineScaleSetsServer{Get: set.getSet, BeginUpdate: set.updateSet}
	machines := fake.VirtualMachinesServer{Get: machine.getMachine, BeginUpdate: machine.updateMachine}
	factory := fake.ServerFactory{VirtualMachineScaleSetsServer: sets, VirtualMachinesServer: machines}
	options := policy.ClientOptions{Transport: fake.NewServerFactoryTransport(&factory)}
	return &azfake.TokenCredential{}, &arm.ClientOptions{ClientOptions: options, DisableRPRegistration: true}, nil
}

func (h *held) merge(kind *armcompute.ResourceIdentityType, named map[string]*armcompute.UserAssignedIdentitiesValue) {
	if h.all == nil || !strings.Contains(string(*kind), "UserAssigned") {
		h.all = map[string]*armcompute.UserAssignedIdentitiesValue{}
	}
	for id, value := range named {
		if id = strings.ToLower(id); value == nil {
			delete(h.all, id)
		} else {
			h.all[id] = value
		}
	}
	h.kind = *kind
}

func (h *held) set() armcompute.VirtualMachineScaleSet {
	found := armcompute.VirtualMachineScaleSet{Etag: to.Ptr("fake")}
	if len(h.all) > 0 {
		found.Identity = &armcompute.VirtualMachineScaleSetIdentity{Type: &h.kind, UserAssignedIdentities: h.all}
	}
	return found
}

func (h *held) machine() armcompute.VirtualMachine {
	found := armcompute.VirtualMachine{Etag: to.Ptr("fake")}
	if len(h.all) > 0 {
		found.Identity = &armcompute.VirtualMachineIdentity{Type: &h.kind, UserAssignedIdentities: h.all}
	}
	return found
}

func (h *held) getSet(context.Context, string, string, *armcompute.VirtualMachineScaleSetsClientGetOptions) (answer azfake.Responder[armcompute.VirtualMachineScaleSetsClientGetResponse], failure azfake.ErrorResponder) {
	answer.SetResponse(http.StatusOK, armcompute.VirtualMachineScaleSetsClientGetResponse{VirtualMachineScaleSet: h.set()}, nil)
	return
}

func (h *held) updateSet(_ context.Context, _, _ string, update armcompute.VirtualMachineScaleSetUpdate, _ *armcompute.VirtualMachineScaleSetsClientBeginUpdateOptions) (answer azfake.PollerResponder[armcompute.VirtualMachineScaleSetsClientUpdateResponse], failure azfake.ErrorResponder) {
	h.merge(update.Identity.Type, update.Identity.UserAssignedIdentities)
	answer.SetTerminalResponse(http.StatusOK, armcompute.VirtualMachineScaleSetsClientUpdateResponse{VirtualMachineScaleSet: h.set()}, nil)
	return
}

func (h *held) getMachine(context.Context, string, string, *armcompute.VirtualMachinesClientGetOptions) (answer azfake.Responder[armcompute.VirtualMachinesClientGetResponse], failure azfake.ErrorResponder) {
	answer.SetResponse(http.StatusOK, armcompute.VirtualMachinesClientGetResponse{VirtualMachine: h.machine()}, nil)
	return
}

func (h *held) updateMachine(_ context.Context, _, _ string, update armcompute.VirtualMachineUpdate, _ *armcompute.VirtualMachinesClientBeginUpdateOptions) (answer azfake.PollerResponder[armcompute.VirtualMachinesClientUpdateResponse], failure azfake.ErrorResponder) {
	h.merge(update.Identity.Type, update.Identity.UserAssignedIdentities)
	answer.SetTerminalResponse(http.StatusOK, armcompute.VirtualMachinesClientUpdateResponse{VirtualMachine: h.machine()}, nil)
	return
}
