package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// tokenVariable holds the token: the arguments of a process are everybody's to read.
const tokenVariable = "ARM_TOKEN"

// place is where a real server is.
type place struct {
	arm, ca string
}

func (p *place) flags() {
	flag.StringVar(&p.arm, "arm", "", "the URL of ARM")
	flag.StringVar(&p.ca, "ca", "", "the certificate to trust, PEM")
}

// given is a token that somebody else got.
type given string

func (g given) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(g), ExpiresOn: time.Now().Add(time.Hour)}, nil
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
		Cloud:     cloud.Configuration{Services: services},
		Transport: transport,
		// What a server answers is to be seen, not what comes after some tries.
		Retry: policy.RetryOptions{MaxRetries: -1},
	}
	return given(os.Getenv(tokenVariable)), &arm.ClientOptions{ClientOptions: options, DisableRPRegistration: true}, nil
}

func (p *place) trusting() (*http.Client, error) {
	pem, err := os.ReadFile(p.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("--ca holds no certificate")
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}, nil
}
