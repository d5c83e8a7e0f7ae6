package kubernetes

import (
	"context"
	"encoding/json"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"
)

// api is the part of a cluster's API that a lab needs.
type api struct {
	config     *rest.Config
	core       *rest.RESTClient
	networking *rest.RESTClient
	params     runtime.ParameterCodec
}

var listAll = meta.ListOptions{}

// now removes an object without a grace period.
var now = meta.DeleteOptions{GracePeriodSeconds: new(int64)}

func newAPI(config *rest.Config) (*api, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{core.AddToScheme, networking.AddToScheme, policy.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 200 // a lab is a dozen nodes; the default of 5 per second would be waited for
	client := func(path string, gv schema.GroupVersion) (*rest.RESTClient, error) {
		c := rest.CopyConfig(config)
		c.APIPath, c.GroupVersion = path, &gv
		c.NegotiatedSerializer = codecs
		return rest.RESTClientFor(c)
	}
	a := &api{config: config, params: runtime.NewParameterCodec(scheme)}
	var err error
	if a.core, err = client("/api", core.SchemeGroupVersion); err != nil {
		return nil, err
	}
	a.networking, err = client("/apis", networking.SchemeGroupVersion)
	return a, err
}

func (a *api) pods(space string) *gentype.ClientWithList[*core.Pod, *core.PodList] {
	return gentype.NewClientWithList("pods", a.core, a.params, space,
		func() *core.Pod { return &core.Pod{} }, func() *core.PodList { return &core.PodList{} })
}

func (a *api) services(space string) *gentype.Client[*core.Service] {
	return gentype.NewClient("services", a.core, a.params, space, func() *core.Service { return &core.Service{} })
}

func (a *api) secrets(space string) *gentype.Client[*core.Secret] {
	return gentype.NewClient("secrets", a.core, a.params, space, func() *core.Secret { return &core.Secret{} })
}

func (a *api) accounts(space string) *gentype.Client[*core.ServiceAccount] {
	return gentype.NewClient("serviceaccounts", a.core, a.params, space, func() *core.ServiceAccount { return &core.ServiceAccount{} })
}

func (a *api) policies(space string) *gentype.Client[*networking.NetworkPolicy] {
	return gentype.NewClient("networkpolicies", a.networking, a.params, space,
		func() *networking.NetworkPolicy { return &networking.NetworkPolicy{} })
}

func (a *api) spaces() *gentype.ClientWithList[*core.Namespace, *core.NamespaceList] {
	return gentype.NewClientWithList("namespaces", a.core, a.params, "",
		func() *core.Namespace { return &core.Namespace{} }, func() *core.NamespaceList { return &core.NamespaceList{} })
}

func (a *api) nodes() *gentype.ClientWithList[*core.Node, *core.NodeList] {
	return gentype.NewClientWithList("nodes", a.core, a.params, "",
		func() *core.Node { return &core.Node{} }, func() *core.NodeList { return &core.NodeList{} })
}

// version is the server's.
func (a *api) version(ctx context.Context) (string, error) {
	body, err := a.core.Get().AbsPath("/version").DoRaw(ctx)
	if err != nil {
		return "", err
	}
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	return v.GitVersion, json.Unmarshal(body, &v)
}

// gone is an error unless what was to be removed is not there.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
