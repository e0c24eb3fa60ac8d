package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// imds is the address that azidentity has for the metadata service, and cannot be told another.
const imds = "169.254.169.254:80"

// place is where real servers are, and as whom to go there.
type place struct {
	arm, login, imds, ca string
	who                  identity
}

func (p *place) flags() {
	flag.StringVar(&p.arm, "arm", "", "the URL of ARM")
	flag.StringVar(&p.login, "login", "", "the URL of Entra ID")
	flag.StringVar(&p.imds, "imds", "", "the address of the metadata service, with a port")
	flag.StringVar(&p.ca, "ca", "", "the certificate to trust, PEM")
	p.who.flags()
}

func (p *place) connect() (azcore.TokenCredential, *arm.ClientOptions, error) {
	transport, err := p.trusting()
	if err != nil {
		return nil, nil, err
	}
	services := map[cloud.ServiceName]cloud.ServiceConfiguration{
		cloud.ResourceManager: {Audience: "https://management.azure.com", Endpoint: p.arm},
	}
	options := policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: p.login, Services: services},
		Transport: transport,
		// What a server answers is to be seen, not what comes after some tries.
		Retry: policy.RetryOptions{MaxRetries: -1},
	}
	credential, err := p.who.credential(options)
	return credential, &arm.ClientOptions{ClientOptions: options, DisableRPRegistration: true}, err
}

// trusting is a client that finds the metadata service where it is, by whatever URL it is asked.
func (p *place) trusting() (*http.Client, error) {
	pem, err := os.ReadFile(p.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("--ca holds no certificate")
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == imds {
			address = p.imds
		}
		return dialer.DialContext(ctx, network, address)
	}
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DialContext: dial}}, nil
}
