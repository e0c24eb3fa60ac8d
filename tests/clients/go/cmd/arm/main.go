// Command arm drives Microsoft's own ARM client through a list of steps, against a server (azure-sim) or against
// that client's own fake, and prints what came of each as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
)

// step is one look or one change of a virtual machine or scale set.
type step struct {
	Kind   string   `json:"kind"` // vmss or vm
	Group  string   `json:"group"`
	Name   string   `json:"name"`
	Type   string   `json:"type"` // empty: only look
	Add    []string `json:"add"`
	Remove []string `json:"remove"`
	// The etag that the last look or change had.
	IfMatch bool `json:"if_match"`
}

// outcome is what came of a step.
type outcome struct {
	OK         bool     `json:"ok"`
	Type       string   `json:"type,omitempty"`
	Identities []string `json:"identities,omitempty"`
	HasEtag    bool     `json:"has_etag"`
	Status     int      `json:"status,omitempty"`
	Code       string   `json:"code,omitempty"`
	Message    string   `json:"message,omitempty"`
}

// clients are the two that podgate stands beside, and the etag that was seen last.
type clients struct {
	sets     *armcompute.VirtualMachineScaleSetsClient
	machines *armcompute.VirtualMachinesClient
	etag     *string
}

func newClients(subscription string, credential azcore.TokenCredential, options *arm.ClientOptions) (*clients, error) {
	sets, err := armcompute.NewVirtualMachineScaleSetsClient(subscription, credential, options)
	if err != nil {
		return nil, err
	}
	machines, err := armcompute.NewVirtualMachinesClient(subscription, credential, options)
	return &clients{sets: sets, machines: machines}, err
}

func (c *clients) take(ctx context.Context, s step) outcome {
	var err error
	var found outcome
	switch {
	case s.Kind == "vmss" && s.Type == "":
		found, err = c.lookSet(ctx, s)
	case s.Kind == "vmss":
		found, err = c.changeSet(ctx, s)
	case s.Kind == "vm" && s.Type == "":
		found, err = c.lookMachine(ctx, s)
	case s.Kind == "vm":
		found, err = c.changeMachine(ctx, s)
	default:
		err = fmt.Errorf("there is no kind %q", s.Kind)
	}
	if err != nil {
		return failed(err)
	}
	return found
}

func (c *clients) lookSet(ctx context.Context, s step) (outcome, error) {
	got, err := c.sets.Get(ctx, s.Group, s.Name, nil)
	return c.ofSet(got.VirtualMachineScaleSet), err
}

func (c *clients) changeSet(ctx context.Context, s step) (outcome, error) {
	identity := armcompute.VirtualMachineScaleSetIdentity{Type: to.Ptr(armcompute.ResourceIdentityType(s.Type)), UserAssignedIdentities: named(s)}
	options := armcompute.VirtualMachineScaleSetsClientBeginUpdateOptions{IfMatch: c.ifMatch(s)}
	poller, err := c.sets.BeginUpdate(ctx, s.Group, s.Name, armcompute.VirtualMachineScaleSetUpdate{Identity: &identity}, &options)
	if err != nil {
		return outcome{}, err
	}
	done, err := poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
	return c.ofSet(done.VirtualMachineScaleSet), err
}

func (c *clients) lookMachine(ctx context.Context, s step) (outcome, error) {
	got, err := c.machines.Get(ctx, s.Group, s.Name, nil)
	return c.ofMachine(got.VirtualMachine), err
}

func (c *clients) changeMachine(ctx context.Context, s step) (outcome, error) {
	identity := armcompute.VirtualMachineIdentity{Type: to.Ptr(armcompute.ResourceIdentityType(s.Type)), UserAssignedIdentities: named(s)}
	options := armcompute.VirtualMachinesClientBeginUpdateOptions{IfMatch: c.ifMatch(s)}
	poller, err := c.machines.BeginUpdate(ctx, s.Group, s.Name, armcompute.VirtualMachineUpdate{Identity: &identity}, &options)
	if err != nil {
		return outcome{}, err
	}
	done, err := poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
	return c.ofMachine(done.VirtualMachine), err
}

func (c *clients) ifMatch(s step) *string {
	if s.IfMatch {
		return c.etag
	}
	return nil
}

// named is nil where nothing is named: the type alone is sent then.
func named(s step) map[string]*armcompute.UserAssignedIdentitiesValue {
	if len(s.Add)+len(s.Remove) == 0 {
		return nil
	}
	list := map[string]*armcompute.UserAssignedIdentitiesValue{}
	for _, id := range s.Add {
		list[id] = &armcompute.UserAssignedIdentitiesValue{}
	}
	for _, id := range s.Remove {
		list[id] = nil
	}
	return list
}

func (c *clients) ofSet(set armcompute.VirtualMachineScaleSet) outcome {
	if set.Identity == nil {
		return c.of(set.Etag, nil, nil)
	}
	return c.of(set.Etag, set.Identity.Type, set.Identity.UserAssignedIdentities)
}

func (c *clients) ofMachine(machine armcompute.VirtualMachine) outcome {
	if machine.Identity == nil {
		return c.of(machine.Etag, nil, nil)
	}
	return c.of(machine.Etag, machine.Identity.Type, machine.Identity.UserAssignedIdentities)
}

func (c *clients) of(etag *string, kind *armcompute.ResourceIdentityType, all map[string]*armcompute.UserAssignedIdentitiesValue) outcome {
	c.etag = etag
	found := outcome{OK: true, HasEtag: etag != nil}
	if kind != nil {
		found.Type = string(*kind)
	}
	for id := range all {
		found.Identities = append(found.Identities, strings.ToLower(id))
	}
	sort.Strings(found.Identities)
	return found
}

func failed(err error) outcome {
	var refused *azcore.ResponseError
	if errors.As(err, &refused) {
		return outcome{Status: refused.StatusCode, Code: refused.ErrorCode, Message: err.Error()}
	}
	return outcome{Message: err.Error()}
}

func run() error {
	var at place
	fake := flag.Bool("fake", false, "against the client's own fake server rather than a real one")
	steps := flag.String("steps", "[]", "the steps, JSON")
	subscription := flag.String("subscription", "", "the subscription")
	at.flags()
	flag.Parse()
	var list []step
	if err := json.Unmarshal([]byte(*steps), &list); err != nil {
		return fmt.Errorf("--steps: %w", err)
	}
	connect := at.connect
	if *fake {
		connect = pretended
	}
	credential, options, err := connect()
	if err != nil {
		return err
	}
	all, err := newClients(*subscription, credential, options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	print := json.NewEncoder(os.Stdout)
	for _, one := range list {
		if err := print.Encode(all.take(ctx, one)); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64)
	}
}
