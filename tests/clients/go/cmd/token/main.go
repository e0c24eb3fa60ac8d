// Command token asks azidentity for one token, as an application does, and prints the outcome as one line of JSON.
// The interface is that of every client here: see ../../../README.md.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

type options struct {
	credential, clientID, objectID, resourceID, scope string
	deadline                                          float64
}

func parse() (options, error) {
	var o options
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	flags.StringVar(&o.credential, "credential", "managed-identity", "managed-identity or default")
	flags.StringVar(&o.clientID, "client-id", "", "client id")
	flags.StringVar(&o.objectID, "object-id", "", "object id")
	flags.StringVar(&o.resourceID, "resource-id", "", "ARM id")
	flags.StringVar(&o.scope, "scope", "https://management.azure.com/.default", "scope")
	flags.Float64Var(&o.deadline, "deadline", 120, "seconds")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return o, err
	}
	return o, nil
}

func (o options) id() azidentity.ManagedIDKind {
	switch {
	case o.clientID != "":
		return azidentity.ClientID(o.clientID)
	case o.objectID != "":
		return azidentity.ObjectID(o.objectID)
	case o.resourceID != "":
		return azidentity.ResourceID(o.resourceID)
	}
	return nil
}

func (o options) make() (azcore.TokenCredential, error) {
	switch o.credential {
	case "managed-identity":
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: o.id()})
	case "default":
		if o.clientID != "" {
			if err := os.Setenv("AZURE_CLIENT_ID", o.clientID); err != nil {
				return nil, err
			}
		}
		return azidentity.NewDefaultAzureCredential(nil)
	}
	return nil, fmt.Errorf("there is no credential %q", o.credential)
}

// claims are the payload of a JWT, not verified; nil for another token.
func claims(token string) any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var payload any
	if err != nil || json.Unmarshal(text, &payload) != nil {
		return nil
	}
	return payload
}

func failed(err error) map[string]any {
	outcome := map[string]any{"ok": false, "error_class": fmt.Sprintf("%T", err), "message": err.Error()}
	if errors.Is(err, context.DeadlineExceeded) {
		outcome["error_class"] = "DeadlineExceeded"
	}
	var refused *azidentity.AuthenticationFailedError
	if errors.As(err, &refused) && refused.RawResponse != nil {
		outcome["status"] = refused.RawResponse.StatusCode
	}
	return outcome
}

func ask(o options) map[string]any {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.deadline*float64(time.Second)))
	defer cancel()
	credential, err := o.make()
	if err != nil {
		return failed(err)
	}
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{o.scope}})
	if err != nil {
		return failed(err)
	}
	return map[string]any{
		"ok": true, "token": token.Token, "expires_on": token.ExpiresOn.Unix(), "claims": claims(token.Token),
	}
}

func main() {
	o, err := parse()
	if err != nil {
		os.Exit(64)
	}
	begin := time.Now()
	outcome := ask(o)
	outcome["elapsed_ms"] = time.Since(begin).Milliseconds()
	if err := json.NewEncoder(os.Stdout).Encode(outcome); err != nil || outcome["ok"] != true {
		os.Exit(1)
	}
}
