package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// secretVariable holds the client secret: the arguments of a process are everybody's to read.
const secretVariable = "AZURE_CLIENT_SECRET"

// identity is whom azidentity signs in, and what it proves that with.
type identity struct {
	kind, tenant, client, file string
}

func (i *identity) flags() {
	flag.StringVar(&i.kind, "credential", "managed-identity", "managed-identity, secret, certificate or workload-identity")
	flag.StringVar(&i.tenant, "tenant", "", "the tenant")
	flag.StringVar(&i.client, "client-id", "", "the application or managed identity")
	flag.StringVar(&i.file, "file", "", "the certificate with its key (PEM), or the service account's token")
}

// Instance discovery asks login.microsoftonline.com whether it knows the host, which private clouds are not.
func (i *identity) credential(options policy.ClientOptions) (azcore.TokenCredential, error) {
	switch i.kind {
	case "managed-identity":
		all := azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if i.client != "" {
			all.ID = azidentity.ClientID(i.client)
		}
		return azidentity.NewManagedIdentityCredential(&all)
	case "secret":
		all := azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true}
		return azidentity.NewClientSecretCredential(i.tenant, i.client, os.Getenv(secretVariable), &all)
	case "certificate":
		return i.certificate(options)
	case "workload-identity":
		all := azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: true,
			ClientID: i.client, TenantID: i.tenant, TokenFilePath: i.file,
		}
		return azidentity.NewWorkloadIdentityCredential(&all)
	}
	return nil, fmt.Errorf("there is no credential %q", i.kind)
}

func (i *identity) certificate(options policy.ClientOptions) (azcore.TokenCredential, error) {
	pem, err := os.ReadFile(i.file)
	if err != nil {
		return nil, err
	}
	chain, key, err := azidentity.ParseCertificates(pem, nil)
	if err != nil {
		return nil, err
	}
	all := azidentity.ClientCertificateCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: true, SendCertificateChain: true,
	}
	return azidentity.NewClientCertificateCredential(i.tenant, i.client, chain, key, &all)
}
