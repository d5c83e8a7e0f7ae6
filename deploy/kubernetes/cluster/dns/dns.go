// Package dns answers questions about Services, as far as tests of a cluster need it.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
)

// resync is how often informers go through all that they know.
const resync = time.Minute

// zone answers for the names of Services: SERVICE.NAMESPACE.svc.cluster.local.
type zone struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

const suffix = ".svc.cluster.local."

// Serve answers by UDP, until it cannot go on.
func Serve(api kubernetes.Interface, addr string) error {
	ctx := context.Background()
	factory := informers.NewSharedInformerFactory(api, resync)
	z := zone{factory.Core().V1().Services().Lister(), factory.Discovery().V1().EndpointSlices().Lister()}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		answer, err := z.answer(buffer[:n])
		if err != nil {
			continue // it was no question
		}
		if _, err := conn.WriteTo(answer, from); err != nil {
			fmt.Println("answer", from, err)
		}
	}
}

func (z zone) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	if len(m.Questions) != 1 {
		return nil, errors.New("want one question")
	}
	q := m.Questions[0]
	m.Response, m.Authoritative = true, true
	m.Additionals = nil
	ips, known := z.lookUp(q.Name.String())
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	if q.Type == dnsmessage.TypeA {
		for _, text := range ips {
			ip := net.ParseIP(text).To4()
			if ip == nil {
				continue
			}
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte(ip)},
			})
		}
	}
	return m.Pack()
}

// lookUp returns a Service's address, or those of the ready pods of a Service without one.
func (z zone) lookUp(name string) (ips []string, known bool) {
	rest, ours := strings.CutSuffix(strings.ToLower(name), suffix)
	service, space, ok := strings.Cut(rest, ".")
	if !ours || !ok {
		return nil, false
	}
	s, err := z.services.Services(space).Get(service)
	if err != nil {
		return nil, false
	}
	if s.Spec.ClusterIP != core.ClusterIPNone {
		return []string{s.Spec.ClusterIP}, true
	}
	selector := labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: service})
	slices, err := z.slices.EndpointSlices(space).List(selector)
	if err != nil {
		return nil, false
	}
	for _, slice := range slices {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				ips = append(ips, e.Addresses...)
			}
		}
	}
	return ips, true
}
